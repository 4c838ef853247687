// What mended fields taught: old targets that went elsewhere than the runs say. A hash table of numbers in typed arrays,
// because it is asked for every field.

/** Other in each process, so that nobody can choose targets that all fall on one place. */
const salt = Math.floor(Math.random() * 2 ** 32);
const filterBits = 15;

/** From numbers to numbers. */
export class Learned {
  #keys: Float64Array = new Float64Array(1024).fill(-1);
  #values: Float64Array = new Float64Array(1024);
  #size = 0;
  /** Whether there may be a key with a hash: mostly there is none, and a small table says so quickest. */
  readonly #filter: Uint8Array = new Uint8Array(1 << filterBits);

  /** The value of a key, which is no negative number; NaN for none. */
  get(key: number): number {
    const hash = hashOf(key);
    if (this.#filter[hash >>> (32 - filterBits)] === 0) return NaN;
    const slot = this.#slotOf(key, hash);
    return this.#keys[slot] === key ? this.#values[slot]! : NaN;
  }

  set(key: number, value: number): void {
    const hash = hashOf(key);
    this.#filter[hash >>> (32 - filterBits)] = 1;
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
    while (this.#keys[slot] !== key && this.#keys[slot] !== -1) slot = (slot + 1) & mask;
    return slot;
  }

  #grow(): void {
    const keys = this.#keys;
    const values = this.#values;
    this.#keys = new Float64Array(keys.length * 2).fill(-1);
    this.#values = new Float64Array(keys.length * 2);
    this.#size = 0;
    for (const [i, key] of keys.entries()) if (key !== -1) this.set(key, values[i]!);
  }
}

function hashOf(key: number): number {
  const mixed = Math.imul((key ^ salt) + Math.imul(key / 2 ** 32, 0x85ebca6b), 0x9e3779b1);
  return Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d);
}
