// Runs: stretches of a fresh file that are copied from an old one, in the order of the fresh file, not overlapping.

/** A growing list of runs in typed arrays, because a file can have hundreds of thousands. */
export class Runs {
  count = 0;
  /** Where each begins in the fresh bytes. */
  fresh: Float64Array = new Float64Array(64);
  /** Where each begins in the old bytes. */
  old: Float64Array = new Float64Array(64);
  /** Bytes of each. */
  length: Float64Array = new Float64Array(64);

  push(fresh: number, old: number, length: number): void {
    if (this.count === this.fresh.length) this.#grow();
    this.fresh[this.count] = fresh;
    this.old[this.count] = old;
    this.length[this.count++] = length;
  }

  #grow(): void {
    const size = this.count * 2;
    for (const name of ['fresh', 'old', 'length'] as const) {
      const bigger = new Float64Array(size);
      bigger.set(this[name]);
      this[name] = bigger;
    }
  }
}
