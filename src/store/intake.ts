// Taking a NAR in: open, decode, hash, parse, compare with what was promised. The one place where bytes become trusted.

import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import type { ByteSource } from '../bytes/source.ts';
import { NarrowError } from '../errors.ts';
import { decodableEncodings, decode } from '../format/compression.ts';
import { NarParser } from '../format/nar/parser.ts';
import { noVisitor } from '../format/nar/tree.ts';
import type { NarVisitor } from '../format/nar/tree.ts';
import { equalHash, formatHash } from '../model/hash.ts';
import type { Hash } from '../model/hash.ts';
import type { PathInfo } from '../model/path-info.ts';
import type { Item } from './store.ts';

/** The event loop gets a turn each time this many bytes were taken, so that signals and other pipelines are heard. */
const TURN = 1 << 20;

export interface IntakeOptions {
  /** Sees the NAR's events as it streams past; its exceptions end the intake. */
  readonly visitor?: NarVisitor | undefined;
  /** Sees every chunk of the NAR (borrowed), after it was hashed and parsed. */
  readonly onChunk?: ((chunk: Uint8Array) => void | Promise<void>) | undefined;
  /** Encoded bytes as they arrive. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What was taken in, in bytes: as it travelled, and decoded. */
export interface Intake {
  readonly encodedSize: number;
  readonly narSize: number;
}

/**
 * Streams an item's NAR through the checks: well-formed and nothing behind its end, never longer than announced (a
 * decompression bomb stops there), and of the hash and size its info names. Throws `integrity`, `format`, or what the
 * source throws; whatever the visitor wrote by then is the caller's to take back.
 */
export async function takeNar(item: Item, options: IntakeOptions = {}): Promise<Intake> {
  const { info } = item;
  const { visitor, onChunk, onBytes, signal } = options;
  const nar = await item.open({ encodings: decodableEncodings, signal });
  const parser = new NarParser(visitor ?? noVisitor, info.path);
  const hash = createHash('sha256');
  let encodedSize = 0;
  let narSize = 0;
  const encoded = passing(nar.bytes, (bytes) => {
    signal?.throwIfAborted();
    encodedSize += bytes;
    onBytes?.(bytes);
  });
  const take = (chunk: Uint8Array): void | Promise<void> => {
    narSize += chunk.length;
    if (narSize > info.narSize) throw tooLong(info, nar.encoding);
    hash.update(chunk);
    const used = parser.push(chunk);
    if (used < chunk.length) throw trailing(info, narSize - chunk.length + used);
    return onChunk?.(chunk);
  };
  const decoded = decode(nar.encoding, encoded, { signal, source: info.path });
  if (Symbol.iterator in decoded) await takeAtOnce(decoded, take);
  else
    for await (const chunk of decoded) {
      const pending = take(chunk);
      if (pending) await pending;
    }
  parser.end();
  expectSame(info, { algo: 'sha256', bytes: hash.digest() }, narSize);
  return { encodedSize, narSize };
}

/** Of a source that never waits: the event loop still gets its turns. */
async function takeAtOnce(
  source: Iterable<Uint8Array>,
  take: (chunk: Uint8Array) => void | Promise<void>,
): Promise<void> {
  let sinceTurn = 0;
  for (const chunk of source) {
    const pending = take(chunk);
    if (pending) await pending;
    sinceTurn += chunk.length;
    if (sinceTurn < TURN) continue;
    sinceTurn = 0;
    await setImmediate();
  }
}

/** Tells how much passes. A source that answers at once stays one. */
function passing(source: ByteSource, tell: (bytes: number) => void): ByteSource {
  return Symbol.iterator in source
    ? (function* () {
        for (const chunk of source) {
          tell(chunk.length);
          yield chunk;
        }
      })()
    : (async function* () {
        for await (const chunk of source) {
          tell(chunk.length);
          yield chunk;
        }
      })();
}

function tooLong(info: PathInfo, encoding: string): NarrowError {
  const what = encoding === 'none' ? '' : `, unpacked from ${encoding}`;
  return new NarrowError(
    'integrity',
    `the NAR of ${info.path} is longer than announced${what}: expected ${info.narSize} bytes`,
    {
      data: { path: info.path, expected: info.narSize },
      hint: 'the source is damaged or lies; take this path from another one',
    },
  );
}

function trailing(info: PathInfo, offset: number): NarrowError {
  return new NarrowError('format', `the NAR of ${info.path} ends at offset ${offset}, but more bytes follow`, {
    data: { path: info.path, offset },
  });
}

/** Throws `integrity` unless hash and size of a whole NAR are those of `info`. */
export function expectSame(info: PathInfo, hash: Hash, narSize: number): void {
  if (equalHash(hash, info.narHash) && narSize === info.narSize) return;
  const [expected, got] = [formatHash(info.narHash), formatHash(hash)];
  throw new NarrowError(
    'integrity',
    `the NAR of ${info.path} is not what was promised: expected ${expected} with ${info.narSize} bytes, got ${got} with ${narSize}`,
    {
      data: { path: info.path, expected, got, size: narSize },
      hint: 'the source is damaged or lies; take this path from another one',
    },
  );
}
