// What the daemon sends between a request and its reply: log messages, activities, requests for data, errors. The last
// of them is `last` (the reply follows) or `error` (no reply follows).

import type { ByteReader } from '../../bytes/reader.ts';
import type { ByteWriter } from '../../bytes/writer.ts';
import { formatError } from '../../errors.ts';
import type { Codec, Peer } from '../codec/codec.ts';
import { blob, choose, constant, fields, list, mapped, text, u64, wide } from '../codec/codec.ts';

/** A number or a text of an activity. */
export type Field = bigint | string;

/** An error as it travels. */
export interface WireError {
  /** 0 error, 1 warning … */
  readonly level: number;
  /** With ANSI colours. */
  readonly message: string;
  /** What was being done, innermost first. */
  readonly traces: readonly string[];
  /** Exit status; only before 1.26, else 1. */
  readonly status: number;
}

export type Message =
  | { readonly kind: 'log'; readonly text: string }
  | { readonly kind: 'read'; readonly size: number }
  | { readonly kind: 'write'; readonly data: Uint8Array }
  | {
      readonly kind: 'start';
      readonly id: bigint;
      readonly level: number;
      readonly type: number;
      readonly text: string;
      readonly fields: readonly Field[];
      readonly parent: bigint;
    }
  | { readonly kind: 'stop'; readonly id: bigint }
  | { readonly kind: 'result'; readonly id: bigint; readonly type: number; readonly fields: readonly Field[] }
  | { readonly kind: 'error'; readonly error: WireError }
  | { readonly kind: 'last' };

type Kind = Message['kind'];
type Body<K extends Kind> = Omit<Extract<Message, { kind: K }>, 'kind'>;

const field: Codec<Field> = {
  put(out, value) {
    out.u64(typeof value === 'string' ? 1 : 0);
    if (typeof value === 'string') out.text(value);
    else wide.put(out, value, anyPeer);
  },
  get: async (input, peer) => ((await u64.get(input, peer)) === 1 ? text.get(input, peer) : wide.get(input, peer)),
};

const anyPeer: Peer = { version: 0, features: new Set(), storeDir: '' };

const traces: Codec<readonly string[]> = list(
  mapped<{ position: void; text: string }, string>(
    fields<{ position: void; text: string }>({ position: constant(0), text }),
    (v) => v.text,
    (v) => ({ position: undefined, text: v }),
  ),
);

interface NewError {
  readonly type: string;
  readonly level: number;
  readonly name: string;
  readonly message: string;
  readonly position: void;
  readonly traces: readonly string[];
}

/** From 1.26 on: type, level, name, message, position (never one), traces. Before: message, exit status. */
const wireError: Codec<WireError> = choose<WireError>(
  (peer) => peer.version >= 26,
  mapped<NewError, WireError>(
    fields<NewError>({ type: text, level: u64, name: text, message: text, position: constant(0), traces }),
    ({ level, message, traces: lines }) => ({ level, message, traces: lines, status: 1 }),
    ({ level, message, traces: lines }) => ({
      type: 'Error',
      level,
      name: 'Error',
      message,
      position: undefined,
      traces: lines,
    }),
  ),
  mapped<{ message: string; status: number }, WireError>(
    fields({ message: text, status: u64 }),
    ({ message, status }) => ({ level: 0, message, traces: [], status }),
    ({ message, status }) => ({ message, status }),
  ),
);

const bodies: { readonly [K in Kind]: { readonly tag: number; readonly codec: Codec<Body<K>> } } = {
  log: { tag: 0x6f6c6d67, codec: fields({ text }) },
  read: { tag: 0x64617461, codec: fields({ size: u64 }) },
  write: { tag: 0x64617416, codec: fields({ data: blob }) },
  start: {
    tag: 0x53545254,
    codec: fields({ id: wide, level: u64, type: u64, text, fields: list(field), parent: wide }),
  },
  stop: { tag: 0x53544f50, codec: fields({ id: wide }) },
  result: { tag: 0x52534c54, codec: fields({ id: wide, type: u64, fields: list(field) }) },
  error: { tag: 0x63787470, codec: fields({ error: wireError }) },
  last: { tag: 0x616c7473, codec: fields({}) },
};

const kinds = new Map<number, Kind>(Object.entries(bodies).map(([kind, { tag }]) => [tag, kind as Kind]));

/** Reads the next message. Throws `format` for what is none. */
export async function getMessage(input: ByteReader, peer: Peer): Promise<Message> {
  const offset = input.position;
  const tag = input.tryU64() ?? (await input.u64('a message of the daemon'));
  const kind = kinds.get(tag);
  if (kind === undefined) {
    const got = `0x${tag.toString(16)}`;
    throw formatError('unknown message', { source: input.name, offset }, { expected: 'a message of the daemon', got });
  }
  const body = await (bodies[kind].codec as Codec<object>).get(input, peer);
  return { kind, ...body } as Message;
}

export function putMessage(out: ByteWriter, message: Message, peer: Peer): void {
  const { tag, codec } = bodies[message.kind];
  out.u64(tag);
  (codec as Codec<Message>).put(out, message, peer);
}
