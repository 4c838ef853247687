// A set of addresses within one section of a file, a bit each: where tables may begin that other parts name.

import type { Section } from './sections.ts';

/** Addresses outside of the sections it was made for are not kept. */
export class Marks {
  readonly #parts: { readonly start: number; readonly end: number; readonly bits: Uint32Array }[];
  #last = 0;

  constructor(sections: readonly Section[]) {
    this.#parts = sections.map(({ address, size }) => ({
      start: address,
      end: address + size,
      bits: new Uint32Array(Math.ceil(size / 32)),
    }));
  }

  add(address: number): void {
    const parts = this.#parts;
    let part = parts[this.#last];
    if (part === undefined || address < part.start || address >= part.end) {
      const index = parts.findIndex(({ start, end }) => address >= start && address < end);
      if (index < 0) return;
      this.#last = index;
      part = parts[index]!;
    }
    const at = address - part.start;
    part.bits[at >>> 5]! |= 1 << (at & 31);
  }

  /** Calls `each` with every marked address of the section at `start`, ascending, and the mark after it (or the end). */
  forEach(start: number, each: (address: number, next: number) => void): void {
    const part = this.#parts.find((candidate) => candidate.start === start);
    if (part === undefined) return;
    let previous = -1;
    for (const [index, word] of part.bits.entries())
      for (let rest = word; rest !== 0; rest &= rest - 1) {
        const address = start + index * 32 + 31 - Math.clz32(rest & -rest);
        if (previous >= 0) each(previous, address);
        previous = address;
      }
    if (previous >= 0) each(previous, part.end);
  }
}
