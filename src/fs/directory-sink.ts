// Unpacks a tree onto the disk, at a path where nothing is yet. Everything is created exclusively and nothing is followed:
// whatever stands in the way, a link above all, is an error. Two ways to leave files: canonical as in a store, or plain as
// the umask has it (`nix-store --restore` does the same under a umask of 022, which it sets itself).

import {
  closeSync,
  constants,
  fchmodSync,
  futimesSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeSync,
  chmodSync,
} from 'node:fs';
import { bytesFrom } from '../bytes/byte-string.ts';
import type { ByteString } from '../bytes/byte-string.ts';
import type { TreeSink } from '../format/nar/tree.ts';
import { Descent, osPath } from './descent.ts';
import { removeTree } from './remove.ts';

export interface DirectorySinkOptions {
  /** Modes 0444, 0555 and modification time 1 as in a store; else as the umask has it. */
  readonly canonical: boolean;
}

/** When everything in a store was last modified, in seconds: one second after the epoch. */
export const STORE_MTIME = 1;

const CREATE = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW;

/** A sink that creates `root` (which must not exist; its parent must). `abort` removes what was created. */
export function directorySink(root: string | Uint8Array, options: DirectorySinkOptions): DirectorySink {
  return new DirectorySink(root, options.canonical);
}

export class DirectorySink implements TreeSink {
  readonly #root: string | Uint8Array;
  readonly #canonical: boolean;
  readonly #umask: number = process.umask();
  readonly #walk: Descent;
  /** Access time of what is created: Nix leaves it alone, and setting one time sets both. */
  readonly #now: number = Date.now() / 1000;
  #fd = -1;
  /** Bytes written to it. */
  #written = 0;
  #name = '' as ByteString;
  #created = false;

  constructor(root: string | Uint8Array, canonical: boolean) {
    this.#root = root;
    this.#canonical = canonical;
    this.#walk = new Descent(root);
  }

  directory(name: ByteString): void {
    this.#do('create directory', name, () =>
      mkdirSync(osPath(this.#walk.child(name)), this.#canonical ? 0o755 : 0o777),
    );
    this.#created = true;
    this.#walk.enter(name);
  }

  leave(): void {
    const path = osPath(this.#walk.leave());
    if (!this.#canonical) return;
    this.#do('set mode and time in', '' as ByteString, () => {
      chmodSync(path, 0o555);
      lutimesSync(path, this.#now, STORE_MTIME);
    });
  }

  regular(name: ByteString, executable: boolean): void {
    this.#name = name;
    const mode = (this.#canonical ? 0o444 : 0o666) | (executable ? 0o111 : 0);
    const path = osPath(this.#walk.child(name));
    try {
      this.#fd = openSync(path, CREATE, mode);
      this.#written = 0;
      this.#created = true;
      if (this.#canonical && (mode & this.#umask) !== 0) fchmodSync(this.#fd, mode);
    } catch (error) {
      throw this.#walk.error('create', name, error);
    }
  }

  contents(chunk: Uint8Array): void {
    try {
      let done = writeSync(this.#fd, chunk);
      while (done < chunk.length) done += writeSync(this.#fd, chunk, done);
      this.#written += done;
    } catch (error) {
      throw this.#walk.error('write', this.#name, error);
    }
  }

  closeRegular(): void {
    const fd = this.#fd;
    if (fd === -1) return;
    try {
      if (this.#canonical) futimesSync(fd, this.#now, STORE_MTIME);
      this.#fd = -1;
      closeSync(fd);
    } catch (error) {
      throw this.#walk.error('write', this.#name, error);
    }
  }

  /** The rest of the open file's contents is the caller's to write, who closes it, too. Only where files are left plain. */
  takeOver(): { readonly fd: number; readonly name: string; readonly at: number } {
    const fd = this.#fd;
    this.#fd = -1;
    return { fd, name: this.#walk.text(this.#name), at: this.#written };
  }

  symlink(name: ByteString, target: ByteString): void {
    const path = osPath(this.#walk.child(name));
    try {
      symlinkSync(bytesFrom(target), path);
      this.#created = true;
      if (this.#canonical) lutimesSync(path, this.#now, STORE_MTIME);
    } catch (error) {
      throw this.#walk.error('create link', name, error);
    }
  }

  finish(): void {
    this.#walk[Symbol.dispose]();
  }

  abort(): void {
    const fd = this.#fd;
    this.#fd = -1;
    try {
      if (fd !== -1) closeSync(fd);
      this.#walk[Symbol.dispose]();
      if (this.#created) removeTree(this.#root);
    } catch {
      // The failure that led here is the one to report; what is left is found and removed by the next attempt.
    }
    this.#created = false;
  }

  #do(action: string, name: ByteString, call: () => void): void {
    try {
      call();
    } catch (error) {
      throw this.#walk.error(action, name, error);
    }
  }
}
