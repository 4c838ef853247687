// Writes a NAR from the events of a visitor, with every check of the format: what a hostile sender names or nests can be no
// NAR, so nothing of it ever reaches a disk. Output gathers in a buffer that the caller takes when it is full.

import { displayBytes } from '../bytes/byte-string.ts';
import type { ByteString } from '../bytes/byte-string.ts';
import { padding } from '../bytes/u64.ts';
import { ByteWriter } from '../bytes/writer.ts';
import { formatError } from '../errors.ts';
import type { NarrowError } from '../errors.ts';
import { nameFault } from '../format/nar/name.ts';
import * as tokens from '../format/nar/tokens.ts';

/** How much gathers before it is worth handing on. */
const fullSize = 256 * 1024;

const zeros = Buffer.alloc(8);

/** Builds one NAR in memory, a piece at a time. */
export class NarWriter {
  readonly #out = new ByteWriter(fullSize + 64 * 1024);
  readonly #name: string;
  readonly #lastNames: ByteString[] = [];
  #left = 0;
  #size = 0;

  /** `name` is what the NAR is called in errors. */
  constructor(name: string) {
    this.#name = name;
    this.#out.raw(tokens.MAGIC).raw(tokens.NODE_OPEN);
  }

  /** Directories that are open. */
  get depth(): number {
    return this.#lastNames.length;
  }

  get full(): boolean {
    return this.#out.length >= fullSize;
  }

  /** What has gathered; the caller's own. */
  take(): Buffer {
    return this.#out.take();
  }

  directory(name: ByteString): void {
    this.#open(name);
    this.#out.raw(tokens.DIRECTORY);
    this.#lastNames.push('' as ByteString);
  }

  leave(): void {
    this.#lastNames.pop();
    this.#close();
  }

  /** A file of `size` bytes begins; exactly as many must follow. */
  regular(name: ByteString, executable: boolean, size: number): void {
    this.#open(name);
    this.#out.raw(executable ? tokens.EXECUTABLE_CONTENTS : tokens.REGULAR_CONTENTS).u64(size);
    this.#size = size;
    this.#left = size;
  }

  contents(chunk: Uint8Array): void {
    this.#left -= chunk.length;
    if (this.#left < 0) throw this.#error('a file longer than announced', `${this.#size} bytes`, 'more');
    this.#out.raw(chunk);
  }

  closeRegular(): void {
    if (this.#left > 0)
      throw this.#error('a file shorter than announced', `${this.#size} bytes`, `${this.#size - this.#left}`);
    this.#out.raw(zeros.subarray(0, padding(this.#size)));
    this.#close();
  }

  symlink(name: ByteString, target: ByteString): void {
    if (target.length === 0 || target.length > tokens.TARGET_LIMIT || target.includes('\0'))
      throw this.#error('a bad symbolic link', `a target of 1 to ${tokens.TARGET_LIMIT} bytes`, `${target.length}`);
    this.#open(name);
    this.#out.raw(tokens.SYMLINK_TARGET).string(target);
    this.#close();
  }

  #open(name: ByteString): void {
    const depth = this.#lastNames.length;
    if (depth === 0) return;
    if (depth >= tokens.DEPTH_LIMIT) throw this.#error('a tree nested too deeply', 'fewer than 64 levels', 'one more');
    const fault = nameFault(name, this.#lastNames[depth - 1]);
    if (fault !== undefined) throw this.#error(fault.what, fault.expected, `"${displayBytes(name)}"`);
    this.#lastNames[depth - 1] = name;
    this.#out.raw(tokens.ENTRY_NAME).string(name).raw(tokens.ENTRY_NODE);
  }

  #close(): void {
    this.#out.raw(this.#lastNames.length === 0 ? tokens.CLOSE : tokens.ENTRY_END);
  }

  #error(what: string, expected: string, got: string): NarrowError {
    return formatError(what, { source: `the delta of ${this.#name}` }, { expected, got });
  }
}
