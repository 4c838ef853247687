// Caches of any size without a build: narinfos that look like real ones (eight references, a signature), and NARs of one byte.

import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeBase32 } from '../src/model/base32.ts';
import { parseBaseName } from '../src/model/store-path.ts';
import type { StorePath } from '../src/model/store-path.ts';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Paths that earlier ones are referred to from; the same for the same number. */
export function* bigGraph(paths: number): Generator<{ path: StorePath; references: readonly StorePath[] }> {
  const all: StorePath[] = [];
  for (let i = 0; i < paths; i++) {
    const bytes = digest(`path ${i}`);
    const path = parseBaseName(`${encodeBase32(bytes.subarray(0, 20))}-package-${i % 5000}-1.${i % 7}.${i % 11}`);
    const references = new Set<StorePath>();
    for (let n = 0; n < Math.min(8, i); n++) references.add(all[bytes.readUInt32LE(n * 4) % i]!);
    all.push(path);
    yield { path, references: [...references].sort() };
  }
}

/** A cache of so many paths in a directory that is not there yet. Returns the last path. */
export function makeBigCache(dir: string, paths: number): StorePath {
  mkdirSync(join(dir, 'nar'), { recursive: true });
  writeFileSync(join(dir, 'nix-cache-info'), 'StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n');
  const signature = `home-1:${Buffer.alloc(64, 7).toString('base64')}`;
  let last: StorePath | undefined;
  for (const { path, references } of bigGraph(paths)) {
    const hash = encodeBase32(digest(path));
    const url = `nar/${hash}.nar.zst`;
    const lines = [
      `StorePath: /nix/store/${path}`,
      `URL: ${url}`,
      'Compression: zstd',
      `FileHash: sha256:${hash}`,
      'FileSize: 1',
      `NarHash: sha256:${hash}`,
      'NarSize: 123456',
      `References: ${references.join(' ')}`,
      `Deriver: ${path}.drv`,
      `Sig: ${signature}`,
      '',
    ];
    writeFileSync(join(dir, `${path.slice(0, 32)}.narinfo`), lines.join('\n'));
    writeFileSync(join(dir, url), 'x');
    last = path;
  }
  return last!;
}
