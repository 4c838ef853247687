// A set of addresses within one section of a file, a bit each: where tables may begin that other parts name.

import type { Section } from './section.ts';

interface Part {
  readonly start: number;
  readonly end: number;
  readonly bits: Uint32Array;
}

const nowhere: Part = { start: 0, end: 0, bits: new Uint32Array(0) };

/** Addresses outside of the sections it was made for are not kept. */
export class Marks {
  readonly #parts: readonly Part[];
  #last: Part = nowhere;

  constructor(sections: readonly Section[]) {
    this.#parts = sections
      .map(({ address, size }) => ({
        start: address,
        end: address + size,
        bits: new Uint32Array(Math.ceil(size / 32)),
      }))
      .sort((a, b) => a.start - b.start);
  }

  add(address: number): void {
    let part = this.#last;
    if (address < part.start || address >= part.end) {
      const other = this.#find(address);
      if (other === undefined) return;
      this.#last = part = other;
    }
    const at = address - part.start;
    part.bits[at >>> 5]! |= 1 << (at & 31);
  }

  /** Calls `each` with every marked address of the section at `start`, ascending, and the mark after it (or the end). */
  forEach(start: number, each: (address: number, next: number) => void): void {
    const part = this.#find(start);
    if (part?.start !== start) return;
    let previous = -1;
    const { bits } = part;
    for (let index = 0; index < bits.length; index++)
      for (let rest = bits[index]!; rest !== 0; rest &= rest - 1) {
        const address = start + index * 32 + 31 - Math.clz32(rest & -rest);
        if (previous >= 0) each(previous, address);
        previous = address;
      }
    if (previous >= 0) each(previous, part.end);
  }

  /** By halves: a hostile file may have many sections, and each mark in another one. */
  #find(address: number): Part | undefined {
    let [low, high] = [0, this.#parts.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#parts[middle]!.end <= address) low = middle + 1;
      else high = middle;
    }
    const part = this.#parts[low];
    return part !== undefined && address >= part.start ? part : undefined;
  }
}
