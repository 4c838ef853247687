// Errors on their way from one thread to another: structured cloning keeps only what every Error has.

import { NarrowError } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';

export interface CrossingError {
  readonly error: unknown;
  readonly details?: {
    readonly code: ErrorCode;
    readonly hint: string | undefined;
    readonly data: NarrowError['data'];
  };
}

export function packError(error: unknown): CrossingError {
  if (!(error instanceof NarrowError)) return { error };
  const { code, hint, data } = error;
  return { error, details: { code, hint, data } };
}

/** The error as it was thrown: class, code, hint, data, stack; of its cause what every Error has. */
export function unpackError({ error, details }: CrossingError): unknown {
  if (!details || !(error instanceof Error)) return error;
  const whole = new NarrowError(details.code, error.message, { ...details, cause: error.cause });
  return Object.assign(whole, { stack: error.stack });
}
