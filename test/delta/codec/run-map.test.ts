import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { dumpImage } from '../../../src/delta/codec/dump.ts';
import { RunMap } from '../../../src/delta/codec/run-map.ts';
import { Runs } from '../../../src/delta/codec/runs.ts';
import type { ElfImage } from '../../../src/delta/elf/image.ts';
import { addressMap } from '../../../src/delta/elf/segments.ts';

const origin = 0x10000;

function mapOf(list: readonly (readonly [fresh: number, old: number, length: number])[], size = 10_000): RunMap {
  const runs = new Runs();
  for (const [fresh, old, length] of list) runs.push(fresh, old, length);
  return new RunMap(runs, 0, size, dumpImage(origin, size));
}

test('bytes of a run go where it goes, others with the nearer neighbour', () => {
  const map = mapOf([
    [100, 0, 1000],
    [3000, 2000, 1000],
  ]);
  const shifts = [0, 999, 1000, 1500, 1501, 2000, 2999, 9999].map((old) => map.addressOf(old) - origin - old);
  assert.deepEqual(shifts, [100, 100, 100, 100, 1000, 1000, 1000, 1000]);
});

test('what two runs hold goes with the longer one', () => {
  const map = mapOf([
    [0, 0, 1000],
    [5000, 900, 2000],
    [9000, 1000, 10],
  ]);
  assert.deepEqual(
    [899, 900, 1005].map((old) => map.addressOf(old) - origin),
    [899, 5000, 5105],
  );
});

test('without runs everything stays', () => {
  const map = mapOf([]);
  assert.deepEqual(
    [map.addressOf(0), map.addressOf(7000), map.addressOf(2 ** 40)],
    [origin, origin + 7000, origin + 2 ** 40],
  );
});

test('addresses follow the segments of the fresh file, whatever lies across them', () => {
  const load = (offset: number, address: number, size: number): object => ({
    type: 1,
    flags: 4,
    offset,
    address,
    fileSize: size,
    memorySize: size,
  });
  const map = addressMap([load(0, 0x1000, 500), load(500, 0x8000, 700), load(2000, 0x9000, 100)] as never)!;
  fc.assert(
    fc.property(
      fc.nat(2500),
      fc.integer({ min: 1, max: 1500 }),
      fc.nat(1500),
      fc.nat(5000),
      (fresh, length, old, at) => {
        const runs = new Runs();
        runs.push(fresh, old, length);
        const found = new RunMap(runs, 0, 3000, map as ElfImage).addressOf(at);
        assert.equal(found, map.addressOf(at + fresh - old));
      },
    ),
    { numRuns: 2000 },
  );
});
