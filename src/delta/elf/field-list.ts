// Fields as they are found: growing typed arrays, one row a field, and the table of bases.

/** Fields of one file or window, in the order of the file. */
export interface Fields {
  readonly count: number;
  /** Where each begins, from the first byte that was searched; ascending, not overlapping. */
  readonly offset: Uint32Array;
  readonly kind: Uint8Array;
  /** The address each points to. */
  readonly target: Float64Array;
  /** 0, or the place in `bases` of the address that its value counts from. */
  readonly base: Uint16Array;
  readonly bases: Float64Array;
}

const maxBases = 0xffff;

/** Rows are appended in any order of parts, but ascending within a part. */
export class FieldList {
  count = 0;
  offset: Uint32Array;
  kind: Uint8Array;
  target: Float64Array;
  base: Uint16Array;
  readonly #bases: number[] = [0];
  readonly #baseIndex: Map<number, number> = new Map();

  constructor(room: number) {
    this.offset = new Uint32Array(room);
    this.kind = new Uint8Array(room);
    this.target = new Float64Array(room);
    this.base = new Uint16Array(room);
  }

  push(offset: number, kind: number, target: number, base = 0): void {
    if (this.count === this.offset.length) this.reserve(1);
    const row = this.count++;
    this.offset[row] = offset;
    this.kind[row] = kind;
    this.target[row] = target;
    this.base[row] = base;
  }

  /** Takes back the last rows, those at `offset` and behind, but none before row `first`. */
  dropFrom(offset: number, first: number): void {
    while (this.count > first && this.offset[this.count - 1]! >= offset) this.count--;
  }

  /** The number of a base, the same for the same address; 0, which is none, when there are too many. */
  baseAt(address: number): number {
    const known = this.#baseIndex.get(address);
    if (known !== undefined) return known;
    if (this.#bases.length > maxBases) return 0;
    this.#baseIndex.set(address, this.#bases.length);
    return this.#bases.push(address) - 1;
  }

  /** All rows, parts put in the order of their first rows. A part begins at each of `starts`, ascending row numbers. */
  inOrder(starts: readonly number[]): Fields {
    const parts = starts
      .map((start, i) => ({ start, end: starts[i + 1] ?? this.count }))
      .filter(({ start, end }) => end > start)
      .sort((a, b) => this.offset[a.start]! - this.offset[b.start]!);
    const gather = <T extends Uint32Array | Uint8Array | Float64Array | Uint16Array>(from: T, into: T): T => {
      let at = 0;
      for (const { start, end } of parts) {
        into.set(from.subarray(start, end), at);
        at += end - start;
      }
      return into;
    };
    return {
      count: this.count,
      offset: gather(this.offset, new Uint32Array(this.count)),
      kind: gather(this.kind, new Uint8Array(this.count)),
      target: gather(this.target, new Float64Array(this.count)),
      base: gather(this.base, new Uint16Array(this.count)),
      bases: Float64Array.from(this.#bases),
    };
  }

  /** Makes room for so many more rows, so that a hot loop may write to the arrays itself. */
  reserve(rows: number): void {
    if (this.count + rows <= this.offset.length) return;
    const room = Math.max(this.offset.length * 2, this.count + rows);
    const grown = <T extends { set(from: T): void }>(from: T, into: T): T => {
      into.set(from);
      return into;
    };
    this.offset = grown(this.offset, new Uint32Array(room));
    this.kind = grown(this.kind, new Uint8Array(room));
    this.target = grown(this.target, new Float64Array(room));
    this.base = grown(this.base, new Uint16Array(room));
  }
}
