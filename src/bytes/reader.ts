// Pull reader over a byte source. The `try…` methods answer at once from the chunk at hand, or undefined when it holds too
// little; the others wait. So a hot loop awaits once a chunk and not once a token: `reader.tryU64() ?? (await reader.u64())`.
// A length that the input claims is never allocated: buffers grow with the bytes that really arrive.

import { byteString } from './byte-string.ts';
import type { ByteString } from './byte-string.ts';
import { formatError } from '../errors.ts';
import type { ByteSource } from './source.ts';
import { U64_EXACT, checkPadding, padding, u64At, u64Text } from './u64.ts';

/** Longest string that is read when the caller names no limit: 1 MiB. */
export const STRING_LIMIT: number = 1 << 20;

const EMPTY = new Uint8Array(0);

/** Reads primitives from `source`; `name` is what the input is called in errors. */
export class ByteReader implements AsyncDisposable {
  readonly name: string | undefined;
  readonly #chunks: Iterator<Uint8Array> | AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = EMPTY;
  #at = 0;
  /** Offset in the input of the first byte of the chunk. */
  #base = 0;
  #ended = false;

  constructor(source: ByteSource, name?: string) {
    this.name = name;
    this.#chunks = Symbol.iterator in source ? source[Symbol.iterator]() : source[Symbol.asyncIterator]();
  }

  /** How many bytes were consumed. */
  get position(): number {
    return this.#base + this.#at;
  }

  /** The bytes at hand, at least one, or undefined at the end of the input. Borrowed until anything else is asked for. */
  async peek(): Promise<Uint8Array | undefined> {
    return this.#at < this.#chunk.length || (await this.#fill()) ? this.#chunk.subarray(this.#at) : undefined;
  }

  /** Consumes `count` of the bytes that {@link peek} showed. */
  consume(count: number): void {
    if (count > this.#chunk.length - this.#at) throw new RangeError(`${count} bytes are more than peek showed`);
    this.#at += count;
  }

  /** True when no byte is left. */
  async atEnd(): Promise<boolean> {
    return this.#at >= this.#chunk.length && !(await this.#fill());
  }

  /** Fails when bytes are left; `after` names what should have been last. */
  async expectEnd(after: string): Promise<void> {
    if (await this.atEnd()) return;
    throw formatError(`bytes after the end of ${after}`, this.#place(), { expected: 'the end of the input' });
  }

  /** A u64 if all of it is at hand. */
  tryU64(): number | undefined {
    if (this.#chunk.length - this.#at < 8) return undefined;
    const value = this.#exact(this.#chunk, this.#at, this.position);
    this.#at += 8;
    return value;
  }

  /** A u64; one above 2^53-1 is a format error. */
  async u64(what = 'an integer'): Promise<number> {
    const value = this.tryU64();
    if (value !== undefined) return value;
    const start = this.position;
    return this.#exact(await this.bytes(8, what), 0, start);
  }

  /** The next `length` bytes, copied; the caller sees to it that `length` is within reason. */
  async bytes(length: number, what = `${length} bytes`): Promise<Buffer> {
    const parts: Buffer[] = [];
    for await (const part of this.take(length, what)) parts.push(Buffer.from(part));
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }

  /** A string if all of it is at hand. */
  tryString(limit: number = STRING_LIMIT, what = 'a string'): ByteString | undefined {
    const left = this.#chunk.length - this.#at;
    if (left < 8) return undefined;
    const length = this.#length(this.#chunk, this.#at, this.position, limit, what);
    const size = 8 + length + padding(length);
    if (left < size) return undefined;
    const start = this.#at + 8;
    const end = start + length;
    checkPadding(this.#chunk, end, this.#at + size, this.#base + end, this.#place());
    this.#at += size;
    return byteString(this.#chunk, start, end);
  }

  /** A string (length, bytes, zero padding) of at most `limit` bytes. */
  async string(limit: number = STRING_LIMIT, what = 'a string'): Promise<ByteString> {
    return this.tryString(limit, what) ?? byteString(await this.stringBytes(limit, what));
  }

  /** The same, as bytes of the caller's own. */
  async stringBytes(limit: number = STRING_LIMIT, what = 'a string'): Promise<Buffer> {
    const start = this.position;
    const length = this.#length(await this.bytes(8, what), 0, start, limit, what);
    const bytes = await this.bytes(length, what);
    await this.padding(length);
    return bytes;
  }

  /** Reads the zeros that follow a string of `length` bytes. */
  async padding(length: number): Promise<void> {
    const start = this.position;
    const zeros = await this.bytes(padding(length), 'padding');
    checkPadding(zeros, 0, zeros.length, start, this.#place());
  }

  /**
   * The next `length` bytes as a borrowed source, for what is too big to hold. The reader goes on where the source was left,
   * so whoever stops early skips the rest. An input that ends before is a format error.
   */
  async *take(length: number, what = `${length} bytes`): AsyncGenerator<Uint8Array, void, undefined> {
    let left = length;
    while (left > 0) {
      if (this.#at >= this.#chunk.length && !(await this.#fill())) {
        throw formatError('unexpected end of input', this.#place(), {
          expected: `${left} more bytes of ${what}`,
          got: 'nothing',
        });
      }
      const end = Math.min(this.#chunk.length, this.#at + left);
      const part = this.#chunk.subarray(this.#at, end);
      this.#at = end;
      left -= part.length;
      yield part;
    }
  }

  /** Everything that is left, as a borrowed source. */
  async *rest(): AsyncGenerator<Uint8Array, void, undefined> {
    while (this.#at < this.#chunk.length || (await this.#fill())) {
      const part = this.#chunk.subarray(this.#at);
      this.#at = this.#chunk.length;
      yield part;
    }
  }

  /** Releases the source without reading it to its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#base += this.#at;
    this.#chunk = EMPTY;
    this.#at = 0;
    if (!this.#ended) await this.#chunks.return?.();
    this.#ended = true;
  }

  /** Pulls the next chunk that is not empty; false at the end. Only called when the current one is used up. */
  async #fill(): Promise<boolean> {
    this.#base += this.#chunk.length;
    this.#chunk = EMPTY;
    this.#at = 0;
    while (!this.#ended) {
      const next = await this.#chunks.next();
      if (next.done === true) this.#ended = true;
      else if (next.value.length > 0) {
        this.#chunk = next.value;
        return true;
      }
    }
    return false;
  }

  #place(offset: number = this.position): { source: string | undefined; offset: number } {
    return { source: this.name, offset };
  }

  #exact(bytes: Uint8Array, at: number, offset: number): number {
    const value = u64At(bytes, at);
    if (value <= U64_EXACT) return value;
    throw formatError('integer out of range', this.#place(offset), {
      expected: `at most ${U64_EXACT}`,
      got: u64Text(bytes, at),
    });
  }

  #length(bytes: Uint8Array, at: number, offset: number, limit: number, what: string): number {
    const length = u64At(bytes, at);
    if (length <= limit) return length;
    throw formatError(`${what} is too long`, this.#place(offset), {
      expected: `at most ${limit} bytes`,
      got: u64Text(bytes, at),
    });
  }
}
