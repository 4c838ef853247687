// Threads that work on files while the caller goes on: contents need no attention, only time. Whoever has a job may find
// the threads busy, and then does it itself; so nobody waits before the end.

import { getCompileCacheDir } from 'node:module';
import { availableParallelism } from 'node:os';
import { extname } from 'node:path';
import { SHARE_ENV, Worker } from 'node:worker_threads';
import { unpackError } from './crossing-error.ts';
import type { CrossingError } from './crossing-error.ts';
import { descriptorLimit } from './descriptors.ts';
import { doFileJob } from './file-job.ts';
import type { FileJob, FileResult } from './file-job.ts';

/** What a thread is started with. */
export interface FileThreadSetup {
  /** One Int32: jobs that were handed over and are not done yet. Seen without a turn of the event loop. */
  readonly pending: SharedArrayBuffer;
  readonly compileCache: string | undefined;
}

/** To a thread. */
export interface FileOrder {
  readonly id: number;
  readonly job: FileJob;
}

/** From a thread. */
export type FileReport =
  | { readonly id: number; readonly result: FileResult }
  | { readonly id: number; readonly failure: CrossingError };

/** More would wait for memory, and for the one that finds the jobs. */
const MOST_THREADS = 3;
/** A thread takes 30 ms and 10 MB to start. */
const WORTH_THREADS = 32 << 20;
/** Descriptors of the process below which there are no threads, whose event loops and jobs need some. */
const LEAST_DESCRIPTORS = 256;

/** How many threads pay for work on `bytes`. */
export function fileThreadsFor(bytes: number): number {
  if (bytes < WORTH_THREADS || descriptorLimit() < LEAST_DESCRIPTORS) return 0;
  return Math.min(MOST_THREADS, availableParallelism() - 1);
}

export class FileThreads implements AsyncDisposable {
  readonly #threads: FileThread[] = [];
  readonly #most: number;
  readonly #running = new Set<Promise<unknown>>();
  #failure: { readonly error: unknown } | undefined;

  /** Starts `size` threads, each of which is handed `most` jobs at a time. */
  constructor(size: number, most: number) {
    this.#most = most;
    for (let i = 0; i < size; i++) this.#threads.push(new FileThread());
  }

  /** Hands a job over; undefined when all threads have enough to do. */
  hand(job: FileJob): Promise<FileResult> | undefined {
    return this.#threads.find((thread) => thread.pending < this.#most)?.do(job);
  }

  /** Does a job, or sees to it that it is done by `finish`. Throws when it, or an earlier one, failed. */
  do(job: FileJob): void {
    if (this.#failure) throw this.#failure.error;
    const handed = this.hand(job);
    if (!handed) return void doFileJob(job);
    const running = handed
      .catch((error: unknown) => void (this.#failure ??= { error }))
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Waits until all jobs are done. Throws when one failed. */
  async finish(): Promise<void> {
    await Promise.all(this.#running);
    if (this.#failure) throw this.#failure.error;
  }

  /** Ends the threads, when they have done what they have begun. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#running);
    await Promise.all(this.#threads.splice(0).map((thread) => thread.end()));
  }
}

interface Waiting {
  readonly resolve: (result: FileResult) => void;
  readonly reject: (error: unknown) => void;
}

class FileThread {
  readonly #pending = new Int32Array(new SharedArrayBuffer(4));
  readonly #waiting = new Map<number, Waiting>();
  readonly #worker: Worker;
  #lastId = 0;
  #lost: Error | undefined;

  constructor() {
    const setup: FileThreadSetup = { pending: this.#pending.buffer, compileCache: getCompileCacheDir() };
    // the same file has another name before and after the build
    const file = new URL(`./file-thread${extname(import.meta.url)}`, import.meta.url);
    this.#worker = new Worker(file, {
      workerData: setup,
      env: SHARE_ENV,
      resourceLimits: { maxYoungGenerationSizeMb: 4 },
      // descriptors are opened here and closed there
      trackUnmanagedFds: false,
    });
    this.#worker.on('message', (report: FileReport) => this.#hear(report));
    this.#worker.on('error', (error) => this.#lose(error));
    this.#worker.on('exit', (status) =>
      this.#lose(new Error(`a thread that works on files ended with status ${status}`)),
    );
  }

  get pending(): number {
    return this.#lost ? Infinity : Atomics.load(this.#pending, 0);
  }

  do(job: FileJob): Promise<FileResult> {
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<FileResult>();
    this.#waiting.set(id, { resolve, reject });
    Atomics.add(this.#pending, 0, 1);
    this.#worker.postMessage({ id, job } satisfies FileOrder);
    return promise;
  }

  async end(): Promise<void> {
    this.#worker.removeAllListeners('exit');
    await this.#worker.terminate();
  }

  #hear(report: FileReport): void {
    const waiting = this.#waiting.get(report.id);
    this.#waiting.delete(report.id);
    if ('result' in report) waiting?.resolve(report.result);
    else waiting?.reject(unpackError(report.failure));
  }

  /** The thread is gone, and what it did with it. */
  #lose(error: Error): void {
    this.#lost = error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
