// What a side asks for that cannot apply a bundle: volumes that were lost or damaged, and paths that are not there any more.
// A file that is carried back to who made the bundle. Described in docs/formats/bundle.md.

import { createHash } from 'node:crypto';
import { formatError } from '../errors.ts';
import type { StorePath } from '../model/store-path.ts';
import { tryBaseName } from '../model/store-path.ts';
import type { Inventory } from './inventory.ts';
import { formatInventory, parseInventory } from './inventory.ts';

export interface BundleRequest {
  /** The id of the bundle; undefined: nothing of it could be read. */
  readonly bundle: string | undefined;
  /** Numbers of volumes that are damaged or not there. */
  readonly volumes: readonly number[];
  /** All volumes after this one, too. */
  readonly after: number | undefined;
  readonly paths: readonly NeededPath[];
  /** What is there, where paths are asked for. */
  readonly there: Inventory | undefined;
}

export interface NeededPath {
  readonly path: StorePath;
  /** The beginning of the one that the bundle was made with, base 16. */
  readonly narHash: string;
  /** Something else is there under this path: it cannot be brought. */
  readonly differs: boolean;
  /** Paths of the bundle that are made from it. */
  readonly baseOf: readonly StorePath[];
}

const magic = Buffer.from('nrwrqst\x01', 'latin1');
/** Bytes that the facts may have. */
const factsLimit = 64 * 1024 * 1024;

/** A request as a file: magic, length of the facts, facts, an inventory or nothing, SHA-256 of all that. */
export async function formatRequest({ there, ...facts }: BundleRequest): Promise<Buffer> {
  const text = Buffer.from(JSON.stringify(facts));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  const body = Buffer.concat([magic, length, text, ...(there ? [await formatInventory(there)] : [])]);
  return Buffer.concat([body, sha256(body)]);
}

/** Reads {@link formatRequest}'s bytes; `source` names them in errors. Throws `format`. */
export function parseRequest(bytes: Buffer, source: string): BundleRequest {
  if (!magic.equals(bytes.subarray(0, magic.length)))
    throw formatError('not a request', { source, offset: 0 }, { expected: '"nrwrqst" and version 1' });
  const end = bytes.length - 32;
  const head = magic.length + 4;
  if (end < head || !sha256(bytes.subarray(0, end)).equals(bytes.subarray(end)))
    throw formatError('a damaged request', { source, offset: Math.max(end, 0) }, { expected: 'its SHA-256' });
  const length = bytes.readUInt32LE(magic.length);
  if (length > Math.min(factsLimit, end - head))
    throw formatError('bad facts of a request', { source, offset: magic.length }, { got: `${length} bytes` });
  const rest = bytes.subarray(head + length, end);
  const there = rest.length > 0 ? parseInventory(rest, source) : undefined;
  return { ...parseFacts(bytes.toString('utf8', head, head + length), source), there };
}

function parseFacts(text: string, source: string): Omit<BundleRequest, 'there'> {
  const place = { source, offset: magic.length + 4 };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw formatError('bad facts of a request', place, { cause, expected: 'JSON' });
  }
  const { bundle, volumes, after, paths } = (value ?? {}) as Partial<BundleRequest>;
  const ok =
    (bundle === undefined || typeof bundle === 'string') &&
    Array.isArray(volumes) &&
    volumes.every(isCount) &&
    (after === undefined || isCount(after)) &&
    Array.isArray(paths) &&
    paths.every(isNeeded);
  if (ok) return { bundle, volumes, after, paths };
  throw formatError('bad facts of a request', place, { expected: 'those of version 1' });
}

function isNeeded(value: unknown): value is NeededPath {
  const { path, narHash, differs, baseOf } = (value ?? {}) as Partial<NeededPath>;
  const texts = isPath(path) && typeof narHash === 'string' && typeof differs === 'boolean';
  return texts && Array.isArray(baseOf) && baseOf.every(isPath);
}

function isPath(value: unknown): value is StorePath {
  return typeof value === 'string' && tryBaseName(value) !== undefined;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
