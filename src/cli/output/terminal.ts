// A frame of lines at the bottom of a terminal that is painted over; what else is written goes above it. Only
// node:readline's cursor movements: see docs/decisions/progress.md.

import { clearScreenDown, moveCursor } from 'node:readline';
import type { WriteStream } from 'node:tty';
import { stripVTControlCharacters } from 'node:util';

export class Frame {
  readonly #stream: WriteStream;
  #lines: readonly string[] = [];
  #pauses = 0;

  constructor(stream: WriteStream) {
    this.#stream = stream;
  }

  /** Columns of the terminal, as it is now. */
  get width(): number {
    return this.#stream.columns || 80;
  }

  /** Replaces the frame. Lines are cut to the terminal's width, or moving back up would miscount. */
  paint(lines: readonly string[]): void {
    if (this.#pauses > 0) return;
    this.#erase();
    this.#lines = lines.map((line) => cut(line, this.width));
    for (const line of this.#lines) this.#stream.write(`${line}\n`);
  }

  /** Writes lines that stay, above the frame. */
  above(text: string): void {
    const below = this.#lines;
    this.#erase();
    this.#stream.write(`${text}\n`);
    if (below.length > 0) this.paint(below);
  }

  clear(): void {
    this.#erase();
  }

  /** Leaves the terminal to somebody else, a question of ssh's, until `until` settles. */
  pause(until: Promise<unknown>): void {
    this.#pauses++;
    this.#erase();
    const resume = (): void => void this.#pauses--;
    until.then(resume, resume);
  }

  #erase(): void {
    if (this.#lines.length === 0) return;
    // a terminal that has become narrower has wrapped what was painted
    const height = this.#lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / this.width)), 0);
    moveCursor(this.#stream, -this.width, -height);
    clearScreenDown(this.#stream);
    this.#lines = [];
  }
}

function cut(line: string, width: number): string {
  const plain = stripVTControlCharacters(line);
  return plain.length < width ? line : `${plain.slice(0, width - 2)}…`;
}
