// Where targets without bytes in the file (.bss) went: no run tells, but those around them. The addresses are divided into
// units, a set of bits with three levels above finds the nearest unit that something is known of.

const smallest = 8;
const most = 1 << 20;

/** Shifts of addresses from `low` to `high`. */
export class Nearest {
  readonly #low: number;
  readonly #unit: number;
  readonly #last: number;
  /** Of each level a bit for each 32 bits of the level below. */
  #levels: readonly Uint32Array[] = [];
  #shifts: Float64Array = new Float64Array(0);

  constructor(low: number, high: number) {
    this.#low = low;
    let unit = smallest;
    while ((high - low) / unit >= most) unit *= 2;
    this.#unit = unit;
    this.#last = Math.floor(Math.max(0, high - low) / unit);
  }

  #unitOf(address: number): number {
    return Math.min(this.#last, Math.max(0, Math.floor((address - this.#low) / this.#unit)));
  }

  /** Keeps the shift of an address instead of what was known of its unit. */
  teach(address: number, shift: number): void {
    if (this.#levels.length === 0) {
      this.#levels = [1, 32, 1024, 32768].map((span) => new Uint32Array(Math.floor(this.#last / span / 32) + 1));
      this.#shifts = new Float64Array(this.#last + 1);
    }
    const unit = this.#unitOf(address);
    this.#shifts[unit] = shift;
    let bit = unit;
    for (const level of this.#levels) {
      level[bit >>> 5]! |= 1 << (bit & 31);
      bit >>>= 5;
    }
  }

  /** The shift of the nearest unit, of the lower one where two are as near; 0 where nothing is known. */
  shiftOf(address: number): number {
    if (this.#levels.length === 0) return 0;
    const unit = this.#unitOf(address);
    const below = this.#below(unit);
    const above = below === unit ? -1 : this.#above(unit);
    if (below < 0 && above < 0) return 0;
    return this.#shifts[above < 0 || (below >= 0 && unit - below <= above - unit) ? below : above]!;
  }

  /** The highest set bit up to `unit`; -1 for none. */
  #below(unit: number): number {
    let bit = unit;
    for (const [height, level] of this.#levels.entries()) {
      const word = bit < 0 ? 0 : level[bit >>> 5]! & (-1 >>> (31 - (bit & 31)));
      if (word !== 0) {
        let found = (bit & ~31) | (31 - Math.clz32(word));
        for (let i = height - 1; i >= 0; i--) found = found * 32 + 31 - Math.clz32(this.#levels[i]![found]!);
        return found;
      }
      bit = (bit >> 5) - 1;
    }
    return -1;
  }

  /** The lowest set bit from `unit` on; -1 for none. */
  #above(unit: number): number {
    let bit = unit;
    for (const [height, level] of this.#levels.entries()) {
      const word = (level[bit >>> 5] ?? 0) & (-1 << (bit & 31));
      if (word !== 0) {
        let found = (bit & ~31) | lowestBit(word);
        for (let i = height - 1; i >= 0; i--) found = found * 32 + lowestBit(this.#levels[i]![found]!);
        return found;
      }
      bit = (bit >> 5) + 1;
    }
    return -1;
  }
}

function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}
