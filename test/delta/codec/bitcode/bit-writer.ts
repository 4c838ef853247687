// Writes bitstreams for tests.

export class BitWriter {
  readonly #bits: number[] = [];

  fixed(value: number, width: number): void {
    for (let i = 0; i < width; i++) this.#bits.push(Math.floor(value / 2 ** i) % 2);
  }

  variable(value: bigint, width: number): void {
    const group = BigInt(width - 1);
    let rest = value;
    while (rest >> group > 0n) {
      this.fixed(Number(rest & ((1n << group) - 1n)), width - 1);
      this.fixed(1, 1);
      rest >>= group;
    }
    this.fixed(Number(rest), width);
  }

  align(): void {
    while (this.#bits.length % 32 !== 0) this.#bits.push(0);
  }

  bytes(): Buffer {
    const bytes = Buffer.alloc(this.#bits.length / 8);
    for (const [i, bit] of this.#bits.entries()) bytes[i >> 3]! |= bit << (i & 7);
    return bytes;
  }

  /** A block whose contents are written by `fill` with abbreviation numbers of `width` bits. */
  block(kind: number, outer: number, width: number, fill: () => void): void {
    this.fixed(1, outer);
    this.variable(BigInt(kind), 8);
    this.variable(BigInt(width), 4);
    this.align();
    const at = this.#bits.length;
    this.fixed(0, 32);
    fill();
    this.fixed(0, width);
    this.align();
    const words = (this.#bits.length - at) / 32 - 1;
    for (let i = 0; i < 32; i++) this.#bits[at + i] = Math.floor(words / 2 ** i) % 2;
  }

  record(width: number, code: number, values: readonly bigint[]): void {
    this.fixed(3, width);
    this.variable(BigInt(code), 6);
    this.variable(BigInt(values.length), 6);
    for (const value of values) this.variable(value, 6);
  }
}
