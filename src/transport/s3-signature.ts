// AWS Signature Version 4 for requests about one object, whose bodies are in memory: in AWS's documentation "Signature calculations
// for the Authorization Header: Transferring Payload in a Single Chunk". All headers are signed.

import { createHmac, createSecretKey, hash } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

export interface S3Request {
  readonly method: string;
  readonly host: string;
  /** Escaped by {@link escapedUri}, segment by segment. */
  readonly path: string;
  /** Names in small letters, values without white space around them. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | undefined;
}

const algorithm = 'AWS4-HMAC-SHA256';

export class S3Signer {
  readonly #region: string;
  /** Of one day and secret. As an object of Node's: with the bare bytes a signature takes six times as long. */
  #key: { readonly of: string; readonly key: KeyObject } | undefined;

  constructor(region: string) {
    this.#region = region;
  }

  /** All headers of the request, those that sign it among them; `now` by the server's clock, in milliseconds since 1970. */
  sign({ method, host, path, headers, body }: S3Request, who: S3Credentials, now: number): Record<string, string> {
    const time = new Date(now).toISOString().replace(/[-:]|\.\d+/g, '');
    const day = time.slice(0, 8);
    const contents = hash('sha256', body ?? '');
    const all: Record<string, string> = { ...headers, 'x-amz-content-sha256': contents, 'x-amz-date': time };
    if (who.sessionToken !== undefined) all['x-amz-security-token'] = who.sessionToken;
    const names = ['host', ...Object.keys(all)].sort();
    const signed = names.map((name) => `${name}:${name === 'host' ? host : all[name]!}\n`).join('');
    const list = names.join(';');
    const canonical = `${method}\n${path}\n\n${signed}\n${list}\n${contents}`;
    const scope = `${day}/${this.#region}/s3/aws4_request`;
    const text = `${algorithm}\n${time}\n${scope}\n${hash('sha256', canonical)}`;
    const signature = createHmac('sha256', this.#keyOf(day, who.secretAccessKey)).update(text).digest('hex');
    all['authorization'] =
      `${algorithm} Credential=${who.accessKeyId}/${scope}, SignedHeaders=${list}, Signature=${signature}`;
    return all;
  }

  #keyOf(day: string, secret: string): KeyObject {
    const of = `${day} ${secret}`;
    if (this.#key?.of !== of) {
      const steps = [day, this.#region, 's3', 'aws4_request'];
      const begin = Buffer.from(`AWS4${secret}`);
      const bytes = steps.reduce((key, step) => createHmac('sha256', key).update(step).digest(), begin);
      this.#key = { of, key: createSecretKey(bytes) };
    }
    return this.#key.key;
  }
}

/** As signatures have it: RFC 3986, which escapes more than `encodeURIComponent`. */
export function escapedUri(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}
