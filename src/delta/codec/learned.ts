// What mended fields taught: old targets that went elsewhere than the runs say. A hash table of numbers in typed arrays,
// because it is asked for every field.

/** From numbers to numbers. */
export class Learned {
  #keys: Float64Array = new Float64Array(1024).fill(-1);
  #values: Float64Array = new Float64Array(1024);
  #size = 0;

  /** The value of a key (which is no negative number); undefined for none. */
  get(key: number): number | undefined {
    const slot = this.#slotOf(key);
    return this.#keys[slot] === key ? this.#values[slot] : undefined;
  }

  set(key: number, value: number): void {
    const slot = this.#slotOf(key);
    if (this.#keys[slot] !== key) {
      this.#keys[slot] = key;
      this.#size++;
    }
    this.#values[slot] = value;
    if (this.#size * 2 > this.#keys.length) this.#grow();
  }

  #slotOf(key: number): number {
    const mask = this.#keys.length - 1;
    let slot = (Math.imul(key | 0, 0x9e3779b1) >>> 8) & mask;
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
