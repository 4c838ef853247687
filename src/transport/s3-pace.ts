// How many requests a bucket is sent at once. S3 says 503 SlowDown where it is asked too much, by many clients together: so each
// takes half back at once, and then tries for more, one by one, as TCP does.

/** At once in the beginning: a round trip of 100 ms with 64 requests on their way is 640 a second. */
const first = 64;

/** At once before what can wait begins: at 100 ms a thousand small requests a second. */
const crowd = 128;

/** `first`: others wait for it. `last`: it can wait while {@link crowd} others are on their way, so that these meet no long queue. */
export type Order = 'first' | 'middle' | 'last';
const orders: readonly Order[] = ['first', 'middle', 'last'];

export class S3Pace {
  readonly #most: number;
  #limit: number;
  #running = 0;
  /** Until the first refusal the limit grows with each answer. */
  #careful = false;
  /** Counts reductions: what was started before one says nothing of the limit since. */
  #epoch = 0;
  #credit = 0;
  readonly #waiting: Readonly<Record<Order, (() => void)[]>> = { first: [], middle: [], last: [] };

  /** `most` requests at once, whatever the answers. */
  constructor(most: number) {
    this.#most = most;
    this.#limit = Math.min(first, most);
  }

  get limit(): number {
    return this.#limit;
  }

  /** Runs the task when there is room for it. `slowDown` tells whether its failure was a request for less. */
  async run<T>(task: () => Promise<T>, slowDown: (error: unknown) => boolean, order: Order = 'middle'): Promise<T> {
    if (this.#hasRoom(order)) this.#running++;
    else await new Promise<void>((resolve) => this.#waiting[order].push(resolve));
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
    const felt = this.#running >= this.#limit && orders.some((order) => this.#waiting[order].length > 0);
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

  #hasRoom(order: Order): boolean {
    return this.#running < (order === 'last' ? Math.min(this.#limit, crowd) : this.#limit);
  }

  #admit(): void {
    for (const order of orders) {
      while (this.#hasRoom(order) && this.#waiting[order].length > 0) {
        this.#running++;
        this.#waiting[order].shift()!();
      }
    }
  }
}
