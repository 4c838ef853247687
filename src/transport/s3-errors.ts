// What S3 means by its errors, and what to do about them. The codes are S3's own; other stores use the same.

import { NarrowError } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import { isTransientFailure, networkError } from './http-errors.ts';
import type { S3Answer } from './s3-exchange.ts';
import { failureText, isRateLimit, meaningOf } from './http-status.ts';

/** The parts of the SDK's exceptions that are looked at. */
export interface S3Failure {
  /** Its code. Of an answer without a body (HEAD) one is made up. */
  readonly name: string;
  readonly message: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
}

export function s3Failure(error: unknown): S3Failure | undefined {
  if (!(error instanceof Error)) return undefined;
  const { name, message, $metadata, $response } = error as Error & {
    readonly $metadata?: { readonly httpStatusCode?: number };
    readonly $response?: { readonly headers?: Record<string, string> };
  };
  if ($metadata?.httpStatusCode === undefined) return undefined;
  return { name, message, status: $metadata.httpStatusCode, headers: $response?.headers ?? {} };
}

/** As XML has them; region names stand in quotation marks. */
const quotes: Readonly<Record<string, string>> = { '&#39;': "'", '&apos;': "'", '&#34;': '"', '&quot;': '"' };

/** An answer that says no, as the SDK throws it; with `skewed` it was signed by another clock than the server's. */
export function s3Refusal({ status, headers, body }: S3Answer, skewed: boolean): Error {
  const text = body.toString('utf8');
  const field = (name: string): string | undefined => {
    const escaped = new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1];
    return escaped?.replace(/&(?:#39|apos|#34|quot);/g, (quote) => quotes[quote]!);
  };
  const code = skewed ? 'RequestTimeTooSkewed' : (field('Code') ?? (status === 404 ? 'NotFound' : 'Unknown'));
  const error = Object.assign(new Error(field('Message') ?? code), {
    $metadata: { httpStatusCode: status },
    $response: { headers },
  });
  error.name = code;
  return error;
}

const slowDowns: ReadonlySet<string> = new Set([
  'SlowDown',
  'SlowDownRead',
  'SlowDownWrite',
  'Throttling',
  'ThrottlingException',
  'TooManyRequests',
  'RequestLimitExceeded',
  'ServiceUnavailable',
  'Busy',
]);

/** The server asks for fewer requests. */
export function isSlowDown(error: unknown): boolean {
  const failure = s3Failure(error);
  return failure !== undefined && (slowDowns.has(failure.name) || isRateLimit(failure.status));
}

const passing: ReadonlySet<string> = new Set([
  'InternalError',
  'RequestTimeout',
  'IncompleteBody',
  'OperationAborted',
  'ConditionalRequestConflict',
  // the SDK has learnt the server's time from this very answer
  'RequestTimeTooSkewed',
]);

/** The next try may go well. */
export function isTransientS3(error: unknown): boolean {
  const failure = s3Failure(error);
  if (failure)
    return slowDowns.has(failure.name) || passing.has(failure.name) || meaningOf(failure.status) === 'transient';
  return !isCredentialsFailure(error) && isTransientFailure(error);
}

/** There is no such object. Who may not list a bucket is told 403 about what is missing. */
export function isAbsent(error: unknown, forbidden: 'absent' | 'refused'): boolean {
  const failure = s3Failure(error);
  if (!failure) return false;
  if (failure.name === 'NoSuchKey' || failure.name === 'NotFound') return true;
  return (
    forbidden === 'absent' &&
    failure.status === 403 &&
    ['AccessDenied', '403', 'Forbidden', 'Unknown'].includes(failure.name)
  );
}

export function isCredentialsFailure(error: unknown): boolean {
  return error instanceof Error && /CredentialsProviderError|TokenProviderError/.test(error.name);
}

const login = 'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile of ~/.aws/credentials with ?profile=';

const meanings: Readonly<Record<string, readonly [code: ErrorCode, why: string, hint: string]>> = {
  NoSuchBucket: [
    'missing',
    'there is no such bucket',
    'check its name, and ?endpoint= and ?region=; buckets are made with your provider’s own tools',
  ],
  AccessDenied: [
    'refused',
    'access denied',
    'these credentials may not do this: allow s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket',
  ],
  InvalidAccessKeyId: ['refused', 'the access key is not known there', `check ${login}`],
  SignatureDoesNotMatch: ['refused', 'the secret key does not belong to the access key', `check ${login}`],
  ExpiredToken: ['refused', 'the session token has expired', 'log in anew (aws sso login), or renew AWS_SESSION_TOKEN'],
  InvalidToken: ['refused', 'the session token is not valid', 'unset AWS_SESSION_TOKEN, or set the one of these keys'],
  RequestTimeTooSkewed: [
    'refused',
    'the clocks differ too much',
    'set the clock of this machine: timedatectl, chronyc',
  ],
  QuotaExceeded: ['unavailable', 'the quota of the bucket is used up', 'remove something: narrow cache gc'],
  StorageFull: ['unavailable', 'the server has no space left', 'remove something: narrow cache gc'],
  InvalidBucketName: ['usage', 'that is no name of a bucket', 'three to 63 small letters, digits, dots and hyphens'],
  MethodNotAllowed: ['refused', 'the server does not do that', 'check ?endpoint=: it has to be one that speaks S3'],
};
const aliases: Readonly<Record<string, string>> = {
  AllAccessDisabled: 'AccessDenied',
  InvalidAccessKey: 'InvalidAccessKeyId',
  TokenRefreshRequired: 'ExpiredToken',
  ExpiredTokenException: 'ExpiredToken',
  XMinioStorageFull: 'StorageFull',
};

const wrongRegion: ReadonlySet<string> = new Set([
  'PermanentRedirect',
  'AuthorizationHeaderMalformed',
  'IllegalLocationConstraintException',
  'TemporaryRedirect',
]);

/** The error of a last try. `url` is the object's or the bucket's; `tries` were made. */
export function s3Error(method: string, url: string, cause: unknown, tries: number): NarrowError {
  if (cause instanceof NarrowError) return cause;
  if (isCredentialsFailure(cause)) {
    const hint = `give ${login}`;
    return new NarrowError('refused', failureText(method, url, `no credentials: ${firstLine(cause)}`), { cause, hint });
  }
  const failure = s3Failure(cause);
  if (!failure) return networkError(method, url, cause, tries);
  const { name, status } = failure;
  const data = { url, method, status, tries, code: name };
  const after = tries > 1 ? ` (${tries} tries)` : '';
  if (wrongRegion.has(name) || status === 301) return elsewhere(method, url, cause, failure, data);
  const known = meanings[aliases[name] ?? name];
  if (known) {
    const [code, why, hint] = known;
    return new NarrowError(code, failureText(method, url, `${why} (${name})${after}`), { cause, hint, data });
  }
  const refused = status === 401 || status === 403;
  const hint = refused
    ? `check ${login}`
    : meaningOf(status) === 'transient'
      ? 'the server is in trouble; try again later'
      : 'check ?endpoint=, ?region= and ?scheme=';
  const what = `HTTP ${status} ${name}${failure.message && failure.message !== name ? `, ${firstLine(cause)}` : ''}${after}`;
  return new NarrowError(refused ? 'refused' : 'unavailable', failureText(method, url, what), { cause, hint, data });
}

/** S3 names the region in a header, or in its words. */
function elsewhere(
  method: string,
  url: string,
  cause: unknown,
  { name, message, headers }: S3Failure,
  data: Record<string, unknown>,
): NarrowError {
  const region = headers['x-amz-bucket-region'] ?? /expecting '([a-z0-9-]+)'/.exec(message)?.[1];
  const where = region === undefined ? 'in another region, or behind another endpoint' : `in the region ${region}`;
  const hint = region === undefined ? 'name them: ?region=…, ?endpoint=…' : `say so: ?region=${region}`;
  return new NarrowError('refused', failureText(method, url, `the bucket is ${where} (${name})`), {
    cause,
    hint,
    data: { ...data, region },
  });
}

function firstLine(cause: unknown): string {
  return (cause as Error).message.split('\n', 1)[0]!.slice(0, 300).replace(/\.$/, '');
}
