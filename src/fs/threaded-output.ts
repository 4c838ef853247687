// A thread that writes what this one makes, in order. What is made is made in buffers that both share, so nothing is copied.
// Pays when there is enough to make: reading a tree takes as long as writing its NAR.

import { getCompileCacheDir } from 'node:module';
import { extname } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { SHARE_ENV, Worker } from 'node:worker_threads';
import { unpackError } from './crossing-error.ts';
import type { CrossingError } from './crossing-error.ts';
import { WriteRing, ringMemory } from './write-ring.ts';
import type { RingMemory } from './write-ring.ts';

/** What the thread is started with. */
export interface WriteThreadSetup {
  readonly memory: RingMemory;
  readonly fd: number;
  /** What it is called in errors. */
  readonly name: string;
  readonly compileCache: string | undefined;
}

/** The last thing that the thread says. */
export type WriteReport = { readonly type: 'finished' } | { readonly type: 'failed'; readonly error: CrossingError };

/** Trees have stretches of small files, which take long to read, and of big ones, which take long to write. */
const SLOTS = 64;
/** Buffers that are left when more is asked for: one to copy a foreign chunk to, and one that is being filled. */
const RESERVE = 3;
/** Milliseconds after which a wait for the other thread gives the event loop a turn. */
const PATIENCE = 5;

export class ThreadedOutput implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #ring: WriteRing;
  readonly #memory: RingMemory;
  readonly #free: number[] = Array.from({ length: SLOTS }, (_, slot) => slot);
  /** The slots that are on their way. */
  readonly #pending: number[] = [];
  #done = 0;
  readonly #end = Promise.withResolvers<void>();

  /** Writes to `fd`, named `name` in errors, from buffers of `slotSize` bytes. */
  constructor(fd: number, name: string, slotSize: number) {
    this.#memory = ringMemory(SLOTS, slotSize);
    this.#ring = new WriteRing(this.#memory);
    const setup: WriteThreadSetup = { memory: this.#memory, fd, name, compileCache: getCompileCacheDir() };
    // the same file has another name before and after the build
    const file = new URL(`./write-thread${extname(import.meta.url)}`, import.meta.url);
    const resourceLimits = { maxYoungGenerationSizeMb: 4 };
    this.#worker = new Worker(file, { workerData: setup, env: SHARE_ENV, resourceLimits, trackUnmanagedFds: false });
    this.#worker.on('message', (report: WriteReport) => {
      if (report.type === 'finished') this.#end.resolve();
      else this.#end.reject(unpackError(report.error));
    });
    this.#worker.on('error', this.#end.reject);
    this.#worker.on('exit', (status) =>
      this.#end.reject(new Error(`the thread that writes ended with status ${status}`)),
    );
    // looked at when there is time
    this.#end.promise.catch(() => {});
  }

  /** False until the thread has started. */
  get started(): boolean {
    return this.#ring.started;
  }

  /** A buffer to fill and to hand to {@link put}. */
  buffer(): Buffer {
    const slot = this.#free.pop();
    if (slot === undefined) throw new Error('no buffer is free: rest() was not waited for');
    return this.#ring.slot(slot);
  }

  /**
   * Writes `chunk` from `at` on; what does not lie in a buffer of ours is copied. Returns how far that went. When `tired`,
   * `rest` comes next.
   */
  put(chunk: Uint8Array, at = 0): number {
    const { slots, slotSize } = this.#memory;
    if (at === 0 && chunk.buffer === slots && chunk.byteOffset % slotSize === 0) {
      this.#send(chunk.byteOffset / slotSize, chunk.length);
      return chunk.length;
    }
    if (this.tired) return at;
    const slot = this.#free.pop()!;
    const part = chunk.subarray(at, at + slotSize);
    this.#ring.slot(slot).set(part);
    this.#send(slot, part.length);
    return at + part.length;
  }

  /** Few buffers are left. */
  get tired(): boolean {
    for (const done = this.#ring.done; this.#done < done; this.#done++) this.#free.push(this.#pending.shift()!);
    return this.#free.length < RESERVE || this.#ring.failed;
  }

  /** Waits until there is room again. Throws what the thread fails with. */
  async rest(): Promise<void> {
    while (this.tired) {
      this.#ring.wait(this.#done, PATIENCE);
      await (this.#ring.failed ? this.#end.promise : Promise.race([this.#end.promise, setImmediate()]));
    }
  }

  /** Waits until everything is written. Throws what the thread fails with. */
  async finish(): Promise<void> {
    this.#ring.end();
    await this.#end.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#worker.removeAllListeners('exit');
    await this.#worker.terminate();
  }

  #send(slot: number, length: number): void {
    this.#pending.push(slot);
    this.#ring.put(slot, length);
  }
}
