// Signatures as raw bytes, the keys' names told once. What is not `name:base64 of 64 bytes` goes as the text it is.

import { decodeBase64, encodeBase64 } from '../model/base64.ts';
import { sortedUnique } from '../model/path-info.ts';
import { bad, readCount } from './base-closure.ts';
import type { ColumnReader, ColumnWriter } from './columns.ts';
import { column, headBits } from './info-columns.ts';

const signatureBytes = 64;

/** A signature in two parts; `bytes` is absent for text that is none. */
interface Split {
  readonly name: string;
  readonly bytes?: Uint8Array;
}

/** Splits a signature if it can be put together again exactly. */
function splitSignature(text: string): Split {
  const colon = text.indexOf(':');
  const bytes = colon > 0 ? decodeBase64(text.slice(colon + 1)) : undefined;
  if (bytes?.length !== signatureBytes || text.slice(colon + 1) !== encodeBase64(bytes)) return { name: text };
  return { name: text.slice(0, colon), bytes };
}

/** True for `name:base64` of 64 bytes. */
export function isEd25519(signature: string): boolean {
  return splitSignature(signature).bytes !== undefined;
}

/** Lists of key names that were told, and the one of the path before. An empty name stands for text that is no signature. */
export class SignatureKeys {
  readonly #lists: (readonly string[])[] = [[]];
  readonly #numbers = new Map<string, number>([['[]', 0]]);
  #last = 0;

  /** Returns the bit for the head. */
  write(signatures: readonly string[], out: ColumnWriter): number {
    const parts = signatures.map(splitSignature);
    const bit = this.#writeKeys(
      parts.map(({ name, bytes }) => (bytes ? name : '')),
      out,
    );
    for (const { name, bytes } of parts) {
      if (bytes) out.bytes(column.signatures, bytes);
      else writeText(name, out);
    }
    return bit;
  }

  #writeKeys(keys: readonly string[], out: ColumnWriter): number {
    const id = JSON.stringify(keys);
    const number = this.#numbers.get(id) ?? this.#lists.length;
    if (number === this.#last) return 0;
    this.#last = number;
    out.varint(column.kinds, number);
    if (number < this.#lists.length) return headBits.keys;
    this.#numbers.set(id, number);
    this.#lists.push(keys);
    out.varint(column.kinds, keys.length);
    for (const key of keys) writeText(key, out);
    return headBits.keys;
  }

  /** Sorted, unique. */
  read(head: number, input: ColumnReader): string[] {
    if (head & headBits.keys) this.#last = this.#readNumber(input);
    return sortedUnique(
      this.#lists[this.#last]!.map((key) =>
        key === '' ? readText(input) : `${key}:${encodeBase64(input.bytes(column.signatures, signatureBytes))}`,
      ),
    );
  }

  #readNumber(input: ColumnReader): number {
    const number = input.varint(column.kinds);
    if (number > this.#lists.length) throw bad('list of keys', `at most ${this.#lists.length}`, `${number}`);
    if (number === this.#lists.length)
      this.#lists.push(Array.from({ length: readCount(input, column.kinds) }, () => readText(input)));
    return number;
  }
}

function writeText(text: string, out: ColumnWriter): void {
  const bytes = Buffer.from(text);
  out.varint(column.kinds, bytes.length);
  out.bytes(column.text, bytes);
}

function readText(input: ColumnReader): string {
  return Buffer.from(input.bytes(column.text, input.varint(column.kinds))).toString('utf8');
}
