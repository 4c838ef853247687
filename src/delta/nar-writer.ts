// Writes a NAR from the events of a visitor, with every check of the format: what a hostile sender names or nests can be no
// NAR, so nothing of it ever reaches a disk. Output gathers in a buffer that the caller takes when it is full.

import { quoteBytes } from '../bytes/byte-string.ts';
import type { ByteString } from '../bytes/byte-string.ts';
import { padding, putU64 } from '../bytes/u64.ts';
import { formatError } from '../errors.ts';
import type { NarrowError } from '../errors.ts';
import { nameFault } from '../format/nar/name.ts';
import * as tokens from '../format/nar/tokens.ts';
import { blockSize } from './layout.ts';

/** How much gathers before it is worth handing on. */
const fullSize = 256 * 1024;
/** More than the tokens between two pieces of contents. */
const headroom = 16 * 1024;

/** Buffers that no writer is using. */
const spare: Buffer[] = [];

/** Builds one NAR in memory, a piece at a time. The caller takes what there is before more than a block is added to a full one. */
export class NarWriter {
  readonly #buffer = spare.pop() ?? Buffer.allocUnsafeSlow(fullSize + blockSize + headroom);
  #length = 0;
  readonly #name: string;
  readonly #lastNames: ByteString[] = [];
  #left = 0;
  #size = 0;

  /** `name` is what the NAR is called in errors. */
  constructor(name: string) {
    this.#name = name;
    this.#raw(tokens.MAGIC);
    this.#raw(tokens.NODE_OPEN);
  }

  get full(): boolean {
    return this.#length >= fullSize;
  }

  /** What has gathered; borrowed until something is written. */
  take(): Buffer {
    const taken = this.#buffer.subarray(0, this.#length);
    this.#length = 0;
    return taken;
  }

  /** Nothing is written any more, and what was taken is not looked at: others may have the buffer. */
  release(): void {
    spare.push(this.#buffer);
  }

  directory(name: ByteString): void {
    this.#open(name);
    this.#raw(tokens.DIRECTORY);
    this.#lastNames.push('' as ByteString);
  }

  leave(): void {
    this.#lastNames.pop();
    this.#close();
  }

  /** A file of `size` bytes begins; exactly as many must follow. */
  regular(name: ByteString, executable: boolean, size: number): void {
    this.#open(name);
    this.#raw(executable ? tokens.EXECUTABLE_CONTENTS : tokens.REGULAR_CONTENTS);
    this.#u64(size);
    this.#size = size;
    this.#left = size;
  }

  /** A piece of the file's contents, of at most a block. */
  contents(chunk: Uint8Array): void {
    this.#left -= chunk.length;
    if (this.#left < 0) throw this.#error('a file longer than announced', `${this.#size} bytes`, 'more');
    this.#raw(chunk);
  }

  closeRegular(): void {
    if (this.#left > 0)
      throw this.#error('a file shorter than announced', `${this.#size} bytes`, `${this.#size - this.#left}`);
    this.#zeros(padding(this.#size));
    this.#close();
  }

  symlink(name: ByteString, target: ByteString): void {
    if (target.length === 0 || target.length > tokens.TARGET_LIMIT || target.includes('\0'))
      throw this.#error('a bad symbolic link', `a target of 1 to ${tokens.TARGET_LIMIT} bytes`, `${target.length}`);
    this.#open(name);
    this.#raw(tokens.SYMLINK_TARGET);
    this.#string(target);
    this.#close();
  }

  #open(name: ByteString): void {
    const depth = this.#lastNames.length;
    if (depth === 0) return;
    if (depth >= tokens.DEPTH_LIMIT) throw this.#error('a tree nested too deeply', 'fewer than 64 levels', 'one more');
    const fault = nameFault(name, this.#lastNames[depth - 1]);
    if (fault !== undefined) throw this.#error(fault.what, fault.expected, quoteBytes(name));
    this.#lastNames[depth - 1] = name;
    this.#raw(tokens.ENTRY_NAME);
    this.#string(name);
    this.#raw(tokens.ENTRY_NODE);
  }

  #close(): void {
    this.#raw(this.#lastNames.length === 0 ? tokens.CLOSE : tokens.ENTRY_END);
  }

  #raw(bytes: Uint8Array): void {
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #u64(value: number): void {
    putU64(this.#buffer, this.#length, value);
    this.#length += 8;
  }

  #string(value: ByteString): void {
    this.#u64(value.length);
    this.#length += this.#buffer.write(value, this.#length, value.length, 'latin1');
    this.#zeros(padding(value.length));
  }

  #zeros(count: number): void {
    this.#buffer.fill(0, this.#length, this.#length + count);
    this.#length += count;
  }

  #error(what: string, expected: string, got: string): NarrowError {
    return formatError(what, { source: `the delta of ${this.#name}` }, { expected, got });
  }
}
