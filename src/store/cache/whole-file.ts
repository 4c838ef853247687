// A file of a cache read as a whole, where more than a few bytes of it would be somebody's mistake, or malice.

import { formatError } from '../../errors.ts';
import type { OpenFile } from './files.ts';

/** All bytes, up to `limit`; more are a `format` error, in which the file is called `source`. */
export async function wholeFile({ bytes, size }: OpenFile, limit: number, source: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let read = 0;
  for await (const chunk of bytes) {
    read += chunk.length;
    if (read > limit) {
      const contrast = { expected: `at most ${limit} bytes`, got: size === undefined ? 'more' : `${size}` };
      throw formatError('the file is too large', { source }, contrast);
    }
    chunks.push(Buffer.from(chunk));
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, read);
}
