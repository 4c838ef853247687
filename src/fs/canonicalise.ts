// Canonical metadata, as everything in a store has it: mode 0444 or 0555, modified at second 1, owned by whoever owns the
// store. The rules of Nix's canonicalisePathMetaData, without the builder's user, whose files never come here.

import { chmodSync, lchownSync, lstatSync, lutimesSync, readdirSync } from 'node:fs';
import type { Stats } from 'node:fs';
import type { ByteString } from '../bytes/byte-string.ts';
import { NarrowError } from '../errors.ts';
import { Descent, osPath } from './descent.ts';
import { STORE_MTIME } from './directory-sink.ts';

/**
 * Gives the tree at `path` canonical modes, times and owner. What is neither file, directory nor link is `refused`. A tree
 * that is canonical already is only looked at.
 */
export function canonicalise(path: string | Uint8Array): void {
  using walk = new Descent(path);
  canonicaliseNode(walk, '' as ByteString);
}

function canonicaliseNode(walk: Descent, name: ByteString): void {
  const path = osPath(walk.child(name));
  try {
    const stat = lstatSync(path);
    if (!stat.isFile() && !stat.isDirectory() && !stat.isSymbolicLink()) {
      throw new NarrowError('refused', `${walk.text(name)} is a socket, fifo or device, which no store can hold`);
    }
    const names = stat.isDirectory() ? (readdirSync(path, { encoding: 'latin1' }) as ByteString[]) : [];
    if (stat.isDirectory()) {
      walk.enter(name);
      for (const child of names) canonicaliseNode(walk, child);
      walk.leave();
    }
    setMetadata(path, stat);
  } catch (error) {
    throw error instanceof NarrowError ? error : walk.error('set mode, time and owner of', name, error);
  }
}

function setMetadata(path: string | Buffer, stat: Stats): void {
  const owner = process.geteuid!();
  if (stat.uid !== owner) lchownSync(path, owner, process.getegid!());
  const mode = stat.mode & 0o7777;
  // A change of owner clears nothing but setuid, which the mode then differs by anyway.
  if (!stat.isSymbolicLink() && mode !== 0o444 && mode !== 0o555) {
    chmodSync(path, (stat.mode & 0o100) !== 0 ? 0o555 : 0o444);
  }
  if (stat.mtimeMs !== STORE_MTIME * 1000) lutimesSync(path, stat.atimeMs / 1000, STORE_MTIME);
}
