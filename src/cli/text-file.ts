// Files that an option names, read whole.

import { readFile } from 'node:fs/promises';
import { ioError } from '../errors.ts';

/** The file as UTF-8. Throws `io`: cannot `action` FILE, and why. */
export async function readText(file: string, action: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw ioError(action, file, error);
  }
}
