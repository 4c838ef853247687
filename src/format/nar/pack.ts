// Packs a tree as a NAR, in constant memory. Tokens and small contents are batched in one reused buffer; pieces of contents
// too big for it are handed on as they come. A tree that answers at once is packed by a synchronous generator, in which
// nothing is awaited: with 28,800 files that is most of the time. The async one is the same loop with awaits.

import { displayBytes } from '../../bytes/byte-string.ts';
import type { ByteString } from '../../bytes/byte-string.ts';
import type { ByteSource } from '../../bytes/source.ts';
import { padding, putU64 } from '../../bytes/u64.ts';
import { NarrowError } from '../../errors.ts';
import { nameFault } from './name.ts';
import * as tokens from './tokens.ts';
import { treePathText } from './tree.ts';
import type { FileTree, RegularStat, SyncFile, SyncFileTree, TreePath, TreeStat } from './tree.ts';

/** Size of the batches, in bytes. */
const BATCH = 256 * 1024;
/** Contents from here on are not copied into the batch. */
const DIRECT = 64 * 1024;
/** More than any run of tokens between two pieces of contents needs. */
const HEADROOM = 8 * 1024;
/** Size of a buffer to pack into, in bytes. */
export const PACK_BUFFER: number = BATCH + HEADROOM;

/** Where the next chunk is made. The one before may be used again as soon as this is asked for. */
export type PackBuffers = () => Buffer;

/** The NAR of what lies at `path` in `tree` (its root by default). Chunks are borrowed: their buffer is used again. */
export function packNar(tree: FileTree, path: TreePath = [], buffers: PackBuffers = oneBuffer()): ByteSource {
  return 'synchronous' in tree ? packSync(tree as SyncFileTree, path, buffers) : packAsync(tree, path, buffers);
}

function oneBuffer(): PackBuffers {
  const buffer = Buffer.allocUnsafeSlow(PACK_BUFFER);
  return () => buffer;
}

function* packSync(tree: SyncFileTree, root: TreePath, buffers: PackBuffers): Generator<Uint8Array, void, undefined> {
  const batch = new Batch(buffers);
  const walk = new Walk(batch, root);
  for (let step = walk.next(); step !== undefined; step = walk.next()) {
    if (batch.full) {
      yield batch.take();
      batch.renew();
    }
    const stat = tree.stat(step);
    walk.enter(stat, stat?.type === 'directory' ? tree.list(step) : []);
    if (stat?.type !== 'regular') continue;
    if (tree.open) walk.leaveFile(stat, yield* readInto(batch, tree.open(step), stat.size));
    else walk.leaveFile(stat, yield* copyInto(batch, tree.read(step), stat.size));
  }
  yield batch.take();
}

/** Takes contents of `expected` bytes into the batch. Returns how many there were; of a file that has grown, one more. */
function* readInto(batch: Batch, file: SyncFile, expected: number): Generator<Uint8Array, number, undefined> {
  try {
    for (let size = 0; ;) {
      if (batch.full) {
        yield batch.take();
        batch.renew();
      }
      // one byte more is asked for, so that the last read tells that the file ends there
      const count = batch.readFrom(file, expected - size + 1);
      size += count;
      if (size >= expected || count === 0) return size;
    }
  } finally {
    file.close();
  }
}

function* copyInto(
  batch: Batch,
  chunks: Iterable<Uint8Array>,
  expected: number,
): Generator<Uint8Array, number, undefined> {
  let size = 0;
  for (const chunk of chunks) {
    size += chunk.length;
    if (size > expected) break;
    if (!batch.empty && !batch.holds(chunk)) {
      yield batch.take();
      batch.renew();
    }
    if (batch.holds(chunk)) batch.raw(chunk);
    else yield chunk;
  }
  return size;
}

async function* packAsync(
  tree: FileTree,
  root: TreePath,
  buffers: PackBuffers,
): AsyncGenerator<Uint8Array, void, undefined> {
  const batch = new Batch(buffers);
  const walk = new Walk(batch, root);
  for (let step = walk.next(); step !== undefined; step = walk.next()) {
    if (batch.full) {
      yield batch.take();
      batch.renew();
    }
    const stat = await tree.stat(step);
    walk.enter(stat, stat?.type === 'directory' ? await tree.list(step) : []);
    if (stat?.type !== 'regular') continue;
    let size = 0;
    for await (const chunk of tree.read(step)) {
      size += chunk.length;
      if (size > stat.size) break;
      if (!batch.empty && !batch.holds(chunk)) {
        yield batch.take();
        batch.renew();
      }
      if (batch.holds(chunk)) batch.raw(chunk);
      else yield chunk;
    }
    walk.leaveFile(stat, size);
  }
  yield batch.take();
}

/** Walks a tree in the order of its NAR and writes the tokens around the contents. */
class Walk {
  readonly #batch: Batch;
  readonly #root: TreePath;
  readonly #path: ByteString[];
  readonly #open: { readonly names: readonly ByteString[]; at: number }[] = [];
  #started = false;

  constructor(batch: Batch, root: TreePath) {
    this.#batch = batch;
    this.#root = root;
    this.#path = [...root];
  }

  /** The path of the next node, valid until the next call; undefined when the tree is done. Ends directories on the way. */
  next(): TreePath | undefined {
    if (!this.#started) {
      this.#started = true;
      this.#batch.raw(tokens.MAGIC);
      this.#batch.raw(tokens.NODE_OPEN);
      return this.#path;
    }
    for (;;) {
      const directory = this.#open.at(-1);
      if (directory === undefined) return undefined;
      const name = directory.names[directory.at];
      if (name !== undefined) {
        this.#entry(name, directory.names[directory.at - 1]);
        directory.at++;
        return this.#path;
      }
      this.#open.pop();
      this.#endNode();
    }
  }

  #entry(name: ByteString, last: ByteString | undefined): void {
    const fault = nameFault(name, last);
    if (fault !== undefined) {
      const where = treePathText(this.#path);
      throw new NarrowError(
        'format',
        `${fault.what} in ${where}: expected ${fault.expected}, got "${displayBytes(name)}"`,
      );
    }
    this.#path.push(name);
    this.#batch.raw(tokens.ENTRY_NAME);
    this.#batch.string(name);
    this.#batch.raw(tokens.ENTRY_NODE);
  }

  /** Writes the head of the node at the current path; a directory's `names` come next. */
  enter(stat: TreeStat | undefined, names: readonly ByteString[] = []): void {
    if (this.#path.length - this.#root.length >= tokens.DEPTH_LIMIT) {
      throw new NarrowError(
        'format',
        `${treePathText(this.#path)} is nested too deeply for a NAR: expected fewer than 64 levels`,
      );
    }
    switch (stat?.type) {
      case 'directory':
        this.#batch.raw(tokens.DIRECTORY);
        this.#open.push({ names, at: 0 });
        break;
      case 'symlink':
        this.#symlink(stat.target);
        break;
      case 'regular':
        this.#batch.raw(stat.executable ? tokens.EXECUTABLE_CONTENTS : tokens.REGULAR_CONTENTS);
        this.#batch.u64(stat.size);
        break;
      case undefined:
        throw new NarrowError('missing', `there is no ${treePathText(this.#path)} in the tree`);
    }
  }

  #symlink(target: ByteString): void {
    if (target.length === 0 || target.length > tokens.TARGET_LIMIT || target.includes('\0')) {
      const expected = `a target of 1 to ${tokens.TARGET_LIMIT} bytes without NUL`;
      throw new NarrowError('format', `bad symbolic link ${treePathText(this.#path)}: expected ${expected}`);
    }
    this.#batch.raw(tokens.SYMLINK_TARGET);
    this.#batch.string(target);
    this.#endNode();
  }

  /** Ends a file of which `size` bytes were read. */
  leaveFile(stat: RegularStat, size: number): void {
    if (size !== stat.size) {
      const expected = `expected ${stat.size} bytes, got ${size > stat.size ? 'more' : size}`;
      throw new NarrowError('integrity', `${treePathText(this.#path)} changed while it was read: ${expected}`);
    }
    this.#batch.zeros(padding(size));
    this.#endNode();
  }

  #endNode(): void {
    const isRoot = this.#path.length === this.#root.length;
    this.#batch.raw(isRoot ? tokens.CLOSE : tokens.ENTRY_END);
    if (!isRoot) this.#path.pop();
  }
}

/** The output buffer. Between two calls of `take` there is always room for HEADROOM bytes of tokens. */
class Batch {
  readonly #buffers: PackBuffers;
  #buffer: Buffer;
  #length = 0;

  constructor(buffers: PackBuffers) {
    this.#buffers = buffers;
    this.#buffer = buffers();
  }

  get empty(): boolean {
    return this.#length === 0;
  }

  get full(): boolean {
    return this.#length >= BATCH;
  }

  /** What has gathered; valid until something is written. */
  take(): Uint8Array {
    const taken = this.#buffer.subarray(0, this.#length);
    this.#length = 0;
    return taken;
  }

  /** Goes on in the next buffer; after {@link take}, when what was taken is not looked at any more. */
  renew(): void {
    this.#buffer = this.#buffers();
  }

  /** Reads at most `most` bytes, as many as there is room for and one beyond; returns how many came. */
  readFrom(file: SyncFile, most: number): number {
    const count = file.read(this.#buffer, this.#length, Math.min(most, BATCH + 1 - this.#length));
    this.#length += count;
    return count;
  }

  raw(bytes: Uint8Array): void {
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  u64(value: number): void {
    putU64(this.#buffer, this.#length, value);
    this.#length += 8;
  }

  string(value: ByteString): void {
    this.u64(value.length);
    this.#length += this.#buffer.write(value, this.#length, value.length, 'latin1');
    this.zeros(padding(value.length));
  }

  zeros(count: number): void {
    this.#buffer.fill(0, this.#length, this.#length + count);
    this.#length += count;
  }

  /** True when there is room for these contents, and they are worth copying. What does not fit an empty batch goes past it. */
  holds(chunk: Uint8Array): boolean {
    return chunk.length < DIRECT && this.#length + chunk.length <= BATCH;
  }
}
