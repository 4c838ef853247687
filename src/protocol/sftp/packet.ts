// What SFTP's packets are made of (draft-ietf-secsh-filexfer-02): big-endian integers, and strings of bytes with their length.

import { formatError } from '../../errors.ts';

/** Room of a packet that carries no data; most are smaller than this. */
const usual = 256;

/** Builds one packet; the length in front is filled in at the end. */
export class PacketWriter {
  #buffer: Buffer = Buffer.allocUnsafe(usual);
  #at = 4;

  u8(value: number): this {
    this.#reserve(1);
    this.#at = this.#buffer.writeUInt8(value, this.#at);
    return this;
  }

  u32(value: number): this {
    this.#reserve(4);
    this.#at = this.#buffer.writeUInt32BE(value, this.#at);
    return this;
  }

  u64(value: number): this {
    return this.u32(Math.floor(value / 2 ** 32)).u32(value % 2 ** 32);
  }

  /** A string: its bytes are copied. */
  bytes(value: Uint8Array): this {
    this.u32(value.length);
    this.#reserve(value.length);
    this.#buffer.set(value, this.#at);
    this.#at += value.length;
    return this;
  }

  text(value: string): this {
    return this.bytes(Buffer.from(value, 'utf8'));
  }

  /** The packet. */
  take(): Buffer {
    this.#buffer.writeUInt32BE(this.#at - 4, 0);
    return this.#buffer.subarray(0, this.#at);
  }

  #reserve(count: number): void {
    if (this.#at + count <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#buffer.length, this.#at + count));
    larger.set(this.#buffer.subarray(0, this.#at));
    this.#buffer = larger;
  }
}

/** Reads one packet without its length. Throws `format` where it ends too early. */
export class PacketReader {
  readonly #bytes: Buffer;
  readonly #source: string;
  #at = 0;

  constructor(bytes: Buffer, source: string) {
    this.#bytes = bytes;
    this.#source = source;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#take(1));
  }

  u32(): number {
    return this.#bytes.readUInt32BE(this.#take(4));
  }

  /** Inexact above 2^53, where servers put numbers that nobody counts with (ids of file systems, "no limit"). */
  u64(): number {
    const at = this.#take(8);
    return this.#bytes.readUInt32BE(at) * 2 ** 32 + this.#bytes.readUInt32BE(at + 4);
  }

  /** A string, not copied: the packet is the caller's. */
  bytes(): Buffer {
    const length = this.u32();
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  text(): string {
    return this.bytes().toString('utf8');
  }

  #take(count: number): number {
    const at = this.#at;
    if (count > this.left) {
      const contrast = { expected: `${count} more bytes`, got: `${this.left}` };
      throw formatError('an SFTP packet ends too early', { source: this.#source, offset: at }, contrast);
    }
    this.#at += count;
    return at;
  }
}
