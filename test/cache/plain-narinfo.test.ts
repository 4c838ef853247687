// The quick reader of narinfos says what the reader of all narinfos says, or nothing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PlainNarinfoReader } from '../../src/cache/plain-narinfo.ts';
import { formatNarinfo, parseNarinfo } from '../../src/format/narinfo.ts';
import { hashBytes } from '../../src/model/hash.ts';
import type { PathInfo } from '../../src/model/path-info.ts';
import { generateKey, signPathInfo } from '../../src/model/signature.ts';
import { samplePath } from '../contract/sample.ts';

const storeDir = '/nix/store';
const key = generateKey('home-1');
const hash = hashBytes(Buffer.from('x'));

function narinfo(references: readonly string[], more: Partial<PathInfo> = {}): string {
  const info: PathInfo = {
    path: samplePath('app-1.0'),
    narHash: hash,
    narSize: 120,
    references: references.map(samplePath).sort(),
    deriver: samplePath('app-1.0.drv'),
    signatures: [],
    ca: undefined,
    file: { url: `nar/${'0'.repeat(52)}.nar.zst`, compression: 'zstd', hash, size: 60 },
    ...more,
  };
  return formatNarinfo(signPathInfo(storeDir, info, [key]), storeDir);
}

function expectSame(text: string): boolean {
  const row = new PlainNarinfoReader(storeDir).read(Buffer.from(text, 'latin1'), 'v');
  if (!row) return false;
  const { info } = parseNarinfo(Buffer.from(text, 'latin1'), storeDir);
  const { path, references, narSize, file } = info;
  assert.deepEqual(row, { path, version: 'v', url: file!.url, fileSize: file!.size ?? 0, narSize, references });
  return true;
}

test('narinfos as they are written are read', () => {
  for (const text of [
    narinfo([]),
    narinfo(['a', 'b-1.0', 'c?x=1']),
    narinfo(['a'], { deriver: undefined }),
    narinfo(['a']).replace(/^(FileHash|FileSize): .*\n/gm, ''),
    narinfo(['a']).replace(/^Sig: .*\n/m, ''),
  ])
    assert.ok(expectSame(text), text);
});

test('whatever is changed in one: the same is read, or nothing', () => {
  const text = narinfo(['a', 'b-1.0', 'glibc-2.40']);
  const piece = fc.oneof(
    fc.string({ maxLength: 3 }),
    fc.constantFrom('\n', ' ', '0', '+', '..', 'u', '\nSig: x:y', '%'),
  );
  fc.assert(
    fc.property(fc.nat(text.length), fc.nat(4), piece, (at, gone, put) => {
      const changed = text.slice(0, at) + put + text.slice(at + gone);
      expectSame(changed);
    }),
    { numRuns: 20_000 },
  );
  const lines = text.split(/(?<=\n)/);
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...lines), { maxLength: 12 }), (some) => void expectSame(some.join(''))),
  );
});

test('names of other store directories, and references that are not sorted, are left to others', () => {
  const text = narinfo(['a', 'b']);
  const reader = new PlainNarinfoReader('/gnu/store');
  assert.equal(reader.read(Buffer.from(text), 'v'), undefined);
  const swapped = text.replace(/^References: (\S+) (\S+)$/m, 'References: $2 $1');
  assert.ok(!expectSame(swapped));
});
