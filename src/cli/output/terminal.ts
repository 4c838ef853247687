// A frame of lines at the bottom of a terminal that is painted over; what else is written goes above it. Only
// node:readline's cursor movements: see docs/decisions/progress.md.

import { clearScreenDown, moveCursor } from 'node:readline';
import type { WriteStream } from 'node:tty';
import { stripVTControlCharacters } from 'node:util';

export class Frame {
  readonly #stream: WriteStream;
  #height = 0;

  constructor(stream: WriteStream) {
    this.#stream = stream;
  }

  /** Replaces the frame. Lines are cut to the terminal's width, or moving back up would miscount. */
  paint(lines: readonly string[]): void {
    const width = this.#stream.columns || 80;
    this.#erase();
    for (const line of lines) this.#stream.write(`${cut(line, width)}\n`);
    this.#height = lines.length;
  }

  /** Writes lines that stay, above the frame. */
  above(text: string): void {
    this.#erase();
    this.#stream.write(`${text}\n`);
  }

  clear(): void {
    this.#erase();
  }

  #erase(): void {
    if (this.#height === 0) return;
    moveCursor(this.#stream, -(this.#stream.columns || 80), -this.#height);
    clearScreenDown(this.#stream);
    this.#height = 0;
  }
}

function cut(line: string, width: number): string {
  return stripVTControlCharacters(line).length < width
    ? line
    : `${stripVTControlCharacters(line).slice(0, width - 2)}…`;
}
