// Threads that unpack beside this one. What is small stays here: a thread takes 40 ms and 20 MB to start. Files of this machine
// a thread reads itself; of other sources this one reads and hands the (still encoded) bytes over in shared memory. It unpacks
// too while the others have enough to do, unless it also makes the NARs. A thread inherits the mount namespace of the one that starts
// it, so a remounted store stays writable.

import { getCompileCacheDir } from 'node:module';
import { availableParallelism } from 'node:os';
import { extname } from 'node:path';
import { SHARE_ENV, Worker } from 'node:worker_threads';
import { decodableEncodings } from '../../format/compression.ts';
import { unpackError } from '../../fs/crossing-error.ts';
import type { Intake } from '../intake.ts';
import type { Item } from '../store.ts';
import type { UnpackOptions } from './object.ts';
import { readAtOnce, unpackObject } from './object.ts';
import type { Order, Report, ThreadSetup } from './unpack-messages.ts';
import { SLOTS, SLOT_SIZE } from './unpack-messages.ts';

/** Threads are started when more bytes of NARs than this have come. */
const WORTH_A_THREAD = 8 << 20;
/** More threads would wait for the one that reads and registers. */
const MOST_THREADS = 3;
/** Jobs of one thread at a time: enough that it is not idle before this one has a turn again. */
const JOBS_EACH = 5;
/** Most jobs in all: each may have a source of its own, with its buffers. */
const MOST_JOBS = 12;
/** Descriptors of the process below which there are no threads, each of which needs some for its event loop. */
const LEAST_DESCRIPTORS = 256;

/** How many threads a pool may start, given the descriptors that the process may have. */
export function poolSize(descriptors: number): number {
  return descriptors < LEAST_DESCRIPTORS ? 0 : Math.min(MOST_THREADS, availableParallelism() - 1);
}

export class UnpackPool implements AsyncDisposable {
  /** Jobs that keep all threads and this one busy. */
  readonly jobs: number;
  readonly #size: number;
  readonly #worth: number;
  readonly #threads: UnpackThread[] = [];
  #bytes = 0;

  /** Of `size` threads, which are started when more than `worth` bytes of NARs have come. */
  constructor(size: number, worth: number = WORTH_A_THREAD) {
    this.#size = size;
    this.#worth = worth;
    this.jobs = Math.min(MOST_JOBS, JOBS_EACH * (size + 1));
  }

  /** How many threads take jobs by now. */
  get ready(): number {
    return this.#threads.filter((thread) => thread.ready).length;
  }

  /** As {@link unpackObject}, in one of the threads. */
  unpack(item: Item, options: UnpackOptions): Promise<Intake> {
    this.#bytes += item.info.narSize;
    if (this.#bytes > this.#worth) this.#start();
    const ready = this.#threads.filter((t) => t.ready);
    const thread = ready.find((t) => t.jobs < JOBS_EACH) ?? (item.made ? ready[0] : undefined);
    return thread ? thread.unpack(item, options) : unpackObject(readAtOnce(item), options);
  }

  #start(): void {
    while (this.#threads.length < this.#size) this.#threads.push(new UnpackThread());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#threads.splice(0).map((thread) => thread.end()));
  }
}

interface Job {
  readonly onBytes: ((bytes: number) => void) | undefined;
  readonly resolve: (intake: Intake) => void;
  readonly reject: (error: unknown) => void;
  /** Set when the thread has answered. */
  answered: boolean;
}

class UnpackThread {
  /** Set as long as it takes jobs. */
  ready = false;
  readonly #slots = new SharedArrayBuffer(SLOTS * SLOT_SIZE);
  readonly #free: number[] = Array.from({ length: SLOTS }, (_, slot) => slot);
  readonly #waiting: (() => void)[] = [];
  readonly #jobs = new Map<number, Job>();
  readonly #worker: Worker;
  #lastJob = 0;

  constructor() {
    const setup: ThreadSetup = { slots: this.#slots, compileCache: getCompileCacheDir() };
    // the same file has another name before and after the build
    const file = new URL(`./unpack-thread${extname(import.meta.url)}`, import.meta.url);
    this.#worker = new Worker(file, {
      workerData: setup,
      env: SHARE_ENV,
      resourceLimits: { maxYoungGenerationSizeMb: 8 },
    });
    this.#worker.on('message', (report: Report) => this.#hear(report));
    this.#worker.on('error', (error) => this.#lose(error));
    this.#worker.on('exit', (status) => this.#lose(new Error(`a thread that unpacks ended with status ${status}`)));
  }

  get jobs(): number {
    return this.#jobs.size;
  }

  async unpack(item: Item, { realDir, optimise, signal, onBytes }: UnpackOptions): Promise<Intake> {
    const id = ++this.#lastJob;
    const { promise, resolve, reject } = Promise.withResolvers<Intake>();
    const job: Job = { resolve, reject, onBytes, answered: false };
    this.#jobs.set(id, job);
    let began = false;
    let failure: { readonly error: unknown } | undefined;
    let encodedSize = 0;
    try {
      const { encoding, bytes, local } = await item.open({ encodings: decodableEncodings, signal });
      signal?.throwIfAborted();
      this.#tell({ type: 'begin', job: id, info: item.info, encoding, local, realDir, optimise });
      began = true;
      if (local) return await this.#watched(id, promise, signal);
      for await (const chunk of bytes) {
        signal?.throwIfAborted();
        encodedSize += chunk.length;
        onBytes?.(chunk.length);
        if (!(await this.#send(id, job, chunk))) break;
      }
    } catch (error) {
      failure = { error };
    }
    if (!began) this.#settle(id)?.reject(failure?.error);
    else this.#tell({ type: 'end', job: id, failed: failure !== undefined });
    try {
      return { ...(await promise), encodedSize };
    } catch (error) {
      throw failure ? failure.error : error;
    }
  }

  /** What the thread makes of a file that it reads itself; told to stop when `signal` aborts. */
  async #watched(id: number, intake: Promise<Intake>, signal: AbortSignal | undefined): Promise<Intake> {
    const stop = (): void => this.#tell({ type: 'end', job: id, failed: true });
    signal?.addEventListener('abort', stop);
    try {
      return await intake;
    } catch (error) {
      throw signal?.aborted ? signal.reason : error;
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  async end(): Promise<void> {
    this.ready = false;
    this.#worker.removeAllListeners('exit');
    await this.#worker.terminate();
  }

  /** False when the thread wants no more. */
  async #send(id: number, job: Job, chunk: Uint8Array): Promise<boolean> {
    for (let at = 0; at < chunk.length; at += SLOT_SIZE) {
      while (this.#free.length === 0 && !job.answered)
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      if (job.answered) return false;
      const slot = this.#free.pop()!;
      const part = chunk.subarray(at, at + SLOT_SIZE);
      new Uint8Array(this.#slots, slot * SLOT_SIZE, part.length).set(part);
      this.#tell({ type: 'bytes', job: id, slot, length: part.length });
    }
    return !job.answered;
  }

  #tell(order: Order): void {
    this.#worker.postMessage(order);
  }

  #hear(report: Report): void {
    switch (report.type) {
      case 'ready':
        this.ready = true;
        break;
      case 'read':
        this.#jobs.get(report.job)?.onBytes?.(report.bytes);
        break;
      case 'free':
        this.#free.push(report.slot);
        this.#wake();
        break;
      case 'done':
        this.#settle(report.job)?.resolve(report.intake);
        break;
      case 'failed':
        this.#settle(report.job)?.reject(unpackError(report.error));
        break;
    }
  }

  #settle(id: number): Job | undefined {
    const job = this.#jobs.get(id);
    this.#jobs.delete(id);
    if (job) job.answered = true;
    this.#wake();
    return job;
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** The thread is gone, and what it did with it. */
  #lose(error: Error): void {
    this.ready = false;
    for (const id of this.#jobs.keys()) this.#settle(id)?.reject(error);
  }
}
