// How many requests a bucket is sent at once. S3 says 503 SlowDown where it is asked too much, by many clients together: so each
// takes half back at once, and then tries for more, one by one, as TCP does.

/** At once in the beginning: a round trip of 100 ms with 64 requests on their way is 640 a second. */
const first = 64;

export class S3Pace {
  readonly #most: number;
  #limit: number;
  #running = 0;
  /** Until the first refusal the limit grows with each answer. */
  #careful = false;
  /** Counts reductions: what was started before one says nothing of the limit since. */
  #epoch = 0;
  #credit = 0;
  readonly #waiting: (() => void)[] = [];
  readonly #urgent: (() => void)[] = [];

  /** `most` requests at once, whatever the answers. */
  constructor(most: number) {
    this.#most = most;
    this.#limit = Math.min(first, most);
  }

  get limit(): number {
    return this.#limit;
  }

  /**
   * Runs the task when there is room for it. `slowDown` tells whether its failure was a request for less. What is urgent goes before
   * all that wait and are not.
   */
  async run<T>(
    task: () => Promise<T>,
    slowDown: (error: unknown) => boolean,
    { urgent = false }: { readonly urgent?: boolean | undefined } = {},
  ): Promise<T> {
    if (this.#running >= this.#limit)
      await new Promise<void>((resolve) => (urgent ? this.#urgent : this.#waiting).push(resolve));
    else this.#running++;
    const epoch = this.#epoch;
    try {
      const result = await task();
      this.#grow();
      return result;
    } catch (error) {
      if (slowDown(error)) this.#shrink(epoch);
      throw error;
    } finally {
      this.#running--;
      this.#admit();
    }
  }

  #grow(): void {
    this.#credit += this.#careful ? 1 / this.#limit : 1;
    // only a limit that is felt is raised
    const felt = this.#waiting.length + this.#urgent.length > 0;
    if (!felt) this.#credit = Math.min(this.#credit, 1);
    const grown = Math.floor(this.#credit);
    if (grown === 0 || !felt) return;
    this.#credit -= grown;
    this.#limit = Math.min(this.#most, this.#limit + grown);
  }

  #shrink(epoch: number): void {
    if (epoch !== this.#epoch) return;
    this.#epoch++;
    this.#careful = true;
    this.#credit = 0;
    this.#limit = Math.max(1, Math.floor(this.#limit / 2));
  }

  #admit(): void {
    while (this.#running < this.#limit) {
      const next = this.#urgent.shift() ?? this.#waiting.shift();
      if (!next) return;
      this.#running++;
      next();
    }
  }
}
