// Making a store directory writable that is not: on NixOS it is a read-only bind mount, which root may undo for itself alone.

import { accessSync, constants } from 'node:fs';
import { NarrowError, ioError } from '../../errors.ts';
import { makeDirectory } from '../../fs/make-directory.ts';
import { remountWritable } from '../../fs/libc.ts';

/**
 * Creates the store directory, or makes sure that this thread may write it; a read-only mount is remounted in a mount
 * namespace of this thread. Everything that writes to a store is synchronous, hence in this thread: see
 * docs/decisions/read-only-store.md. Throws `refused` with what else to do.
 */
export function ensureWritable(realDir: string): void {
  try {
    makeDirectory(realDir);
    accessSync(realDir, constants.W_OK);
    return;
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'EACCES' || code === 'EPERM') throw refusal(`this user may not write to ${realDir}`, error);
    if (code !== 'EROFS') throw error instanceof NarrowError ? error : ioError('write to the store', realDir, error);
    if (process.getuid?.() !== 0) throw refusal(`${realDir} is mounted read-only`, error);
  }
  try {
    remountWritable(realDir);
    accessSync(realDir, constants.W_OK);
  } catch (error) {
    const reason = errnoOf(error) ?? String(error);
    throw refusal(`${realDir} is mounted read-only and cannot be remounted (${reason})`, error);
  }
}

function refusal(what: string, cause: unknown): NarrowError {
  return new NarrowError('refused', `cannot add to the store: ${what}`, {
    cause,
    hint: "let the daemon write, which may: '--to daemon'; or run as root",
  });
}

function errnoOf(error: unknown): string | undefined {
  const cause = error instanceof NarrowError ? error.cause : error;
  return (cause as NodeJS.ErrnoException).code;
}
