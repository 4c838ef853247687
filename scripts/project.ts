// What the scripts share: the top of the checkout, and pages of which a part is generated.

import { join } from 'node:path';

export const projectDir: string = join(import.meta.dirname, '..');

/** True for the file that was started, false for one that was imported. */
export function isMain(meta: ImportMeta): boolean {
  return meta.filename === process.argv[1];
}

function marks(name: string): [string, string] {
  return [`<!-- ${name}: generated, see CONTRIBUTING.md -->\n`, `\n<!-- end of ${name} -->`];
}

/** What lies between the markers `name` in a page. Throws when they are not there. */
export function between(text: string, name: string): string {
  const [first, last] = marks(name);
  const [from, to] = [text.indexOf(first), text.indexOf(last)];
  if (from < 0 || to < from) throw new Error(`no markers '${name}' in the page, expected ${first.trim()}`);
  return text.slice(from + first.length, to);
}

/** The page with `content` between the markers `name`. */
export function replaceBetween(text: string, name: string, content: string): string {
  const [first, last] = marks(name);
  const old = `${first}${between(text, name)}${last}`;
  return text.replace(old, () => `${first}${content}${last}`);
}
