// What comes back for a request: an answer, or why there is none. Errors keep their kind, hint and facts across the line.

import type { ByteReader } from '../../bytes/reader.ts';
import type { ByteWriter } from '../../bytes/writer.ts';
import { NarrowError, errorCodes } from '../../errors.ts';
import type { ErrorCode } from '../../errors.ts';
import type { Codec, Peer } from '../codec/codec.ts';
import { fields, mapped, optional, text, u64 } from '../codec/codec.ts';
import { plainText } from '../remote-error.ts';

interface WireError {
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
  /** JSON. */
  readonly data: string;
}

const wireError: Codec<WireError> = fields<WireError>({ code: text, message: text, hint: optional(text), data: text });

/** An error as it travels; what is not foreseen travels as its message. */
export const failure: Codec<NarrowError> = mapped<WireError, NarrowError>(
  wireError,
  ({ code, message, hint, data }) => {
    const known: ErrorCode = code in errorCodes ? (code as ErrorCode) : 'refused';
    return new NarrowError(known, plainText(message), { hint: hint && plainText(hint), data: facts(data) });
  },
  ({ code, message, hint, data }) => ({ code, message, hint, data: JSON.stringify(data) }),
);

function facts(json: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    // facts are for --json only
    return {};
  }
}

/** Anything that was thrown, as it travels. */
export function asFailure(error: unknown): NarrowError {
  if (error instanceof NarrowError) return error;
  return new NarrowError('io', error instanceof Error ? error.message : String(error));
}

const status = { answer: 0, failure: 1 } as const;

export function putAnswer<T>(out: ByteWriter, codec: Codec<T>, value: T, peer: Peer): void {
  out.u64(status.answer);
  codec.put(out, value, peer);
}

export function putFailure(out: ByteWriter, error: unknown, peer: Peer): void {
  out.u64(status.failure);
  failure.put(out, asFailure(error), peer);
}

/** An answer, or the failure that came in its place. */
export type Reply<T> = { readonly value: T } | { readonly failure: NarrowError };

export async function getReply<T>(reader: ByteReader, codec: Codec<T>, peer: Peer): Promise<Reply<T>> {
  return (await u64.get(reader, peer)) === status.answer
    ? { value: await codec.get(reader, peer) }
    : { failure: await failure.get(reader, peer) };
}
