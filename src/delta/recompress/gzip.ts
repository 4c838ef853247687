// .gz files of one member (RFC 1952), as GNU gzip and zlib make them.
//
//   recipe = 16 * flavour (0 gzip, 1 zlib) + level, the header from its flags on

import { crc32, gunzipSync, inflateRawSync } from 'node:zlib';
import { deflate } from './deflate.ts';
import type { Flavour } from './deflate-blocks.ts';
import { inOnePiece } from './packer.ts';
import type { Packer, Proof } from './packer.ts';

const magic = [0x1f, 0x8b, 0x08] as const;
const fixedHeader = 10;
const trailerSize = 8;
const tool = 'gzip/1';
const flavours: readonly Flavour[] = ['gzip', 'zlib'];

/** Where the flags are, and what they announce. */
const flagsAt = 3;
const extraFlagsAt = 8;
const flags = { checksum: 2, extra: 4, name: 8, comment: 16, reserved: 0xe0 } as const;

/** Names that make it longer are not worth it. */
const maxHeader = 512;

/** End of the header; -1 for one that is not whole, or that gzip and zlib do not write. */
function headerEnd(bytes: Uint8Array): number {
  const set = bytes[flagsAt]!;
  if (bytes.length < fixedHeader + trailerSize || (set & (flags.reserved | flags.extra | flags.checksum)) !== 0)
    return -1;
  let end = fixedHeader;
  for (const flag of [flags.name, flags.comment]) if (set & flag) end = bytes.indexOf(0, end) + 1 || bytes.length;
  return end <= Math.min(bytes.length - trailerSize, maxHeader) ? end : -1;
}

function expand(bytes: Uint8Array, limit: number): Uint8Array | undefined {
  try {
    const announced = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).readUInt32LE(bytes.length - 4);
    return gunzipSync(bytes, inOnePiece(announced, limit));
  } catch {
    return undefined;
  }
}

/** The levels that a header's hint leaves, likely ones first: gzip marks its best and its fastest. */
function levelsOf(hint: number): readonly number[] {
  if (hint === 2) return [9];
  return hint === 4 ? [1] : [6, 9, 5, 8, 7, 4, 3, 2, 1];
}

function prove(bytes: Uint8Array, contents: Uint8Array): Proof | undefined {
  const start = headerEnd(bytes);
  if (start < 0) return undefined;
  const body = bytes.subarray(start, bytes.length - trailerSize);
  if (!isWhole(body, contents) || Buffer.compare(trailerOf(contents), bytes.subarray(-trailerSize)) !== 0)
    return undefined;
  for (const flavour of flavours) {
    for (const level of levelsOf(bytes[extraFlagsAt]!)) {
      const made = deflate(contents, { flavour, level, limit: body.length, expected: body });
      if (made?.length !== body.length) continue;
      const head = bytes.subarray(flagsAt, start);
      return { tool, recipe: Uint8Array.of(flavours.indexOf(flavour) * 16 + level, ...head) };
    }
  }
  return undefined;
}

interface Inflated {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}

/** True when there is nothing between the end of the deflate stream and the trailer. */
function isWhole(body: Uint8Array, contents: Uint8Array): boolean {
  try {
    const options = { info: true, maxOutputLength: Math.max(contents.length, 1) };
    const { buffer, engine } = inflateRawSync(body, options) as unknown as Inflated;
    return engine.bytesWritten === body.length && buffer.length === contents.length;
  } catch {
    return false;
  }
}

function trailerOf(contents: Uint8Array): Buffer {
  const trailer = Buffer.alloc(trailerSize);
  trailer.writeUInt32LE(crc32(contents), 0);
  trailer.writeUInt32LE(contents.length, 4);
  return trailer;
}

function pack(recipe: Uint8Array, contents: Uint8Array, size: number): Uint8Array | undefined {
  const flavour = flavours[recipe[0]! >> 4];
  const level = recipe[0]! & 15;
  const head = recipe.subarray(1);
  const limit = size - magic.length - head.length - trailerSize;
  if (head.length === 0 || !flavour || level < 1 || level > 9 || limit < 0) return undefined;
  const body = deflate(contents, { flavour, level, limit });
  return body && Buffer.concat([Uint8Array.from(magic), head, body, trailerOf(contents)]);
}

export const gzip: Packer = { kind: 'gzip', magic, tools: () => [tool], expand, prove, pack };
