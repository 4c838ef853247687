// What pushes have noted of a cache far away: which paths it has, so that nobody asks for ten thousand of them one by one. Twenty
// bytes a path. A hint and nothing more: cache-store.ts confirms what a plan relies on. docs/formats/cache-index.md describes it.

import { createHash } from 'node:crypto';
import { formatError } from '../../errors.ts';
import { decodeBase32 } from '../../model/base32.ts';
import { fingerprint } from '../../model/path-info.ts';
import type { PathInfo } from '../../model/path-info.ts';
import { hashPart } from '../../model/store-path.ts';
import type { StoreDir } from '../../model/store-path.ts';

const heading = 'narrow-paths 1';
/** Bytes of a path's hash, of what its narinfo says, and of a mask of keys. */
const [keySize, digestSize, maskSize] = [10, 6, 4];
const rowSize = keySize + digestSize + maskSize;
/** Bits of a mask; of more keys nothing is noted, so that those paths are looked at. */
const mostKeys = 31;

/** Of no contents. */
const noDigest = '\0'.repeat(digestSize);

interface Row {
  readonly digest: string;
  readonly mask: number;
}

export type Expectation = 'there' | 'absent' | 'unclear';

export class PathHints {
  readonly #storeDir: StoreDir;
  readonly #keys: string[] = [];
  readonly #rows = new Map<string, Row>();
  readonly #noted = new Set<string>();

  constructor(storeDir: StoreDir) {
    this.#storeDir = storeDir;
  }

  get size(): number {
    return this.#rows.size;
  }

  /** Takes in a segment. Throws `format`. */
  read(bytes: Buffer, source: string): void {
    const end = bytes.indexOf(10);
    const [first = '', ...names] = bytes.toString('utf8', 0, Math.max(0, end)).split('\t');
    if (first !== heading || (bytes.length - end - 1) % rowSize !== 0)
      throw formatError('bad list of paths', { source }, { expected: `'${heading}', and rows of ${rowSize} bytes` });
    const bits = names.map((name) => this.#bitOf(name));
    for (let at = end + 1; at < bytes.length; at += rowSize) {
      const given = bytes.readUInt32LE(at + keySize + digestSize);
      let mask = 0;
      for (const [index, bit] of bits.entries()) if (given & (1 << index)) mask |= bit;
      const digest = bytes.toString('latin1', at + keySize, at + keySize + digestSize);
      const key = bytes.toString('latin1', at, at + keySize);
      const known = this.#rows.get(key);
      // two who say different things are both not believed
      const clear = known === undefined || known.digest === digest;
      this.#rows.set(key, { digest: clear ? digest : noDigest, mask: clear ? mask | (known?.mask ?? 0) : 0 });
    }
  }

  /** Whether a path is there with these contents and signatures. */
  expectation(info: PathInfo): Expectation {
    const row = this.#rows.get(keyOf(hashPart(info.path)));
    if (!row) return 'absent';
    if (row.digest !== this.#digestOf(info)) return 'unclear';
    const known = signersOf(info).every((name) => (row.mask & this.#bitOf(name)) !== 0);
    return known ? 'there' : 'unclear';
  }

  /** This is there, signed by these and by those of its info. */
  note(info: PathInfo, keys: readonly string[]): void {
    const key = keyOf(hashPart(info.path));
    let mask = 0;
    for (const name of [...signersOf(info), ...keys]) mask |= this.#bitOf(name);
    const row = { digest: this.#digestOf(info), mask };
    const known = this.#rows.get(key);
    if (known?.digest === row.digest && (known.mask | mask) === known.mask) return;
    this.#rows.set(key, known?.digest === row.digest ? { ...row, mask: known.mask | mask } : row);
    this.#noted.add(key);
  }

  /** Forgets paths by hash part. */
  forget(parts: Iterable<string>): void {
    for (const part of parts) this.#rows.delete(keyOf(part));
  }

  /** A segment of everything, or of what was noted here; undefined where that is nothing. */
  segment(which: 'all' | 'noted'): Buffer | undefined {
    const keys = which === 'all' ? [...this.#rows.keys()] : [...this.#noted];
    if (keys.length === 0) return undefined;
    const head = Buffer.from(`${[heading, ...this.#keys].join('\t')}\n`);
    const bytes = Buffer.alloc(head.length + keys.length * rowSize);
    head.copy(bytes);
    for (const [index, key] of keys.sort().entries()) {
      const { digest, mask } = this.#rows.get(key)!;
      const at = head.length + index * rowSize;
      bytes.write(key + digest, at, 'latin1');
      bytes.writeUInt32LE(mask, at + keySize + digestSize);
    }
    return bytes;
  }

  #bitOf(name: string): number {
    const known = this.#keys.indexOf(name);
    if (known >= 0) return 1 << known;
    if (this.#keys.length === mostKeys || /[\t\n]/.test(name)) return 0;
    return 1 << (this.#keys.push(name) - 1);
  }

  #digestOf(info: PathInfo): string {
    const text = fingerprint(this.#storeDir, info);
    return createHash('sha256').update(text).digest().toString('latin1', 0, digestSize);
  }
}

function keyOf(part: string): string {
  return Buffer.from(decodeBase32(part, 20)!).toString('latin1', 0, keySize);
}

function signersOf({ signatures }: PathInfo): string[] {
  return signatures.map((text) => text.slice(0, text.indexOf(':')));
}
