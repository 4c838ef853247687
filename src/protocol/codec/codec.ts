// Codecs: how a value is written and read, as pairs, so that both sides of each protocol come from one table. What a
// layout looks like depends on the version and the features both sides have agreed on.

import type { ByteReader } from '../../bytes/reader.ts';
import type { ByteWriter } from '../../bytes/writer.ts';
import type { Awaitable } from '../../format/nar/tree.ts';
import { formatError } from '../../errors.ts';
import type { StoreDir } from '../../model/store-path.ts';

/** What both sides have agreed on. */
export interface Peer {
  /** The minor version: 38 for worker protocol 1.38, 7 for serve protocol 2.7. */
  readonly version: number;
  /** Named extensions, from worker protocol 1.38 on. */
  readonly features: ReadonlySet<string>;
  /** Paths travel in full. */
  readonly storeDir: StoreDir;
}

export interface Codec<T> {
  put(out: ByteWriter, value: T, peer: Peer): void;
  /** Answers at once where all the bytes are at hand. */
  get(input: ByteReader, peer: Peer): Awaitable<T>;
}

/** Longest text read: error messages carry the last lines of builds. */
const textLimit = 16 * 1024 * 1024;

export const u64: Codec<number> = {
  put: (out, value) => void out.u64(value),
  get: (input) => input.tryU64() ?? input.u64(),
};

/** All 64 bits: ids of activities are process ids shifted by 32, above what a number holds exactly. */
export const wide: Codec<bigint> = {
  put(out, value) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(value);
    out.raw(bytes);
  },
  get: async (input) => (await input.bytes(8)).readBigUInt64LE(),
};

/** Anything but 0 is true, as in Nix. */
export const flag: Codec<boolean> = {
  put: (out, value) => void out.boolean(value),
  get: (input, peer) => then(u64.get(input, peer), (value) => value !== 0),
};

/** UTF-8; what is not becomes U+FFFD, which only messages may contain. */
export const text: Codec<string> = {
  put: (out, value) => void out.text(value),
  get: (input) => then(input.tryString(textLimit) ?? input.string(textLimit), utf8),
};

/** Bytes as they are. */
export const blob: Codec<Uint8Array> = {
  put: (out, value) => void out.string(value),
  get: (input) => input.stringBytes(textLimit),
};

/** No bytes at all. */
export const nothing: Codec<void> = { put() {}, get() {} };

// oxlint-disable-next-line no-control-regex
const ascii = /^[\x00-\x7f]*$/;

function utf8(bytes: string): string {
  return ascii.test(bytes) ? bytes : Buffer.from(bytes, 'latin1').toString('utf8');
}

function then<A, B>(value: Awaitable<A>, to: (value: A) => B): Awaitable<B> {
  return value instanceof Promise ? value.then(to) : to(value);
}

/** A codec of another type through one of these. */
export function mapped<A, B>(
  codec: Codec<A>,
  from: (value: A, peer: Peer) => B,
  to: (value: B, peer: Peer) => A,
): Codec<B> {
  return {
    put: (out, value, peer) => codec.put(out, to(value, peer), peer),
    get: (input, peer) => then(codec.get(input, peer), (value) => from(value, peer)),
  };
}

/** Always the same value; another one is a format error. */
export function constant(value: number): Codec<void> {
  return {
    put: (out) => void out.u64(value),
    async get(input, peer) {
      const offset = input.position;
      const got = await u64.get(input, peer);
      if (got !== value)
        throw formatError(
          'unexpected number',
          { source: input.name, offset },
          { expected: String(value), got: String(got) },
        );
    },
  };
}

/** A number that is written as `value` and not looked at. */
export function ignored(value: number): Codec<void> {
  return mapped<number, void>(
    u64,
    () => {},
    () => value,
  );
}

/** Count, then the items. */
export function list<T>(codec: Codec<T>): Codec<readonly T[]> {
  return {
    put(out, values, peer) {
      out.u64(values.length);
      for (const value of values) codec.put(out, value, peer);
    },
    async get(input, peer) {
      const count = await u64.get(input, peer);
      const values: T[] = [];
      // grows with what really arrives, whatever the count claims
      for (let i = 0; i < count; i++) {
        const value = codec.get(input, peer);
        values.push(value instanceof Promise ? await value : value);
      }
      return values;
    },
  };
}

/** One after the other, in the order of the keys. */
export function fields<T extends object>(codecs: { readonly [K in keyof T]-?: Codec<T[K]> }): Codec<T> {
  const keys = Object.keys(codecs) as (keyof T)[];
  return {
    put(out, value, peer) {
      for (const key of keys) codecs[key].put(out, value[key], peer);
    },
    async get(input, peer) {
      const value: Partial<T> = {};
      for (const key of keys) {
        const field = codecs[key].get(input, peer);
        value[key] = field instanceof Promise ? await field : field;
      }
      return value as T;
    },
  };
}

/** One of two layouts, by what was agreed on. */
export function choose<T>(test: (peer: Peer) => boolean, yes: Codec<T>, no: Codec<T>): Codec<T> {
  return {
    put: (out, value, peer) => (test(peer) ? yes : no).put(out, value, peer),
    get: (input, peer) => (test(peer) ? yes : no).get(input, peer),
  };
}

/** Present from a minor version on; before, `otherwise`. */
export function since<T>(version: number, codec: Codec<T>, otherwise: T): Codec<T> {
  return choose((peer) => peer.version >= version, codec, absent(otherwise));
}

function absent<T>(value: T): Codec<T> {
  return { put() {}, get: () => value };
}

/** u64 0, or u64 1 and the value. */
export function optional<T>(codec: Codec<T>): Codec<T | undefined> {
  return {
    put(out, value, peer) {
      out.boolean(value !== undefined);
      if (value !== undefined) codec.put(out, value, peer);
    },
    get: async (input, peer) => ((await u64.get(input, peer)) === 0 ? undefined : codec.get(input, peer)),
  };
}

/** A value that travels as a text. */
export interface TextCodec<T> extends Codec<T> {
  parse(text: string, peer: Peer): T;
  print(value: T, peer: Peer): string;
}

export function textual<T>(
  parse: (text: string, peer: Peer) => T,
  print: (value: T, peer: Peer) => string,
): TextCodec<T> {
  return { parse, print, ...mapped(text, parse, print) };
}

/** The same, where the empty text means none. */
export function orNone<T>({ parse, print }: TextCodec<T>): Codec<T | undefined> {
  return mapped<string, T | undefined>(
    text,
    (value, peer) => (value === '' ? undefined : parse(value, peer)),
    (value, peer) => (value === undefined ? '' : print(value, peer)),
  );
}
