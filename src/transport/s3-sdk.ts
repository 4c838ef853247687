// The AWS SDK's client as it is used here: over our connections, without its own tries, and saying little of itself.

import { HeadObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import { NarrowError } from '../errors.ts';
import type { HttpSettings } from './http-settings.ts';
import type { S3Handler } from './s3-handler.ts';

export interface S3Settings {
  readonly bucket: string;
  readonly region: string;
  /** With its scheme; undefined: that of AWS. */
  readonly endpoint: string | undefined;
  /** Of the shared files of AWS's tools. */
  readonly profile: string | undefined;
  /** The bucket's name in the path of a URL, not in the host's name. */
  readonly pathStyle: boolean;
  readonly storageClass: string | undefined;
  readonly http: HttpSettings;
}

/** Where the objects of a bucket are. */
export interface S3Address {
  readonly url: URL;
  /** Of their paths, with slashes at both ends. */
  readonly prefix: string;
}

/**
 * What the SDK makes of region, endpoint, addressing and its configuration files. Asks nobody. Throws `unsupported` for directory
 * buckets, which are signed for in another way.
 */
export async function addressOf(client: S3Client, bucket: string): Promise<S3Address> {
  if (bucket.endsWith('--x-s3'))
    throw new NarrowError('unsupported', `s3://${bucket} is a directory bucket (S3 Express)`, {
      hint: 'take a general purpose bucket',
    });
  const command = new HeadObjectCommand({ Bucket: bucket, Key: 'x' });
  const { promise, resolve } = Promise.withResolvers<Addressed>();
  // it is not sent: all that is wanted is known before it is signed
  const look = () => (args: unknown) => {
    resolve((args as { readonly request: Addressed }).request);
    return Promise.resolve({ response: {}, output: { $metadata: {} } });
  };
  command.middlewareStack.add(look, { name: 'look', step: 'build', priority: 'low' });
  await client.send(command);
  const { protocol, hostname, port, path } = await promise;
  const url = new URL(`${protocol}//${hostname}${port === undefined ? '' : `:${port}`}`);
  return { url, prefix: path.slice(0, -1) };
}

interface Addressed {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
}

/** Makes it; nothing is asked of anybody yet. `unsigned`: for buckets that everybody may read. */
export function sdkClient(settings: S3Settings, handler: S3Handler, how: 'signed' | 'unsigned' = 'signed'): S3Client {
  const config = configOf(settings, handler);
  return slim(new S3Client(how === 'signed' ? config : { ...config, ...anonymous }));
}

function configOf(settings: S3Settings, handler: S3Handler): S3ClientConfig {
  const { region, endpoint, profile, pathStyle } = settings;
  return {
    region,
    ...(endpoint !== undefined && { endpoint }),
    ...(profile !== undefined && { profile }),
    forcePathStyle: pathStyle,
    requestHandler: handler,
    // tries are counted where the pace is set
    maxAttempts: 1,
    // other stores than AWS's own choke on trailing checksums; the signature has a SHA-256 of the body
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    expectContinueHeader: false,
    // it would tell of its own affairs on the terminal
    logger: { debug() {}, info() {}, warn() {}, error() {} },
  };
}

const anonymous: S3ClientConfig = {
  credentials: { accessKeyId: '', secretAccessKey: '' },
  signer: { sign: (request) => Promise.resolve(request) },
};

/** Without what it says of itself and of its own tries: half of the bytes of a request. */
function slim(client: S3Client): S3Client {
  client.middlewareStack.remove('getUserAgentMiddleware');
  client.middlewareStack.add((next) => (args) => next(args), {
    name: 'retryMiddleware',
    step: 'finalizeRequest',
    priority: 'high',
    override: true,
  });
  return client;
}
