// Nix's auto-optimise-store: equal files of a store are one file, linked from .links/HASH, where HASH is that of the file's
// own NAR (so that the executable bit counts). Hashes are taken while a path is unpacked; links are made when it is whole.

import { createHash } from 'node:crypto';
import type { Hash as Hasher } from 'node:crypto';
import { chmodSync, linkSync, lstatSync, lutimesSync, renameSync, unlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import type { ByteString } from '../../bytes/byte-string.ts';
import { bytesFrom } from '../../bytes/byte-string.ts';
import { padding, putU64 } from '../../bytes/u64.ts';
import type { NarVisitor } from '../../format/nar/tree.ts';
import * as tokens from '../../format/nar/tokens.ts';
import { makeDirectory } from '../../fs/make-directory.ts';
import { STORE_MTIME } from '../../fs/directory-sink.ts';
import { encodeBase32 } from '../../model/base32.ts';

interface LinkCandidate {
  /** Relative to the object's root, with a leading slash; empty for the root. */
  readonly path: ByteString;
  readonly hash: string;
}

/** Hashes every file and link of a NAR as a NAR of its own. */
export class FileHashes implements NarVisitor {
  readonly files: LinkCandidate[] = [];
  readonly #names: ByteString[] = [];
  #hasher: Hasher | undefined;
  #name = '' as ByteString;
  #size = 0;

  directory(name: ByteString): void {
    this.#names.push(name);
  }

  leave(): void {
    this.#names.pop();
  }

  regular(name: ByteString, executable: boolean, size: number): void {
    this.#name = name;
    this.#size = size;
    const kind = executable ? tokens.EXECUTABLE_CONTENTS : tokens.REGULAR_CONTENTS;
    this.#hasher = createHash('sha256').update(tokens.MAGIC).update(tokens.NODE_OPEN).update(kind).update(u64(size));
  }

  contents(chunk: Uint8Array): void {
    this.#hasher?.update(chunk);
  }

  closeRegular(): void {
    this.#hasher?.update(Buffer.alloc(padding(this.#size)));
    this.#add(this.#name, this.#hasher!);
  }

  symlink(name: ByteString, target: ByteString): void {
    const bytes = bytesFrom(target);
    const hasher = createHash('sha256').update(tokens.MAGIC).update(tokens.NODE_OPEN).update(tokens.SYMLINK_TARGET);
    hasher.update(u64(bytes.length)).update(bytes);
    this.#add(name, hasher.update(Buffer.alloc(padding(bytes.length))));
  }

  #add(name: ByteString, hasher: Hasher): void {
    const path = [...this.#names, name].map((n, i) => (i === 0 ? n : `/${n}`)).join('') as ByteString;
    this.files.push({ path, hash: encodeBase32(hasher.update(tokens.CLOSE).digest()) });
  }
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  putU64(bytes, 0, value);
  return bytes;
}

/** Errors after which a file simply stays what it is: too many links, no room for one more, a path beyond the limit. */
const harmless = new Set(['EMLINK', 'ENOSPC', 'EDQUOT', 'ENAMETOOLONG', 'EPERM', 'ENOENT', 'ENOTSUP']);

/** Links the files of the object at `realPath` with their equals in the store `realDir`. */
export function linkFiles(realDir: string, realPath: string, files: readonly LinkCandidate[]): void {
  makeDirectory(`${realDir}/.links`);
  const root = Buffer.from(realPath);
  for (const [index, { path, hash }] of files.entries()) {
    try {
      linkFile(realDir, Buffer.concat([root, bytesFrom(path)]), `${realDir}/.links/${hash}`, index);
    } catch (error) {
      if (!harmless.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
}

function linkFile(realDir: string, file: Buffer, pool: string, index: number): void {
  const mine = lstatSync(file);
  const there = lstatSync(pool, { throwIfNoEntry: false });
  if (there && there.ino === mine.ino) return;
  if (there && there.size !== mine.size) unlinkSync(pool); // damaged: its name is its hash
  if (!there || there.size !== mine.size) {
    try {
      linkSync(file, pool);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
  const temporary = `${realDir}/.tmp-link-${process.pid}-${index}`;
  linkSync(pool, temporary);
  try {
    replace(realDir, temporary, file);
  } catch (error) {
    unlinkSync(temporary);
    throw error;
  }
}

/** Renames over the file; its directory is opened for this and closed again, unless it is the store itself. */
function replace(realDir: string, temporary: string, file: Buffer): void {
  const directory = Buffer.from(dirname(file.toString('latin1')), 'latin1');
  if (directory.equals(Buffer.from(realDir))) return renameSync(temporary, file);
  const { atimeMs } = lstatSync(directory);
  chmodSync(directory, 0o755);
  try {
    renameSync(temporary, file);
  } finally {
    chmodSync(directory, 0o555);
    lutimesSync(directory, atimeMs / 1000, STORE_MTIME);
  }
}
