// The hash git gives a tree of files, computed from the events of a NAR: for content addresses of the form fixed:git.

import { createHash } from 'node:crypto';
import type { Hash as Hasher } from 'node:crypto';
import { bytesFrom, compareBytes } from '../bytes/byte-string.ts';
import type { ByteString } from '../bytes/byte-string.ts';
import type { NarVisitor } from '../format/nar/tree.ts';

interface Entry {
  readonly mode: '40000' | '100644' | '100755' | '120000';
  readonly name: ByteString;
  readonly digest: Buffer;
}

/** Hashes as `git hash-object` and `git write-tree` do. */
export class GitHash implements NarVisitor {
  readonly #algorithm: string;
  readonly #open: { name: ByteString; entries: Entry[] }[] = [{ name: '' as ByteString, entries: [] }];
  #file: { hasher: Hasher; name: ByteString; executable: boolean } | undefined;

  /** `sha1` or `sha256`, as the repository's object format. */
  constructor(algorithm: string) {
    this.#algorithm = algorithm;
  }

  /** Of the whole tree, after its end. */
  digest(): Buffer {
    return this.#open[0]!.entries[0]!.digest;
  }

  directory(name: ByteString): void {
    this.#open.push({ name, entries: [] });
  }

  leave(): void {
    const { name, entries } = this.#open.pop()!;
    const key = (entry: Entry): string => (entry.mode === '40000' ? `${entry.name}/` : entry.name);
    entries.sort((a, b) => compareBytes(key(a), key(b)));
    const body = Buffer.concat(
      entries.flatMap((e) => [Buffer.from(`${e.mode} `), bytesFrom(e.name), Buffer.from([0]), e.digest]),
    );
    this.#add({ mode: '40000', name, digest: this.#hasher('tree', body.length).update(body).digest() });
  }

  regular(name: ByteString, executable: boolean, size: number): void {
    this.#file = { hasher: this.#hasher('blob', size), name, executable };
  }

  contents(chunk: Uint8Array): void {
    this.#file?.hasher.update(chunk);
  }

  closeRegular(): void {
    const { hasher, name, executable } = this.#file!;
    this.#add({ mode: executable ? '100755' : '100644', name, digest: hasher.digest() });
  }

  symlink(name: ByteString, target: ByteString): void {
    const bytes = bytesFrom(target);
    this.#add({ mode: '120000', name, digest: this.#hasher('blob', bytes.length).update(bytes).digest() });
  }

  #add(entry: Entry): void {
    this.#open.at(-1)!.entries.push(entry);
  }

  #hasher(type: string, size: number): Hasher {
    return createHash(this.#algorithm).update(`${type} ${size}\0`);
  }
}
