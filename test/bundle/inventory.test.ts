import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatInventory, mergeInventories, parseInventory } from '../../src/bundle/inventory.ts';
import type { Inventory, InventoryFacts } from '../../src/bundle/inventory.ts';
import { BaseClosure } from '../../src/delta/base-closure.ts';
import { isNarrowError } from '../../src/errors.ts';
import { encodeBase32 } from '../../src/model/base32.ts';
import { parseBaseName } from '../../src/model/store-path.ts';
import type { StorePath } from '../../src/model/store-path.ts';

const facts: InventoryFacts = {
  storeDir: '/nix/store',
  stores: ['daemon'],
  made: 1_700_000_000_000,
  trustedKeys: ['a:AAAA', 'b:BBBB'],
  free: 1000,
  system: 'x86_64-linux',
  tools: ['gzip/1', 'xz/5.4'],
};

function pathOf(seed: number, name = `package-${seed}`): StorePath {
  const part = Buffer.alloc(20);
  for (let i = 0; i < 5; i++) part.writeUInt32LE(Math.imul(seed + i + 1, 2654435761) >>> 0, i * 4);
  return parseBaseName(`${encodeBase32(part)}-${name}`);
}

function inventoryOf(seeds: readonly number[], hash = 1, more: Partial<InventoryFacts> = {}): Inventory {
  const infos = seeds.map((seed, i) => ({
    path: pathOf(seed),
    narSize: 100 + (seed % 1000) * 8,
    references: seeds.slice(Math.max(0, i - 3), i + 1).map((one) => pathOf(one)),
    narHash: Buffer.alloc(8, (seed * 31 + hash) % 251),
  }));
  return { facts: { ...facts, ...more }, closure: new BaseClosure(infos) };
}

test('an inventory is what it was when it is read again', async () => {
  const inventory = inventoryOf([5, 3, 9, 2]);
  const again = parseInventory(await formatInventory(inventory), 'a.inventory');
  assert.deepEqual(again.facts, facts);
  assert.deepEqual(again.closure.infos, inventory.closure.infos);
});

test('10,000 paths take at most 420 kB', async () => {
  const seeds = Array.from({ length: 10_000 }, (_, i) => (i * 7919) % 1_000_003);
  assert.ok((await formatInventory(inventoryOf(seeds))).length <= 420_000);
});

test('several count as one: all paths, common keys and tools, the least room', () => {
  const merged = mergeInventories([
    inventoryOf([1, 2]),
    inventoryOf([2, 3], 1, { trustedKeys: ['b:BBBB'], tools: ['gzip/1'], free: 10, stores: ['ssh://pi1'] }),
  ]);
  assert.deepEqual(merged.closure.infos.map(({ path }) => path).sort(), [1, 2, 3].map((seed) => pathOf(seed)).sort());
  const { trustedKeys, tools, free, stores } = merged.facts;
  assert.deepEqual({ trustedKeys, tools, free }, { trustedKeys: ['b:BBBB'], tools: ['gzip/1'], free: 10 });
  assert.deepEqual(stores, ['daemon', 'ssh://pi1']);
  assert.deepEqual(merged.differing, []);
});

test('a path with other contents in each is in none', () => {
  const merged = mergeInventories([inventoryOf([1, 2]), inventoryOf([2], 2)]);
  assert.deepEqual(merged.differing, [pathOf(2)]);
  assert.equal(merged.closure.numberOf(pathOf(2)), -1);
});

test('inventories of different store directories are not merged', () => {
  assert.throws(
    () => mergeInventories([inventoryOf([1]), inventoryOf([1], 1, { storeDir: '/gnu/store' })]),
    /different stores: expected \/nix\/store, got \/gnu\/store/,
  );
});

test('damage anywhere is told, with the place', async () => {
  const bytes = await formatInventory(inventoryOf([1, 2, 3]));
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= change;
      assert.throws(
        () => parseInventory(damaged, 'x'),
        (error) => isNarrowError(error, 'format'),
      );
      assert.throws(
        () => parseInventory(damaged.subarray(0, at), 'x'),
        (error) => isNarrowError(error, 'format'),
      );
    }),
    { numRuns: 200 },
  );
  assert.throws(
    () => parseInventory(bytes.subarray(0, 90), 'x.inventory'),
    /damaged inventory at offset 58 of x.inventory/,
  );
});
