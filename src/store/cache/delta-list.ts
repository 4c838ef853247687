// Deltas that lie in a static cache: for each path that some lead to a list of them, small enough that a reader chooses with
// one request. docs/formats/cache-deltas.md describes it.

import { NarrowError, formatError } from '../../errors.ts';
import { encodeHash, formatHash, parseHash } from '../../model/hash.ts';
import type { Hash } from '../../model/hash.ts';
import { hashPart, parseStorePath, printStorePath } from '../../model/store-path.ts';
import type { StoreDir, StorePath } from '../../model/store-path.ts';
import type { CacheFiles, FileOptions } from './files.ts';
import { mediaTypes } from './files.ts';

/** What the paths of one generation can be made with where another is. */
export interface ListedDelta {
  /** What it leads to. */
  readonly to: readonly StorePath[];
  /** What has to be there, with all that these refer to. */
  readonly from: readonly StorePath[];
  /** Digest of the closure of `from`, 16 hexadecimal digits: docs/formats/path-infos.md. */
  readonly base: string;
  readonly fileHash: Hash;
  readonly fileSize: number;
  /** How many paths it makes. */
  readonly paths: number;
  /** Bytes of their NARs. */
  readonly narSize: number;
}

export const deltasDirectory = 'narrow/deltas';
/** Bytes of a list. */
const maxList = 1 << 20;
const digestPattern = /^[0-9a-f]{16}$/;

/** Where the deltas that lead to a path are listed. */
export function listReference(path: StorePath): string {
  return `${deltasDirectory}/${hashPart(path)}`;
}

/** Deltas are named by their contents: nobody ever replaces one. */
export function deltaReference({ fileHash }: Pick<ListedDelta, 'fileHash'>): string {
  return `${deltasDirectory}/${encodeHash(fileHash, 'base32')}.delta`;
}

/** The paths of a base closure, for who has only some of them. */
export function basesReference(base: string): string {
  return `${deltasDirectory}/${base}.bases`;
}

/** The deltas that lead to a path. Throws `format`. */
export async function readDeltaList(
  { files, storeDir }: { readonly files: CacheFiles; readonly storeDir: StoreDir },
  path: StorePath,
  options: FileOptions = {},
): Promise<ListedDelta[]> {
  const reference = listReference(path);
  const bytes = await files.read(reference, maxList, options);
  return bytes ? parseDeltaList(storeDir, bytes, `${files.url}/${reference}`) : [];
}

/** Replaces a list; removes one without entries. */
export async function writeDeltaList(
  { files, storeDir }: { readonly files: CacheFiles; readonly storeDir: StoreDir },
  reference: string,
  deltas: readonly ListedDelta[],
  options: FileOptions = {},
): Promise<void> {
  if (deltas.length === 0) await files.remove(reference, options);
  else await files.write(reference, Buffer.from(formatDeltaList(storeDir, deltas)), mediaTypes.text, options);
}

export function formatDeltaList(storeDir: StoreDir, deltas: readonly ListedDelta[]): string {
  return deltas
    .map(({ to, from, base, fileHash, fileSize, paths, narSize }) =>
      [
        ...to.map((path) => `To: ${printStorePath(storeDir, path)}\n`),
        ...from.map((path) => `From: ${printStorePath(storeDir, path)}\n`),
        `Base: ${base}\n`,
        `FileHash: ${formatHash(fileHash)}\n`,
        `FileSize: ${fileSize}\n`,
        `Paths: ${paths}\n`,
        `NarSize: ${narSize}\n`,
      ].join(''),
    )
    .join('\n');
}

/** Lines of names that are not known are let pass. Throws `format` with the line. */
export function parseDeltaList(storeDir: StoreDir, bytes: Uint8Array, source: string): ListedDelta[] {
  const deltas: ListedDelta[] = [];
  let fields = new Map<string, string[]>();
  const lines = Buffer.from(bytes).toString('utf8').split('\n');
  for (const [index, line] of [...lines, ''].entries()) {
    const place = { source, line: index + 1 };
    if (line === '') {
      if (fields.size > 0) deltas.push(deltaOf(storeDir, fields, place));
      fields = new Map();
      continue;
    }
    const [, name, value] = /^([A-Za-z]+): (.*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined)
      throw formatError('bad list of deltas', place, {
        expected: 'NAME: VALUE',
        got: JSON.stringify(line.slice(0, 60)),
      });
    fields.set(name, [...(fields.get(name) ?? []), value]);
  }
  return deltas;
}

function deltaOf(
  storeDir: StoreDir,
  fields: ReadonlyMap<string, readonly string[]>,
  place: { readonly source: string; readonly line: number },
): ListedDelta {
  const one = (name: string): string => {
    const [value, ...more] = fields.get(name) ?? [];
    if (value !== undefined && more.length === 0) return value;
    throw formatError(`bad list of deltas: ${value === undefined ? 'no' : 'more than one'} ${name}`, place);
  };
  const number = (name: string): number => {
    const text = one(name);
    if (/^[0-9]{1,15}$/.test(text)) return Number(text);
    throw formatError(`bad ${name} in a list of deltas`, place, { expected: 'a number', got: JSON.stringify(text) });
  };
  const paths = (name: string): StorePath[] => {
    try {
      return (fields.get(name) ?? []).map((text) => parseStorePath(storeDir, text));
    } catch (cause) {
      if (!(cause instanceof NarrowError)) throw cause;
      throw formatError(`bad ${name} in a list of deltas: ${cause.message}`, place, { cause });
    }
  };
  const [to, from, base] = [paths('To'), paths('From'), one('Base')];
  if (to.length === 0 || from.length === 0) throw formatError('a delta in a list leads from or to nothing', place);
  if (!digestPattern.test(base))
    throw formatError('bad Base in a list of deltas', place, { got: JSON.stringify(base) });
  const fileHash = hashOf(one('FileHash'), place);
  return { to, from, base, fileHash, fileSize: number('FileSize'), paths: number('Paths'), narSize: number('NarSize') };
}

function hashOf(text: string, place: { readonly source: string; readonly line: number }): Hash {
  try {
    const hash = parseHash(text);
    if (hash.algo === 'sha256') return hash;
  } catch (cause) {
    if (!(cause instanceof NarrowError)) throw cause;
  }
  throw formatError('bad FileHash in a list of deltas', place, { expected: 'sha256:…', got: JSON.stringify(text) });
}
