// The one base error. A code says what kind of failure it is (API: callers branch on it, never on the text), `data`
// holds the facts for --json, `hint` what to do next. The message is lower case, names the thing, and ends without a stop.

/** What each code means to a process (exit status) and to an HTTP client (status). */
export const errorCodes = {
  /** The command line is wrong. */
  usage: { exit: 2, http: 400 },
  /** Bytes or text do not follow their format. */
  format: { exit: 1, http: 400 },
  /** Well-formed, but not what a hash, size or signature promised. */
  integrity: { exit: 1, http: 502 },
  /** The thing asked for is not there (an answer, not a failure to answer). */
  missing: { exit: 1, http: 404 },
  /** The other side, or we, will not take it: no trusted signature, no permission, references absent. */
  refused: { exit: 1, http: 403 },
  /** Another object lies under the same store path. */
  differs: { exit: 3, http: 409 },
  /** Cannot tell: the place did not answer. Trying again later may help. */
  unavailable: { exit: 1, http: 502 },
  /** Understood, but this build, store or version cannot do it. */
  unsupported: { exit: 1, http: 501 },
  /** The operating system said no: disk full, permission, too many files. */
  io: { exit: 1, http: 500 },
  /** The answer to the question asked is "no" (missing paths, differing closures, failed verification). */
  no: { exit: 3, http: 404 },
  /** Stopped by the user or by a signal. */
  aborted: { exit: 130, http: 499 },
} as const;

export type ErrorCode = keyof typeof errorCodes;

export interface ErrorDetails {
  /** What to do next, one sentence. */
  readonly hint?: string | undefined;
  /** Facts for --json; plain JSON values. */
  readonly data?: Readonly<Record<string, unknown>> | undefined;
  readonly cause?: unknown;
}

/** Every failure that narrow foresees. Anything else that is thrown is a bug. */
export class NarrowError extends Error {
  override readonly name = 'NarrowError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly data: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = details.hint;
    this.data = details.data ?? {};
  }

  toJSON(): Record<string, unknown> {
    return { code: this.code, message: this.message, hint: this.hint, ...this.data };
  }
}

/** Where in an input something was found. */
export interface Place {
  /** What was read: a file name, a URL, a store path. */
  readonly source?: string | undefined;
  /** Byte offset from the start of the input. */
  readonly offset?: number | undefined;
  /** Line, counted from 1. */
  readonly line?: number | undefined;
}

/** Prints a place as ` at offset 12 of x.nar`, ` in line 3 of y.narinfo`; empty when nothing is known. */
export function formatPlace({ source, offset, line }: Place): string {
  const spot = line !== undefined ? ` in line ${line}` : offset !== undefined ? ` at offset ${offset}` : '';
  return source === undefined ? spot : `${spot === '' ? ' in' : `${spot} of`} ${source}`;
}

/** Malformed input: `what` is the format and the fault, then place, expected and got. */
export function formatError(
  what: string,
  place: Place,
  details: ErrorDetails & { expected?: string; got?: string } = {},
): NarrowError {
  const { expected, got, ...rest } = details;
  const contrast = [expected && `expected ${expected}`, got && `got ${got}`].filter(Boolean).join(', ');
  return new NarrowError('format', `${what}${formatPlace(place)}${contrast && `: ${contrast}`}`, {
    ...rest,
    data: { ...place, ...(expected && { expected }), ...(got && { got }), ...rest.data },
  });
}

/** True for a NarrowError, optionally of one code. */
export function isNarrowError(error: unknown, code?: ErrorCode): error is NarrowError {
  return error instanceof NarrowError && (code === undefined || error.code === code);
}

/** Wraps an operating-system error with what was being done; `path` is what it was done to. */
export function ioError(action: string, path: string, cause: unknown): NarrowError {
  const errno = (cause as NodeJS.ErrnoException | undefined)?.code ?? '';
  const reason = errnoTexts[errno] ?? (cause instanceof Error ? cause.message : String(cause));
  const text = errnoHints[errno];
  return new NarrowError('io', `cannot ${action} ${path}: ${reason}`, { cause, hint: text, data: { path, errno } });
}

const errnoTexts: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left on the device',
  EDQUOT: 'disk quota exceeded',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EROFS: 'the file system is read-only',
  EMFILE: 'too many open files in this process',
  ENFILE: 'too many open files in the system',
  ENOENT: 'no such file or directory',
  EEXIST: 'it exists already',
  ENOTDIR: 'a part of the path is not a directory',
  EISDIR: 'it is a directory',
  ELOOP: 'a symbolic link stands in the way',
  EIO: 'input/output error',
};

const errnoHints: Readonly<Record<string, string>> = {
  ENOSPC: 'free some space and run the same command again; what is done already is kept',
  EDQUOT: 'free some space and run the same command again; what is done already is kept',
  EMFILE: 'raise the limit (ulimit -n) and run again',
};
