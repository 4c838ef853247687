// Small files that are named on the command line.

import { readFile } from 'node:fs/promises';
import { ioError } from '../errors.ts';

/** All of it. Throws `io`. */
export async function readBytes(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw ioError('read', file, error);
  }
}
