// Directories that others must be able to read, whatever the umask of who runs this: Nix sets its own umask at start.

import { chmodSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { ioError } from '../errors.ts';

/** Makes a directory and those above it, where they are missing, with mode 0755. Throws `io`. */
export function makeDirectory(path: string): void {
  try {
    const first = mkdirSync(path, { recursive: true, mode: 0o755 });
    if (first === undefined || (process.umask() & 0o755) === 0) return;
    for (let made = path; made.length >= first.length; made = dirname(made)) chmodSync(made, 0o755);
  } catch (error) {
    throw ioError('create', path, error);
  }
}
