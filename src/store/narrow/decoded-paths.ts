// Paths out of a delta, which come in its order, for readers that want them in theirs: what is passed over is put aside.

import { setImmediate } from 'node:timers/promises';
import { NarrowError } from '../../errors.ts';
import type { DecodedPath, DeltaTarget, PathReport } from '../../delta/stream.ts';
import { Spool } from '../../fs/spool.ts';
import type { OpenNar } from '../store.ts';

/** A path of the delta, by its number. */
export interface NumberedTarget extends DeltaTarget {
  readonly number: number;
}

/** The event loop gets a turn each time this many bytes came out: threads that unpack have something to say. */
const turnSize = 1 << 20;

type Decoded = DecodedPath<NumberedTarget>;

/** Disposes of `with` when it is disposed itself. */
export class DecodedPaths implements AsyncDisposable {
  readonly #paths: AsyncGenerator<Decoded, void>;
  readonly #with: AsyncDisposable;
  readonly #onReport: (target: NumberedTarget, report: PathReport) => void;
  /** Others are passed over for good. */
  readonly #wanted: (number: number) => boolean;
  /** Passed over, by number. */
  readonly #aside = new Map<number, { readonly spool: Spool; readonly failure: unknown }>();
  /** Readers take turns. */
  #turn: Promise<void> = Promise.resolve();
  #sinceTurn = 0;

  constructor(
    paths: AsyncGenerator<Decoded, void>,
    together: AsyncDisposable,
    onReport: (target: NumberedTarget, report: PathReport) => void = () => {},
    wanted: (number: number) => boolean = () => true,
  ) {
    this.#wanted = wanted;
    this.#onReport = onReport;
    this.#paths = paths;
    this.#with = together;
  }

  /** For whoever adds the path. */
  open(number: number): Promise<OpenNar> {
    return Promise.resolve({ encoding: 'none', bytes: this.take(number) });
  }

  /** The NAR of a path; once. Throws what keeps it from being rebuilt. */
  async *take(number: number): AsyncGenerator<Uint8Array, void, undefined> {
    const before = this.#turn;
    const done = Promise.withResolvers<void>();
    this.#turn = done.promise;
    await before;
    try {
      yield* this.#aside.has(number) ? this.#fromAside(number) : this.#forward(number);
    } finally {
      done.resolve();
    }
  }

  /** Reads to the end of the delta, so that the connection that it comes over is free again. */
  async finish(): Promise<void> {
    await this.#turn;
    while ((await this.#paths.next()).done !== true);
  }

  async *#forward(number: number): AsyncGenerator<Uint8Array, void, undefined> {
    for (let next = await this.#paths.next(); next.done !== true; next = await this.#paths.next()) {
      const { target } = next.value;
      if (target.number === number) yield* this.#rebuilt(next.value);
      else if (this.#wanted(target.number)) await this.#putAside(next.value);
      this.#onReport(target, next.value.report());
      if (target.number === number) return;
    }
    throw new NarrowError('unavailable', 'the delta ended before this path');
  }

  async #putAside(path: Decoded): Promise<void> {
    const { target } = path;
    const spool = new Spool();
    try {
      for await (const chunk of this.#rebuilt(path)) await spool.write(chunk);
      this.#aside.set(target.number, { spool, failure: undefined });
    } catch (failure) {
      this.#aside.set(target.number, { spool, failure });
    }
  }

  async *#fromAside(number: number): AsyncGenerator<Uint8Array, void, undefined> {
    const { spool, failure } = this.#aside.get(number)!;
    if (failure !== undefined) throw failure;
    yield* spool.read();
    this.#aside.delete(number);
    await spool[Symbol.asyncDispose]();
  }

  /** What comes out of the bases. Whatever is wrong with these, the path is not what it should be: `integrity`. */
  async *#rebuilt({ target, nar }: Decoded): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for await (const chunk of nar) {
        yield chunk;
        if ((this.#sinceTurn += chunk.length) < turnSize) continue;
        this.#sinceTurn = 0;
        await setImmediate();
      }
    } catch (cause) {
      if (!(cause instanceof NarrowError) || !['io', 'missing', 'refused'].includes(cause.code)) throw cause;
      const why = `${target.name} cannot be rebuilt: ${cause.message}`;
      throw new NarrowError('integrity', why, { cause, data: { path: target.name } });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#paths.return();
    await this.#with[Symbol.asyncDispose]();
    await Promise.all([...this.#aside.values()].map(({ spool }) => spool[Symbol.asyncDispose]()));
  }
}
