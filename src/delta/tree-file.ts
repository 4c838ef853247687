// Files of trees: compared, digested, read at random.

import { createHash } from 'node:crypto';
import { NarrowError } from '../errors.ts';
import { treePathText } from '../format/nar/tree.ts';
import type { SyncFileTree, TreePath } from '../format/nar/tree.ts';
import { pageOf, pageSize } from './pages.ts';
import type { Pages } from './pages.ts';
import type { RandomBytes } from './random-bytes.ts';

/** Bytes of a digest that stands for contents: SHA-256, cut. */
export const digestSize = 16;

/** True when two sources yield the same bytes; stops at the first difference. They must not share a buffer. */
export function sameContents(one: Iterable<Uint8Array>, other: Iterable<Uint8Array>): boolean {
  const others = other[Symbol.iterator]();
  let rest: Uint8Array = new Uint8Array(0);
  try {
    for (const chunk of one) {
      for (let at = 0; at < chunk.length;) {
        while (rest.length === 0) {
          const next = others.next();
          if (next.done === true) return false;
          rest = next.value;
        }
        const size = Math.min(rest.length, chunk.length - at);
        if (Buffer.compare(chunk.subarray(at, at + size), rest.subarray(0, size)) !== 0) return false;
        at += size;
        rest = rest.subarray(size);
      }
    }
    while (rest.length === 0) {
      const next = others.next();
      if (next.done === true) return true;
      rest = next.value;
    }
    return false;
  } finally {
    others.return?.();
  }
}

/** The digest that stands for a file's contents. */
export function contentDigest(contents: Iterable<Uint8Array>): Buffer {
  const hash = createHash('sha256');
  for (const chunk of contents) hash.update(chunk);
  return hash.digest().subarray(0, digestSize);
}

/** Files up to this size are read once and held, of larger ones pages. */
const heldSize = 4 * 1024 * 1024;

/** A file of `size` bytes in `tree`, for reading at random. */
export function treeFile(tree: SyncFileTree, path: TreePath, size: number): RandomBytes {
  if (size > heldSize) return pagedFile(tree, path, size);
  let held: Buffer | undefined;
  return {
    size,
    read(offset, length) {
      held ??= readPart(tree, path, 0, Buffer.allocUnsafe(size), size);
      return held.subarray(offset, offset + length);
    },
  };
}

function pagedFile(tree: SyncFileTree, path: TreePath, size: number): RandomBytes {
  const pages: Pages = new Map();
  let buffer = Buffer.alloc(0);
  return {
    size,
    read(offset, length) {
      const first = Math.floor(offset / pageSize);
      const start = offset - first * pageSize;
      if (start + length <= pageSize) {
        const page = pageOf(pages, first, (room) => {
          readPart(tree, path, offset - start, room.subarray(0, size - offset + start), size);
        });
        return page.subarray(start, start + length);
      }
      if (buffer.length < length) buffer = Buffer.allocUnsafe(length);
      return readPart(tree, path, offset, buffer.subarray(0, length), size);
    },
  };
}

/** Fills `bytes` from `offset` of a file that has `size` bytes. */
function readPart(tree: SyncFileTree, path: TreePath, offset: number, bytes: Buffer, size: number): Buffer {
  const { length } = bytes;
  let at = 0;
  // without a range a tree reads to the end of the file in one go
  for (const chunk of tree.read(path, length === size ? undefined : { offset, length })) {
    if (at + chunk.length > length) throw changed(path, size);
    bytes.set(chunk, at);
    at += chunk.length;
  }
  if (at < length) throw changed(path, size);
  return bytes;
}

function changed(path: TreePath, expected: number): NarrowError {
  return new NarrowError(
    'integrity',
    `${treePathText(path)} changed while it was read: expected a file of ${expected} bytes`,
  );
}

/** Cuts a source into blocks that fill `block`, the last one perhaps not; borrowed until the next. */
export function* inBlocks(source: Iterable<Uint8Array>, block: Buffer): Generator<Buffer, void, undefined> {
  const size = block.length;
  let filled = 0;
  for (const chunk of source) {
    for (let at = 0; at < chunk.length;) {
      const part = chunk.subarray(at, at + size - filled);
      block.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < size) continue;
      yield block;
      filled = 0;
    }
  }
  if (filled > 0) yield block.subarray(0, filled);
}
