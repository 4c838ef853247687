// The part of the ATerm notation that derivations use: strings, lists and tuples, without white space.
//
//   string = '"' chars '"'       with \" \\ \n \r \t; a backslash before any other byte stands for that byte
//   list   = '[' [ item { ',' item } ] ']'

import type { ByteString } from '../bytes/byte-string.ts';
import { displayBytes } from '../bytes/byte-string.ts';
import type { NarrowError, Place } from '../errors.ts';
import { formatError } from '../errors.ts';

/** Reads a text from front to back; every error gives the byte offset. */
export class AtermReader {
  readonly #text: ByteString;
  readonly #what: string;
  readonly #place: Place;
  #at = 0;

  constructor(text: ByteString, what: string, place: Place = {}) {
    this.#text = text;
    this.#what = what;
    this.#place = place;
  }

  /** Bytes read so far. */
  get offset(): number {
    return this.#at;
  }

  /** An error at `offset`, which is where reading stands unless given. */
  fault(expected: string, got: string = this.#ahead(), offset: number = this.#at, cause?: unknown): NarrowError {
    return formatError(`bad ${this.#what}`, { ...this.#place, offset }, { expected, got, cause });
  }

  /** True when `literal` comes next. */
  sees(literal: string): boolean {
    return this.#text.startsWith(literal, this.#at);
  }

  expect(literal: string): void {
    if (!this.sees(literal)) throw this.fault(`'${literal}'`);
    this.#at += literal.length;
  }

  string(): ByteString {
    this.expect('"');
    const start = this.#at;
    let end = start - 1;
    do {
      end = this.#text.indexOf('"', end + 1);
      if (end < 0) throw this.fault('a closing quote', 'the end of the text', start - 1);
    } while (this.#backslashesBefore(end, start) % 2 === 1);
    this.#at = end + 1;
    return unescape(this.#text.slice(start, end)) as ByteString;
  }

  list<T>(item: () => T): T[] {
    const items: T[] = [];
    this.expect('[');
    if (!this.sees(']')) {
      items.push(item());
      while (this.sees(',')) {
        this.expect(',');
        items.push(item());
      }
    }
    if (!this.sees(']')) throw this.fault("',' or ']'");
    this.expect(']');
    return items;
  }

  strings(): ByteString[] {
    return this.list(() => this.string());
  }

  end(): void {
    if (this.#at < this.#text.length) throw this.fault('the end of the text');
  }

  #backslashesBefore(end: number, start: number): number {
    let n = 0;
    while (end - n > start && this.#text.charCodeAt(end - n - 1) === 92) n++;
    return n;
  }

  #ahead(): string {
    const next = this.#text.slice(this.#at, this.#at + 20) as ByteString;
    return next === '' ? 'the end of the text' : `'${displayBytes(next)}'`;
  }
}

const meanings: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };
const escapes: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '"': '\\"', '\\': '\\\\' };

function unescape(text: string): string {
  return text.includes('\\') ? text.replace(/\\([^])/g, (_, c: string) => meanings[c] ?? c) : text;
}

/** A string with what has to be escaped. */
export function atermString(text: string): string {
  return `"${text.replace(/["\\\n\r\t]/g, (c) => escapes[c] ?? c)}"`;
}

/** A list of printed items. */
export function atermList(items: readonly string[]): string {
  return `[${items.join(',')}]`;
}
