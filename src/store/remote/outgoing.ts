// NARs on their way to another Nix: checked as they pass like those that come in, and small ones fetched ahead, so that
// neither side waits for the other once a path.

import { createHash } from 'node:crypto';
import type { ByteSource } from '../../bytes/source.ts';
import { NarrowError } from '../../errors.ts';
import { decodableEncodings, decode } from '../../format/compression.ts';
import { NarParser } from '../../format/nar/parser.ts';
import { noVisitor } from '../../format/nar/tree.ts';
import { expectSame } from '../intake.ts';
import type { AddOptions, Item } from '../store.ts';

/** NARs up to this size are fetched whole before they are sent: a bad one then costs nobody a connection. */
const smallSize = 256 * 1024;
/** Items that are fetched ahead, and their bytes. */
const aheadItems = 16;
const aheadBytes = 8 * 1024 * 1024;

export type OutgoingOptions = Pick<AddOptions, 'signal' | 'onBytes'>;

/**
 * The item's NAR, decoded; ends with an error unless it is exactly what its info says. Borrowed chunks. What was read counts when the
 * chunk after it is asked for: until then it waits for the line.
 */
export async function* outgoingNar(
  item: Item,
  { signal, onBytes }: OutgoingOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { info } = item;
  const nar = await item.open({ encodings: decodableEncodings, signal });
  // a stranger's NAR that ends before its announced size would have its rest taken for commands by the other side
  const parser = nar.packed === true ? undefined : new NarParser(noVisitor, info.path);
  const hash = createHash('sha256');
  let size = 0;
  let read = 0;
  const counted = (async function* () {
    for await (const chunk of nar.bytes) {
      signal?.throwIfAborted();
      read += chunk.length;
      yield chunk;
    }
  })();
  for await (const chunk of decode(nar.encoding, counted, { signal })) {
    size += chunk.length;
    hash.update(chunk);
    if (size > info.narSize || (parser && parser.push(chunk) < chunk.length)) throw tooLong(item);
    // the last chunk must not complete a NAR that is not the right one
    if (size === info.narSize) {
      parser?.end();
      expectSame(info, { algo: 'sha256', bytes: hash.digest() }, size);
    }
    yield chunk;
    onBytes?.(info.path, read);
    read = 0;
  }
  if (read > 0) onBytes?.(info.path, read);
  if (size < info.narSize) expectSame(info, { algo: 'sha256', bytes: hash.digest() }, size);
}

function tooLong({ info }: Item): NarrowError {
  return new NarrowError(
    'integrity',
    `the NAR of ${info.path} is longer than announced: expected ${info.narSize} bytes`,
    {
      data: { path: info.path, expected: info.narSize },
      hint: 'the source is damaged or lies; take this path from another one',
    },
  );
}

/** An item whose NAR is at hand, or will be when it is read. */
export interface Loaded {
  readonly item: Item;
  /** Set for small ones; rejects when the source fails or lies. */
  readonly whole: Promise<Buffer> | undefined;
  nar(): ByteSource;
}

function load(item: Item, options: OutgoingOptions): Loaded {
  if (item.info.narSize > smallSize) return { item, whole: undefined, nar: () => outgoingNar(item, options) };
  let read = 0;
  const whole = collectNar(item, { signal: options.signal, onBytes: (_, bytes) => (read += bytes) });
  whole.catch(() => {});
  return {
    item,
    whole,
    nar: async function* () {
      yield await whole;
      options.onBytes?.(item.info.path, read);
    },
  };
}

async function collectNar(item: Item, options: OutgoingOptions): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(item.info.narSize);
  let at = 0;
  for await (const chunk of outgoingNar(item, options)) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** The items in their order, up to `most` at hand, small ones fetched ahead. Never waits for an item before those at hand are taken. */
export async function* loadAhead(
  items: AsyncIterable<Item> | Iterable<Item>,
  options: OutgoingOptions,
  most: number = aheadItems,
): AsyncGenerator<Loaded, void, undefined> {
  const iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  const queue: Loaded[] = [];
  let pulling: Promise<void> | undefined;
  let ended = false;
  let failure: { readonly error: unknown } | undefined;
  const pull = (): void => {
    const bytes = queue.reduce((sum, { item }) => sum + Math.min(item.info.narSize, smallSize), 0);
    if (pulling || ended || queue.length >= most || bytes >= aheadBytes) return;
    pulling = (async () => {
      try {
        const next = await iterator.next();
        if (next.done === true) ended = true;
        else queue.push(load(next.value, options));
      } catch (error) {
        failure = { error };
        ended = true;
      }
      pulling = undefined;
      pull();
    })();
  };
  try {
    for (;;) {
      pull();
      const next = queue.shift();
      if (next) {
        pull();
        yield next;
      } else if (ended) {
        if (failure) throw failure.error;
        return;
      } else await pulling;
    }
  } finally {
    ended = true;
    await iterator.return?.();
  }
}
