// What a child says on standard error, by lines: each is shown after a while, unless an error claims it first.

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { plainText } from '../protocol/remote-error.ts';

/** How long a line waits to become part of an error before it is shown, in milliseconds. */
const showAfter = 400;
const keptLines = 60;

export class ErrorLines {
  readonly #show: (line: string) => void;
  readonly #kept: string[] = [];
  #waiting: string[] = [];
  #rest = '';
  #timer: NodeJS.Timeout | undefined;

  constructor(child: ChildProcess, show: (line: string) => void = () => {}) {
    this.#show = show;
    child.stderr!.setEncoding('utf8');
    child.stderr!.on('data', (text: string) => this.#take(text));
    child.stderr!.on('error', () => {});
    void once(child.stderr!, 'end').catch(() => {});
  }

  #take(text: string): void {
    const parts = plainText(this.#rest + text).split('\n');
    this.#rest = parts.pop()!;
    for (const line of parts.map((p) => p.trimEnd()).filter(Boolean)) {
      this.#kept.push(line);
      this.#waiting.push(line);
    }
    this.#kept.splice(0, this.#kept.length - keptLines);
    this.#timer ??= setTimeout(() => this.flush(), showAfter).unref();
  }

  /** Shows what waits. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const line of this.#waiting.splice(0)) this.#show(line);
  }

  /** The last lines, which are not shown any more. */
  claim(): string {
    this.#waiting = [];
    clearTimeout(this.#timer);
    this.#timer = undefined;
    return [...this.#kept, this.#rest].join('\n').trim();
  }
}
