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

  /** Appends runs of bytes that begin at `start` of the fresh ones; one that goes on where the last ended is joined to it. */
  append(runs: Runs, start: number): void {
    for (let i = 0; i < runs.count; i++) {
      const fresh = start + runs.fresh[i]!;
      const last = this.count - 1;
      const length = last < 0 ? 0 : this.length[last]!;
      const follows = last >= 0 && this.fresh[last]! + length === fresh && this.old[last]! + length === runs.old[i]!;
      if (follows) this.length[last] = length + runs.length[i]!;
      else this.push(fresh, runs.old[i]!, runs.length[i]!);
    }
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
