// What mended fields taught: old targets that went elsewhere than the runs say. A hash table of numbers in typed arrays,
// because it is asked for every field.

/** Other in each process, so that nobody can choose targets that all fall on one place. */
const salt = Math.floor(Math.random() * 2 ** 32);
/** Bits of the hash that the filter knows: with a bit each it fits into the processor's nearest cache. */
const filterBits = 18;

/** From numbers to numbers. */
export class Learned {
  #keys: Float64Array = new Float64Array(1024).fill(NaN);
  #values: Float64Array = new Float64Array(1024);
  #size = 0;
  /** Whether there may be a key with a hash: mostly there is none, and a small table says so quickest. */
  readonly #filter: Int32Array = new Int32Array(1 << (filterBits - 5));

  /** The value of a key; NaN for none. */
  get(key: number): number {
    const hash = hashOf(key);
    if ((this.#filter[hash >>> (37 - filterBits)]! & (1 << (hash >>> (32 - filterBits)))) === 0) return NaN;
    const slot = this.#slotOf(key, hash);
    return this.#keys[slot] === key ? this.#values[slot]! : NaN;
  }

  set(key: number, value: number): void {
    const hash = hashOf(key);
    this.#filter[hash >>> (37 - filterBits)]! |= 1 << (hash >>> (32 - filterBits));
    const slot = this.#slotOf(key, hash);
    if (this.#keys[slot] !== key) {
      this.#keys[slot] = key;
      this.#size++;
    }
    this.#values[slot] = value;
    if (this.#size * 2 > this.#keys.length) this.#grow();
  }

  #slotOf(key: number, hash: number): number {
    const mask = this.#keys.length - 1;
    let slot = (hash >>> 3) & mask;
    while (this.#keys[slot] !== key && this.#keys[slot] === this.#keys[slot]) slot = (slot + 1) & mask;
    return slot;
  }

  #grow(): void {
    const keys = this.#keys;
    const values = this.#values;
    this.#keys = new Float64Array(keys.length * 4).fill(NaN);
    this.#values = new Float64Array(keys.length * 4);
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!;
      if (key !== key) continue;
      const slot = this.#slotOf(key, hashOf(key));
      this.#keys[slot] = key;
      this.#values[slot] = values[i]!;
    }
  }
}

function hashOf(key: number): number {
  const mixed = Math.imul((key ^ salt) + Math.imul(key / 2 ** 32, 0x85ebca6b), 0x9e3779b1);
  return Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d);
}
