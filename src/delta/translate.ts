// Translation: old hash parts replaced by new ones, in one simultaneous pass. Every occurrence of every old hash part is found
// in the original bytes, at any position; it is replaced if no other occurrence overlaps it. So the length never changes,
// chains and swaps in the map are harmless, and what becomes of a byte is decided within 62 bytes of it: any range of a file
// can be translated alone. Both sides of a delta must agree on this to the byte.

import { byteString, bytesFrom } from '../bytes/byte-string.ts';
import type { ByteString } from '../bytes/byte-string.ts';
import { hashPartLength } from '../model/store-path.ts';
import { OccurrenceFinder, noOccurrences } from './occurrences.ts';
import type { Occurrences } from './occurrences.ts';

/** 32-digit hash parts: old to new. */
export type HashPartMap = ReadonlyMap<string, string>;

/** Bytes before and after a range that must be seen to translate it: two overlapping occurrences, less a byte each. */
export const context: number = 2 * (hashPartLength - 1);

/** Bytes translated at a time. */
const stepSize = 256 * 1024;

const runOfDigits = /[0-9a-df-np-sv-z]{32}/;

/** Translates by one map; make it once and use it for all trees. */
export class Translator {
  readonly #finder: OccurrenceFinder;
  readonly #known: ReadonlySet<string>;
  readonly #values: Buffer;
  /** True when there is nothing to replace. */
  readonly empty: boolean;

  constructor(map: HashPartMap) {
    this.empty = [...map].every(([from, to]) => from === to);
    this.#finder = new OccurrenceFinder([...map.keys()]);
    this.#values = Buffer.from([...map.values()].join(''), 'latin1');
    if (this.#values.length !== map.size * hashPartLength) throw new RangeError('a new hash part has not 32 digits');
    this.#known = new Set([...map.keys(), ...map.values()]);
  }

  /** All of a file: the bytes given where nothing is replaced, else a copy. */
  whole(bytes: Uint8Array): Uint8Array {
    const found = this.#search(bytes);
    if (found.starts.length === 0) return bytes;
    const copy = Buffer.from(bytes);
    this.#replace(found, copy, 0, copy.length);
    return copy;
  }

  /** Translates all of a file where it is. */
  inPlace(bytes: Uint8Array): void {
    this.#replace(this.#search(bytes), asBuffer(bytes), 0, bytes.length);
  }

  #search(bytes: Uint8Array): Occurrences {
    const found = noOccurrences();
    this.#finder.find(asBuffer(bytes), 0, bytes.length, 0, found);
    return found;
  }

  /** A name or a link's target. */
  text(text: ByteString): ByteString {
    if (text.length < hashPartLength || !runOfDigits.test(text)) return text;
    const bytes = bytesFrom(text);
    const translated = this.whole(bytes);
    return translated === bytes ? text : byteString(translated);
  }

  /** False only when `text` holds neither an old nor a new hash part: then it is translated to itself, and nothing else is. */
  concerns(text: ByteString): boolean {
    if (text.length < hashPartLength || !runOfDigits.test(text)) return false;
    for (let at = 0; at + hashPartLength <= text.length; at++)
      if (this.#known.has(text.slice(at, at + hashPartLength))) return true;
    return false;
  }

  /** A file in pieces; `size` is its length where known. What is yielded is borrowed until the next piece is asked for. */
  *stream(source: Iterable<Uint8Array>, size: number | undefined): Generator<Uint8Array, void, undefined> {
    let stream: TranslatedStream | undefined;
    for (const chunk of source) {
      if (stream === undefined && chunk.length === size) yield this.whole(chunk);
      else {
        stream ??= new TranslatedStream(this.#finder, (found, bytes, from, to) =>
          this.#replace(found, bytes, from, to),
        );
        for (let at = 0; at < chunk.length; at += stepSize) {
          const decided = stream.push(chunk.subarray(at, at + stepSize));
          if (decided.length > 0) yield decided;
        }
      }
    }
    const rest = stream?.end();
    if (rest !== undefined && rest.length > 0) yield rest;
    stream?.release();
  }

  /** Replaces in `bytes`, which hold the bytes `from` to `to` of the file, what is not overlapped. */
  #replace({ starts, keys }: Occurrences, bytes: Buffer, from: number, to: number): void {
    for (let i = 0; i < starts.length; i++) {
      const start = starts[i]!;
      if (i > 0 && starts[i - 1]! > start - hashPartLength) continue;
      if (i + 1 < starts.length && starts[i + 1]! < start + hashPartLength) continue;
      const value = keys[i]! * hashPartLength;
      const first = Math.max(start, from);
      const end = Math.min(start + hashPartLength, to);
      if (first < end) this.#values.copy(bytes, first - from, value + first - start, value + end - start);
    }
  }
}

/** Buffers that no stream is using. */
const spare: Buffer[] = [];

type Replace = (found: Occurrences, bytes: Buffer, from: number, to: number) => void;

/** Holds the last bytes back until what follows has shown whether they are replaced. */
class TranslatedStream {
  readonly #finder: OccurrenceFinder;
  readonly #replace: Replace;
  readonly #buffer = spare.pop() ?? Buffer.allocUnsafeSlow(stepSize + context);
  readonly #held = Buffer.allocUnsafe(context);
  #heldSize = 0;
  /** Offset in the file of the first byte held back. */
  #offset = 0;
  /** Bytes of the file from which on no occurrence has been looked for. */
  #searched = 0;
  readonly #found = noOccurrences();

  constructor(finder: OccurrenceFinder, replace: Replace) {
    this.#finder = finder;
    this.#replace = replace;
  }

  /** Takes at most `stepSize` bytes; gives what is decided by now, borrowed until the next call. */
  push(chunk: Uint8Array): Uint8Array {
    const buffer = this.#buffer;
    this.#held.copy(buffer, 0, 0, this.#heldSize);
    buffer.set(chunk, this.#heldSize);
    const size = this.#heldSize + chunk.length;
    this.#finder.find(buffer, this.#searched - this.#offset, size, this.#offset, this.#found);
    this.#searched = Math.max(this.#searched, this.#offset + size - hashPartLength + 1);
    const decided = Math.max(0, size - context);
    this.#heldSize = buffer.copy(this.#held, 0, decided, size);
    this.#replace(this.#found, buffer, this.#offset, this.#offset + decided);
    this.#offset += decided;
    this.#forget();
    return buffer.subarray(0, decided);
  }

  end(): Uint8Array {
    const rest = this.#held.subarray(0, this.#heldSize);
    this.#replace(this.#found, rest, this.#offset, this.#offset + rest.length);
    return rest;
  }

  /** Nothing is asked of it any more, nor of what it gave. */
  release(): void {
    spare.push(this.#buffer);
  }

  /** Drops occurrences that neither reach what is held back nor overlap one that does. */
  #forget(): void {
    const { starts, keys } = this.#found;
    let count = 0;
    while (count < starts.length && starts[count]! < this.#offset - context) count++;
    starts.splice(0, count);
    keys.splice(0, count);
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
