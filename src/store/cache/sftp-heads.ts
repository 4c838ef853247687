// The beginnings of files that will be opened soon, asked for before that: of small NARs that is all of them, and a round
// trip for each would be longer than they are.

import type { ExpectedFile } from './files.ts';
import type { Head } from './sftp-download.ts';
import { headSize } from './sftp-download.ts';

/** What may be there before anybody wants it: files, and bytes. */
const mostFiles = 512;
const mostBytes = 4 * 1024 * 1024;

interface Ahead {
  readonly number: number;
  readonly bytes: number;
  readonly head: Promise<Head | undefined>;
}

export class HeadsAhead {
  readonly #read: (reference: string) => Promise<Head | undefined>;
  readonly #ahead = new Map<string, Ahead>();
  #expected: readonly ExpectedFile[] = [];
  /** Of the expected, the first that has not been asked for. */
  #next = 0;
  #bytes = 0;

  constructor(read: (reference: string) => Promise<Head | undefined>) {
    this.#read = read;
  }

  /** These will be taken, about in this order. Nothing is asked for before the first is. */
  expect(files: readonly ExpectedFile[]): void {
    this.#expected = [...this.#expected, ...files];
  }

  /** The beginning of a file that was expected, once; undefined for others. */
  take(reference: string): Promise<Head | undefined> | undefined {
    const taken = this.#ahead.get(reference);
    if (taken) this.#passTo(taken.number);
    this.#askAhead();
    const ahead = this.#ahead.get(reference);
    if (ahead) this.#drop(reference, ahead);
    return ahead?.head;
  }

  /** Those long passed by will not be wanted: they were there already, or their copy has failed. */
  #passTo(number: number): void {
    for (const [reference, ahead] of this.#ahead) {
      if (ahead.number + mostFiles / 2 > number) return;
      this.#drop(reference, ahead);
    }
  }

  #askAhead(): void {
    for (; this.#next < this.#expected.length; this.#next++) {
      const { reference, size = headSize } = this.#expected[this.#next]!;
      const bytes = Math.min(size, headSize);
      if (this.#ahead.size >= mostFiles || this.#bytes + bytes > mostBytes) return;
      if (this.#ahead.has(reference)) continue;
      const head = this.#read(reference);
      // told to whoever takes it
      head.catch(() => {});
      this.#ahead.set(reference, { number: this.#next, bytes, head });
      this.#bytes += bytes;
    }
  }

  #drop(reference: string, { bytes }: Ahead): void {
    this.#ahead.delete(reference);
    this.#bytes -= bytes;
  }
}
