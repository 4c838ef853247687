// Files that say which paths are to be kept and why: `Name: value` lines as in a narinfo. Generations of a name are signed.
// docs/formats/cache-roots.md describes them.

import { NarrowError, formatError } from '../errors.ts';
import { normaliseSignature, signText } from '../model/signature.ts';
import type { SecretKey } from '../model/signature.ts';
import type { StoreDir, StorePath } from '../model/store-path.ts';
import { parseStorePath, printStorePath } from '../model/store-path.ts';

export interface RootRecord {
  /** Of a generation or a pin. */
  readonly name?: string | undefined;
  readonly generation?: number | undefined;
  /** When it was written by the clock of who wrote it, seconds since 1970. */
  readonly time: number;
  readonly paths: readonly StorePath[];
  readonly signatures: readonly string[];
}

/** A record that is the generation of a name. */
export interface Generation extends RootRecord {
  readonly name: string;
  readonly generation: number;
}

/** Longest record that is read, in bytes. */
export const maxRecord: number = 4 * 2 ** 20;

/** The text that is signed: nothing of it can be changed, nor be taken for the generation of another name. */
export function generationText(storeDir: StoreDir, { name, generation, time, paths }: Generation): string {
  const full = paths.map((path) => printStorePath(storeDir, path)).join(',');
  return `narrow-generation-1;${storeDir};${name};${generation};${time};${full}`;
}

export function signGeneration(storeDir: StoreDir, record: Generation, keys: readonly SecretKey[]): Generation {
  const text = generationText(storeDir, record);
  return { ...record, signatures: keys.map((key) => signText(key, text)) };
}

export function formatRecord(storeDir: StoreDir, record: RootRecord): string {
  const { name, generation, time, paths, signatures } = record;
  return [
    ...(name === undefined ? [] : [`Name: ${name}`]),
    ...(generation === undefined ? [] : [`Generation: ${generation}`]),
    `Time: ${time}`,
    ...paths.map((path) => `Path: ${printStorePath(storeDir, path)}`),
    ...signatures.map((signature) => `Sig: ${signature}`),
    '',
  ].join('\n');
}

/** Throws `format` with the line. Lines of names that are not known are let pass. */
export function parseRecord(storeDir: StoreDir, bytes: Uint8Array, source: string): RootRecord {
  const record = { paths: [] as StorePath[], signatures: [] as string[], time: NaN } as {
    name?: string;
    generation?: number;
    time: number;
    paths: StorePath[];
    signatures: string[];
  };
  for (const [index, line] of Buffer.from(bytes).toString('utf8').split('\n').entries()) {
    const match = /^([A-Za-z]+): (.*)$/.exec(line);
    if (match) readLine(record, storeDir, match[1]!, match[2]!, { source, line: index + 1 });
    else if (line !== '') throw formatError('bad record', { source, line: index + 1 }, { expected: "'Name: value'" });
  }
  if (Number.isNaN(record.time)) throw formatError('bad record', { source }, { expected: 'a line Time', got: 'none' });
  if (record.paths.length === 0) throw formatError('bad record', { source }, { expected: 'a line Path', got: 'none' });
  return record;
}

function readLine(
  record: { name?: string; generation?: number; time: number; paths: StorePath[]; signatures: string[] },
  storeDir: StoreDir,
  name: string,
  value: string,
  place: { source: string; line: number },
): void {
  try {
    if (name === 'Name') record.name = value;
    else if (name === 'Generation') record.generation = wholeNumber(value);
    else if (name === 'Time') record.time = wholeNumber(value);
    else if (name === 'Path') record.paths.push(parseStorePath(storeDir, value));
    else if (name === 'Sig') record.signatures.push(normaliseSignature(value));
  } catch (error) {
    if (!(error instanceof NarrowError)) throw error;
    throw formatError(`bad ${name} of a record`, place, { got: error.message, cause: error });
  }
}

function wholeNumber(text: string): number {
  if (/^[0-9]{1,15}$/.test(text)) return Number(text);
  throw new NarrowError('format', `'${text.slice(0, 40)}' where a whole number was expected`);
}

export function isGeneration(record: RootRecord): record is Generation {
  return record.name !== undefined && record.generation !== undefined;
}
