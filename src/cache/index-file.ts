// `narrow/index`: what the narinfos of a cache say of references and files, so that nobody has to read a hundred thousand of
// them. A hint and nothing more: a row counts only while the narinfo's version in a listing is the one that the row was made of.
// docs/formats/cache-roots.md describes it.

import { formatError } from '../errors.ts';
import { tryBaseName } from '../model/store-path.ts';
import type { StorePath } from '../model/store-path.ts';

const heading = 'narrow-cache-index 1';

/** What is known of one narinfo. */
export interface IndexRow {
  readonly path: StorePath;
  /** That of the narinfo in a listing. */
  readonly version: string;
  /** As in the narinfo. */
  readonly url: string;
  readonly fileSize: number;
  readonly narSize: number;
  /** Itself included, where it refers to itself. */
  readonly references: readonly StorePath[];
}

/** Longest index that is read, in bytes: two million paths. */
export const maxIndex: number = 512 * 2 ** 20;

/** Rows refer to each other by number, which is a tenth of the names. What would break the lines is left out. */
export function formatIndex(all: Iterable<IndexRow>): Buffer {
  const rows = [...all].filter(({ url, version }) => /^[!-~]*$/.test(url + version));
  const numbers = new Map(rows.map(({ path }, i) => [path, i]));
  const lines = rows.map(({ path, version, url, fileSize, narSize, references }) => {
    const refs = references.map((reference) => numbers.get(reference) ?? `=${reference}`);
    return `${path}\t${version}\t${url}\t${fileSize}\t${narSize}\t${refs.join(' ')}\n`;
  });
  const chunks = [Buffer.from(`${heading}\n`)];
  // in parts: a string of half a gigabyte is more than V8 makes
  for (let i = 0; i < lines.length; i += 4096) chunks.push(Buffer.from(lines.slice(i, i + 4096).join('')));
  return Buffer.concat(chunks);
}

/** Throws `format`. In two passes, so that rows can refer to later ones and nothing is held twice. */
export function parseIndex(bytes: Buffer, source: string): IndexRow[] {
  const start = bytes.indexOf(10) + 1;
  const first = bytes.toString('latin1', 0, Math.min(Math.max(0, start - 1), 80));
  if (first !== heading)
    throw formatError('bad index', { source, line: 1 }, { expected: `'${heading}'`, got: `'${first}'` });
  const paths: StorePath[] = [];
  for (const [at, end] of linesOf(bytes, start)) {
    const path = tryBaseName(bytes.toString('latin1', at, Math.min(end, Math.max(at, bytes.indexOf(9, at)))));
    if (path === undefined)
      throw formatError('bad index', { source, line: paths.length + 2 }, { expected: 'a store path first' });
    paths.push(path);
  }
  let row = 0;
  return Array.from(linesOf(bytes, start), ([at, end]) => {
    const path = paths[row++]!;
    const parsed = parseFields(path, bytes.toString('latin1', at + path.length + 1, end), paths);
    if (!parsed) throw formatError('bad index', { source, line: row + 1 }, { expected: 'numbers of rows, and sizes' });
    return parsed;
  });
}

/** Start and end of each line. What lacks its line feed was cut off. */
function* linesOf(bytes: Buffer, start: number): Generator<readonly [number, number]> {
  for (let at = start, end = bytes.indexOf(10, at); end >= 0; at = end + 1, end = bytes.indexOf(10, at))
    yield [at, end];
}

function parseFields(path: StorePath, text: string, paths: readonly StorePath[]): IndexRow | undefined {
  const [version = '', url = '', file, nar, refs = ''] = text.split('\t');
  const [fileSize, narSize] = [Number(file), Number(nar)];
  const references = refs === '' ? [] : refs.split(' ').map((ref) => referenceOf(ref, paths));
  const good = [fileSize, narSize].every((n) => Number.isSafeInteger(n) && n >= 0) && !references.includes(undefined);
  return good ? { path, version, url, fileSize, narSize, references: references as StorePath[] } : undefined;
}

function referenceOf(ref: string, paths: readonly StorePath[]): StorePath | undefined {
  return ref.startsWith('=') ? tryBaseName(ref.slice(1)) : paths[Number(ref)];
}
