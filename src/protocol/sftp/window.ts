// How many bytes may be on their way. Too few leave the line idle for a round trip; too many fill the queues before it, where
// every small request behind them has to wait. Twice what the line holds is enough: that is measured, as fastest delivery
// times shortest way, and grows by doubling while the line takes more.

/** Bytes. The least lets slow lines stay short, the most is what an OpenSSH channel takes several times over. */
const least = 64 * 1024;
const begin = 256 * 1024;
const most = 8 * 1024 * 1024;
/** Samples after which the older half of the rates is forgotten: lines become slower. */
const memory = 128;

/** Bytes that were sent, or asked for. */
export interface Sent {
  readonly bytes: number;
  readonly at: number;
  /** Delivered before. */
  readonly delivered: number;
  /** The window was full: the line was given all it takes. */
  readonly full: boolean;
}

export class FlowWindow {
  readonly #now: () => number;
  readonly #waiting: { readonly bytes: number; readonly resolve: (sent: Sent) => void }[] = [];
  #size = begin;
  #inFlight = 0;
  #delivered = 0;
  #samples = 0;
  /** Bytes a millisecond: the most of this half of the memory, and of the one before. */
  #rates: [number, number] = [0, 0];
  /** Milliseconds. Not forgotten: with a queue before the line, all that could be measured anew is longer. */
  #shortest = Infinity;

  /** `now` in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  get size(): number {
    return this.#size;
  }

  /** Waits until so many bytes may be sent; in order. */
  take(bytes: number): Promise<Sent> {
    const sent = this.tryTake(bytes);
    if (sent) return Promise.resolve(sent);
    return new Promise((resolve) => this.#waiting.push({ bytes, resolve }));
  }

  /** The same, if that may be at once. */
  tryTake(bytes: number): Sent | undefined {
    return this.#waiting.length === 0 && this.#fits(bytes) ? this.#send(bytes) : undefined;
  }

  /** They have arrived, or never will. */
  done({ bytes, at, delivered, full }: Sent, arrived = true): void {
    this.#inFlight -= bytes;
    if (arrived) {
      this.#delivered += bytes;
      this.#learn(Math.max(this.#now() - at, 0.01), this.#delivered - delivered, full);
    }
    for (let next = this.#waiting[0]; next !== undefined && this.#fits(next.bytes); next = this.#waiting[0]) {
      this.#waiting.shift();
      next.resolve(this.#send(next.bytes));
    }
  }

  #fits(bytes: number): boolean {
    return this.#inFlight === 0 || this.#inFlight + bytes <= this.#size;
  }

  #send(bytes: number): Sent {
    this.#inFlight += bytes;
    const full = this.#inFlight + bytes > this.#size;
    return { bytes, at: this.#now(), delivered: this.#delivered, full };
  }

  #learn(way: number, delivered: number, full: boolean): void {
    this.#shortest = Math.min(this.#shortest, way);
    this.#rates[0] = Math.max(this.#rates[0], delivered / way);
    // a line that was not filled tells nothing of what it takes: that is not to be forgotten meanwhile
    if (full && ++this.#samples % memory === 0) this.#rates = [delivered / way, this.#rates[0]];
    const holds = Math.max(...this.#rates) * this.#shortest;
    this.#size = Math.min(most, Math.max(least, 2 * holds));
  }
}
