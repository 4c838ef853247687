// A growing buffer for the primitives shared by NAR, export streams and the serve and worker protocols: u64 and padded strings.

import type { ByteString } from './byte-string.ts';
import { padding, putU64 } from './u64.ts';

/** Builds a message; every method returns the writer, so calls can be chained. */
export class ByteWriter {
  #buffer: Buffer;
  #length = 0;

  constructor(capacity = 256) {
    this.#buffer = Buffer.allocUnsafe(capacity);
  }

  /** How many bytes wait to be taken. */
  get length(): number {
    return this.#length;
  }

  /** A whole number from 0 to 2^53-1, as u64 little-endian. */
  u64(value: number): this {
    const at = this.#room(8);
    putU64(this.#buffer, at, value);
    return this;
  }

  /** 1 or 0 as u64. */
  boolean(value: boolean): this {
    return this.u64(value ? 1 : 0);
  }

  /** Bytes as they are: no length, no padding. */
  raw(bytes: Uint8Array): this {
    const at = this.#room(bytes.length);
    this.#buffer.set(bytes, at);
    return this;
  }

  /** Length, bytes, zeros up to a multiple of eight. */
  string(value: ByteString | Uint8Array): this {
    const { length } = value;
    const pad = padding(length);
    const at = this.#room(8 + length + pad);
    putU64(this.#buffer, at, length);
    if (typeof value === 'string') this.#buffer.write(value, at + 8, length, 'latin1');
    else this.#buffer.set(value, at + 8);
    this.#buffer.fill(0, at + 8 + length, at + 8 + length + pad);
    return this;
  }

  /** A text as UTF-8, written like {@link string}. */
  text(value: string): this {
    return this.string(Buffer.from(value, 'utf8'));
  }

  /** A list (or set, in the order given): count, then the strings. */
  strings(values: Iterable<ByteString | Uint8Array>): this {
    const all = [...values];
    this.u64(all.length);
    for (const value of all) this.string(value);
    return this;
  }

  /** A list of texts: count, then each as UTF-8. */
  texts(values: Iterable<string>): this {
    const all = [...values];
    this.u64(all.length);
    for (const value of all) this.text(value);
    return this;
  }

  /** What was written since the last take, as a buffer of the caller's own; the writer is empty afterwards. */
  take(): Buffer {
    const taken = Buffer.from(this.#buffer.subarray(0, this.#length));
    this.#length = 0;
    return taken;
  }

  /** Reserves `size` bytes and tells where they start; the buffer may be another one afterwards. */
  #room(size: number): number {
    const at = this.#length;
    this.#length += size;
    if (this.#length > this.#buffer.length) {
      const bigger = Buffer.allocUnsafe(Math.max(this.#length, this.#buffer.length * 2));
      bigger.set(this.#buffer.subarray(0, at));
      this.#buffer = bigger;
    }
    return at;
  }
}
