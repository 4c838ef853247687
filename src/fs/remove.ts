// Removes a tree whatever it holds: directories without write permission, names of any bytes, any depth. Links are removed,
// not followed.

import { chmodSync, lstatSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import type { ByteString } from '../bytes/byte-string.ts';
import { Descent, osPath } from './descent.ts';

/** Removes what lies at `path`, if anything does. */
export function removeTree(path: string | Uint8Array): void {
  using walk = new Descent(path);
  removeNode(walk, '' as ByteString);
}

function removeNode(walk: Descent, name: ByteString): void {
  const path = osPath(walk.child(name));
  try {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return;
    if (!stat.isDirectory()) {
      unlinkSync(path);
      return;
    }
    if ((stat.mode & 0o700) !== 0o700) chmodSync(path, 0o700);
    const names = readdirSync(path, { encoding: 'latin1' }) as ByteString[];
    walk.enter(name);
    for (const child of names) removeNode(walk, child);
    rmdirSync(osPath(walk.leave()));
  } catch (error) {
    throw error instanceof Error && 'syscall' in error ? walk.error('remove', name, error) : error;
  }
}
