// Which outputs of a derivation are meant: `X.drv^out,dev`, `X.drv^*`, or `X.drv!out` as old commands and protocols write.

import { NarrowError } from '../errors.ts';
import { compareBytes } from '../bytes/byte-string.ts';
import { storeNameFault } from './store-path.ts';

/** All outputs, or some: sorted, unique, at least one. */
export type OutputSpec = 'all' | readonly string[];

export interface Installable {
  /** What stands before the mark: a path, a link, a name. */
  readonly base: string;
  /** Absent: the thing itself. */
  readonly outputs?: OutputSpec | undefined;
}

/**
 * Splits a word of the command line at its last `^`, or at a `!` that follows `.drv`. Throws `usage` when what comes
 * after is no list of outputs.
 */
export function parseInstallable(text: string): Installable {
  const caret = text.lastIndexOf('^');
  const bang = /\.drv!([^!/]*)$/.exec(text);
  const at = caret >= 0 ? caret : bang ? bang.index + '.drv'.length : -1;
  if (at < 0) return { base: text };
  const base = text.slice(0, at);
  if (base === '') throw new NarrowError('usage', `bad installable '${text}': expected a path before '${text[at]}'`);
  return { base, outputs: parseOutputSpec(text.slice(at + 1), text) };
}

/** Reads `*` or names with commas between. `whole` is the word it came from, for the error. Throws `usage`. */
export function parseOutputSpec(text: string, whole: string = text): OutputSpec {
  if (text === '*') return 'all';
  const names = text.split(',');
  for (const name of names) {
    const fault = storeNameFault(name);
    if (fault === undefined) continue;
    throw new NarrowError('usage', `bad outputs '${text}' of '${whole}': ${fault}`, {
      hint: "write X.drv^out, X.drv^out,dev or 'X.drv^*' (quoted, because of the shell)",
    });
  }
  return [...new Set(names)].sort(compareBytes);
}

/** Prints it again, `^` form without the mark. */
export function formatOutputSpec(spec: OutputSpec): string {
  return spec === 'all' ? '*' : spec.join(',');
}
