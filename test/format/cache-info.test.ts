import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatCacheInfo, parseCacheInfo } from '../../src/format/cache-info.ts';

test('what caches say', () => {
  const nixos = 'StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n';
  assert.deepEqual(parseCacheInfo(nixos), { storeDir: '/nix/store', wantMassQuery: true, priority: 40 });
  assert.equal(formatCacheInfo(parseCacheInfo(nixos)), nixos);
  // a cache made by Nix itself
  assert.deepEqual(parseCacheInfo(Buffer.from('StoreDir: /nix/store\n')), { storeDir: '/nix/store' });
  assert.equal(formatCacheInfo({ storeDir: '/nix/store' }), 'StoreDir: /nix/store\n');
});

test('values are trimmed, the rest is ignored, the last one wins', () => {
  const text = 'hello\nStoreDir:/gnu/store \r\nFoo: bar\nPriority: 7\nPriority:\t-3\nWantMassQuery: 0\n\nno end';
  assert.deepEqual(parseCacheInfo(text), { storeDir: '/gnu/store', wantMassQuery: false, priority: -3 });
  assert.deepEqual(parseCacheInfo(''), {});
});

test('a priority that is no number, and a page that is none', () => {
  assert.throws(
    () => parseCacheInfo('StoreDir: /nix/store\nPriority: high\n', { source: 'x' }),
    /bad Priority of nix-cache-info in line 2 of x: expected a number, got 'high'/,
  );
  assert.throws(() => parseCacheInfo(Buffer.alloc(70_000)), /at most 65536 bytes, got 70000/);
});

test('round trip', () => {
  const storeDir = fc.constant('/nix/store');
  const priority = fc.integer({ min: -999, max: 999 });
  fc.assert(
    fc.property(fc.record({ storeDir, wantMassQuery: fc.boolean(), priority }, { noNullPrototype: true }), (info) =>
      assert.deepEqual(parseCacheInfo(formatCacheInfo(info)), info),
    ),
  );
});
