// Checks the signature of a request to S3 (AWS Signature Version 4), as its documentation has it.
import { createHash, createHmac } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

export interface SignatureRules {
  readonly accessKey: string;
  readonly secret: string;
  readonly region: string;
  /** Milliseconds by which the server's clock is ahead; more than a quarter of an hour is too much between the two. */
  readonly skew: number;
  /** The session token that has to come with the key. */
  readonly token: string | undefined;
}

interface Fault {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

const longest = 15 * 60_000;
const sha256 = (data: Buffer | string): string => createHash('sha256').update(data).digest('hex');
const hmac = (key: Buffer | string, data: string): Buffer => createHmac('sha256', key).update(data).digest();

export function escaped(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** What is wrong with it; undefined when it is right. */
export function signatureFault(
  { method = 'GET', headers, url = '/' }: IncomingMessage,
  path: string,
  body: Buffer,
  rules: SignatureRules,
): Fault | undefined {
  const told =
    /Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]+)$/.exec(
      headers.authorization ?? '',
    );
  if (!told) return { status: 400, code: 'AuthorizationHeaderMalformed', message: 'not understood' };
  const [, accessKey, day = '', region = '', names = '', signature] = told;
  const { 'x-amz-date': time = '', 'x-amz-content-sha256': contentHash = '', 'x-amz-security-token': token } = headers;
  if (accessKey !== rules.accessKey) return denied('InvalidAccessKeyId');
  if (region !== rules.region) {
    const message = `The authorization header is malformed; the region '${region}' is wrong; expecting '${rules.region}'`;
    return { status: 400, code: 'AuthorizationHeaderMalformed', message };
  }
  const signedAt = Date.parse(String(time).replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5'));
  if (!(Math.abs(Date.now() + rules.skew - signedAt) <= longest)) return denied('RequestTimeTooSkewed');
  if (token !== rules.token) return { status: 400, code: 'ExpiredToken', message: 'The provided token has expired.' };
  if (contentHash !== 'UNSIGNED-PAYLOAD' && contentHash !== sha256(body))
    return { status: 400, code: 'XAmzContentSHA256Mismatch', message: 'another body' };
  const query = [...new URL(url, 'http://server').searchParams].map(([k, v]) => `${escaped(k)}=${escaped(v)}`).sort();
  const signed = names.split(';').map((name) => `${name}:${String(headers[name] ?? '').trim()}\n`);
  const canonical = [method, path, query.join('&'), signed.join(''), names, contentHash].join('\n');
  const scope = `${day}/${region}/s3/aws4_request`;
  const key = ['s3', 'aws4_request'].reduce(hmac, hmac(hmac(`AWS4${rules.secret}`, day), region));
  const right = hmac(key, ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n')).toString('hex');
  return signature === right ? undefined : denied('SignatureDoesNotMatch');
}

function denied(code: string): Fault {
  return { status: 403, code, message: 'No.' };
}
