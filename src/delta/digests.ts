// Trees described by digests, for a sender that lacks a base which the receiver has: equal files are then still not sent. Names
// are written as what differs from the last one, numbers and names in columns of their own, and digests as they are.

import { quoteBytes } from '../bytes/byte-string.ts';
import type { ByteString } from '../bytes/byte-string.ts';
import { formatError } from '../errors.ts';
import { nameFault } from '../format/nar/name.ts';
import { DEPTH_LIMIT } from '../format/nar/tokens.ts';
import { ColumnReader, ColumnWriter } from './columns.ts';
import type { BaseDigests } from './files.ts';
import { squeeze, unsqueeze } from './squeeze.ts';
import { digestSize } from './tree-file.ts';
import { isFile, kind } from './tree-index.ts';
import type { TreeEntry } from './tree-index.ts';
import { sharedPrefix } from './tree-writer.ts';

export { digestsOf } from './files.ts';
export type { BaseDigests } from './files.ts';

const version = 1;
/** Bytes that all columns may have. */
const sizeLimit = 64 * 1024 * 1024;
/** Entries of all trees: what they take in memory is more than what they take on the wire. */
const entryLimit = 1_000_000;

const column = {
  /** The number of trees, of each the number of its entries. */
  count: 0,
  kind: 1,
  /** Of each directory how many entries are in it, all the way down. */
  within: 2,
  shared: 3,
  name: 4,
  size: 5,
  target: 6,
  digest: 7,
} as const;
const columnCount = 8;

/**
 * Writes down what {@link decodeDigests} reads: about 16 bytes a file and a few more. Of more than a million entries in all
 * only the first trees are described; the others are as if they had nothing.
 */
export async function encodeDigests(all: readonly BaseDigests[]): Promise<Buffer> {
  const out = new ColumnWriter(columnCount);
  out.varint(column.count, all.length);
  let lastName = '' as ByteString;
  let room = entryLimit;
  for (const described of all) {
    const { index, digests } = described.index.length <= room ? described : nothing;
    room -= index.length;
    out.varint(column.count, index.length);
    for (const [at, entry] of index.entries()) {
      out.byte(column.kind, entry.kind);
      const shared = sharedPrefix(entry.name, lastName);
      out.varint(column.shared, shared);
      out.bytes(column.name, Buffer.from(`${entry.name.slice(shared)}\0`, 'latin1'));
      lastName = entry.name;
      if (entry.kind === kind.directory) out.varint(column.within, entry.end - at - 1);
      else if (entry.kind === kind.symlink) out.bytes(column.target, Buffer.from(`${entry.target}\0`, 'latin1'));
      else out.varint(column.size, entry.size);
      if (isFile(entry) && entry.size > 0)
        out.bytes(column.digest, digests.subarray(at * digestSize, (at + 1) * digestSize));
    }
  }
  return packed(out.take());
}

const nothing: BaseDigests = { index: [], digests: new Uint8Array(0) };

async function packed(columns: readonly Uint8Array[]): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  const head = new ColumnWriter(1);
  head.byte(0, version);
  for (const [i, bytes] of columns.entries()) {
    const stored = i === column.digest ? { method: 0, bytes } : await squeeze(bytes, 'best');
    head.varint(0, bytes.length * 4 + stored.method);
    if (stored.method !== 0) head.varint(0, stored.bytes.length);
    parts.push(stored.bytes);
  }
  return Buffer.concat([...head.take(), ...parts]);
}

/** Reads what {@link encodeDigests} wrote; `format` on anything else. */
export function decodeDigests(bytes: Uint8Array): BaseDigests[] {
  const reader = new ColumnReader(unpacked(bytes), 'digests');
  const all: BaseDigests[] = [];
  const state = { last: '' as ByteString, room: entryLimit };
  for (let left = reader.varint(column.count); left > 0; left--) all.push(readTree(reader, state));
  reader.expectEnd();
  return all;
}

function unpacked(bytes: Uint8Array): Uint8Array[] {
  const head = new ColumnReader([bytes], 'digests');
  const place = { source: 'the digests of bases' };
  const got = head.byte(0);
  if (got !== version)
    throw formatError('digests of another version', place, { expected: `${version}`, got: `${got}` });
  let total = 0;
  const table = Array.from({ length: columnCount }, () => {
    const value = head.varint(0);
    const size = Math.floor(value / 4);
    total += size;
    return { size, method: value % 4, stored: value % 4 === 0 ? size : head.varint(0) };
  });
  if (total > sizeLimit)
    throw formatError('too many digests', place, { expected: `at most ${sizeLimit} bytes`, got: `${total}` });
  const columns = table.map(({ size, method, stored }) =>
    unsqueeze({ method, bytes: head.bytes(0, stored) }, size, place),
  );
  head.expectEnd();
  return columns;
}

/** The last name, and how many entries may still come. */
interface ReadState {
  last: ByteString;
  room: number;
}

function readTree(reader: ColumnReader, state: ReadState): BaseDigests {
  const count = reader.varint(column.count);
  const most = Math.min(reader.left(column.kind), state.room);
  if (count > most)
    throw formatError(
      'too many entries',
      { source: 'the digests of bases' },
      { expected: `at most ${most}`, got: `${count}` },
    );
  state.room -= count;
  const index: TreeEntry[] = [];
  const digests = Buffer.alloc(count * digestSize);
  /** Directories that are open: their numbers, and the last name in each. */
  const open: { readonly entry: number; name: ByteString }[] = [];
  for (let at = 0; at < count; at++) {
    while (open.length > 0 && index[open.at(-1)!.entry]!.end === at) open.pop();
    const entry = readEntry(reader, state, at, open.at(-1)?.entry ?? -1);
    checkPlace(entry, at, open.at(-1), open.length, index[open.at(-1)?.entry ?? -1]?.end ?? count);
    index.push(entry);
    if (isFile(entry) && entry.size > 0) digests.set(reader.bytes(column.digest, digestSize), at * digestSize);
    if (entry.kind === kind.directory) open.push({ entry: at, name: '' as ByteString });
  }
  return { index, digests };
}

function readEntry(reader: ColumnReader, state: ReadState, at: number, parent: number): TreeEntry {
  const is = reader.byte(column.kind);
  const shared = reader.varint(column.shared);
  const name = (state.last.slice(0, shared) + reader.text(column.name)) as ByteString;
  state.last = name;
  if (is > kind.symlink)
    throw formatError('an unknown kind of entry', { source: 'the digests of bases' }, { got: `${is}` });
  const end = at + 1 + (is === kind.directory ? reader.varint(column.within) : 0);
  const target = is === kind.symlink ? reader.text(column.target) : ('' as ByteString);
  const size = is === kind.regular || is === kind.executable ? reader.varint(column.size) : 0;
  return { kind: is, name, parent, size, target, end };
}

/** An entry must have a name that can follow the last one in its directory, and end with it. */
function checkPlace(
  { name, end }: TreeEntry,
  at: number,
  directory: { name: ByteString } | undefined,
  depth: number,
  limit: number,
): void {
  const place = { source: 'the digests of bases' };
  if (end > limit || depth >= DEPTH_LIMIT || (directory === undefined) !== (at === 0))
    throw formatError('entries that make no tree', place, { got: `entry ${at} under ${depth} directories` });
  if (directory === undefined) {
    if (name !== '') throw formatError('a root with a name', place, { got: quoteBytes(name) });
    return;
  }
  const fault = nameFault(name, directory.name);
  if (fault !== undefined) throw formatError(fault.what, place, { expected: fault.expected, got: quoteBytes(name) });
  directory.name = name;
}
