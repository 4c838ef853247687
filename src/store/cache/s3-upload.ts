// A NAR on its way to a bucket. An object's name comes first there, and a NAR's name is the hash of all of it: so it is spooled,
// and then sent at once or in parts, each of which is in memory while it is sent, and sent again where that fails.

import { Spool } from '../../fs/spool.ts';
import type { S3Bucket } from '../../transport/s3-bucket.ts';
import type { FileOptions, StagedFile } from './files.ts';
import type { Slots } from './slots.ts';
import { forEachAtOnce } from './slots.ts';

/** In memory before it goes to a file: hundreds are on their way at once. */
const inMemory = 64 * 1024;
/** Parts of one object on their way at once. */
const partsAtOnce = 4;
/** More S3 does not take. */
const mostParts = 10_000;

export interface UploadSettings {
  /** From so many bytes on in parts. */
  readonly threshold: number;
  /** Bytes of a part; more where there would be too many. */
  readonly partSize: number;
  /** Parts in memory, of all objects. */
  readonly parts: Slots;
}

/** Where the bytes wait until there is a name for them. */
export function stageUpload(bucket: S3Bucket, settings: UploadSettings): StagedFile {
  const spool = new Spool(undefined, inMemory);
  return {
    write: (chunk) => spool.write(chunk),
    commit: (reference, type, options = {}) => send(bucket, spool, reference, type, settings, options),
    [Symbol.asyncDispose]: () => spool[Symbol.asyncDispose](),
  };
}

async function send(
  bucket: S3Bucket,
  spool: Spool,
  key: string,
  type: string,
  settings: UploadSettings,
  { signal }: FileOptions,
): Promise<void> {
  const { threshold, parts } = settings;
  const whole = async (): Promise<void> =>
    bucket.put(key, await part(spool, 0, spool.size), type, { signal, order: 'last' });
  if (spool.size <= inMemory) await whole();
  else if (spool.size < threshold) await parts.run(whole);
  else await sendInParts(bucket, spool, key, type, settings, signal);
}

async function sendInParts(
  bucket: S3Bucket,
  spool: Spool,
  key: string,
  type: string,
  { partSize, parts }: UploadSettings,
  signal: AbortSignal | undefined,
): Promise<void> {
  const size = Math.max(partSize, Math.ceil(spool.size / mostParts));
  const count = Math.ceil(spool.size / size);
  const id = await bucket.begin(key, type, signal);
  try {
    const tags: string[] = Array.from({ length: count });
    await forEachAtOnce(tags.keys(), partsAtOnce, (i) =>
      parts.run(async () => {
        tags[i] = await bucket.putPart(key, id, i + 1, await part(spool, i * size, size), signal);
      }),
    );
    await bucket.complete(key, id, tags, signal);
  } catch (error) {
    // parts that belong to nothing are paid for, too
    await bucket.abandon(key, id).catch(() => {});
    throw error;
  }
}

async function part(spool: Spool, offset: number, length: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of spool.read(offset, Math.min(length, spool.size - offset))) chunks.push(Buffer.from(chunk));
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}
