// What mended fields taught: old targets that went elsewhere than the runs say. A hash table of numbers in typed arrays,
// because it is asked for every field.

/** Other in each process, so that nobody can choose targets that all fall on one place. */
const salt = Math.floor(Math.random() * 2 ** 32);
const firstSlots = 1024;
/** Bits of the hash that the filter knows at first: with a bit each it fits into the processor's nearest cache. */
const firstFilterBits = 18;
/** Bits of the filter for each slot at least: one answer in this many that there may be a key is wrong. */
const filterBitsASlot = 8;

/** From numbers to numbers. */
export class Learned {
  /** Of each slot its key (NaN: empty) and value, side by side. */
  #slots: Float64Array = new Float64Array(2 * firstSlots).fill(NaN);
  #size = 0;
  /** Whether there may be a key with a hash: mostly there is none, and a small table says so quickest. */
  #filter: Int32Array = new Int32Array(1 << (firstFilterBits - 5));
  /** What is left of a hash, shifted by this, is the number of a bit in the filter. */
  #filterShift = 32 - firstFilterBits;

  /** The value of a key; NaN for none. */
  get(key: number): number {
    const hash = hashOf(key);
    const bit = hash >>> this.#filterShift;
    if ((this.#filter[bit >>> 5]! & (1 << (bit & 31))) === 0) return NaN;
    const slot = this.#slotOf(key, hash);
    return this.#slots[slot + 1]!;
  }

  set(key: number, value: number): void {
    const hash = hashOf(key);
    const slot = this.#slotOf(key, hash);
    const slots = this.#slots;
    const isNew = slots[slot] !== key;
    slots[slot] = key;
    slots[slot + 1] = value;
    this.#note(hash);
    if (isNew && ++this.#size * 4 > slots.length) this.#grow();
  }

  #note(hash: number): void {
    const bit = hash >>> this.#filterShift;
    this.#filter[bit >>> 5]! |= 1 << (bit & 31);
  }

  /** Where a key is, or would be; the value of an empty slot is NaN. */
  #slotOf(key: number, hash: number): number {
    const slots = this.#slots;
    const mask = slots.length - 2;
    let slot = (hash >>> 2) & mask;
    while (slots[slot] !== key && slots[slot] === slots[slot]) slot = (slot + 2) & mask;
    return slot;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Float64Array(old.length * 4).fill(NaN);
    const bits = (this.#slots.length / 2) * filterBitsASlot;
    if (bits > this.#filter.length * 32) {
      this.#filter = new Int32Array(bits / 32);
      this.#filterShift = Math.clz32(bits) + 1;
    }
    for (let i = 0; i < old.length; i += 2) {
      const key = old[i]!;
      if (key !== key) continue;
      const hash = hashOf(key);
      const slot = this.#slotOf(key, hash);
      this.#slots[slot] = key;
      this.#slots[slot + 1] = old[i + 1]!;
      this.#note(hash);
    }
  }
}

function hashOf(key: number): number {
  const mixed = Math.imul((key ^ salt) + Math.imul(key / 2 ** 32, 0x85ebca6b), 0x9e3779b1);
  return Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d);
}
