import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Runs } from '../../../src/delta/codec/runs.ts';

/** Of each fresh byte the old one that it is copied from. */
function copiedBy(runs: Runs): (number | undefined)[] {
  const places: (number | undefined)[] = [];
  for (let i = 0; i < runs.count; i++)
    for (let k = 0; k < runs.length[i]!; k++) places[runs.fresh[i]! + k] = runs.old[i]! + k;
  return places;
}

test('runs that are appended copy what they copied, joined where one goes on', () => {
  const list = fc.array(fc.record({ gap: fc.nat(2), old: fc.nat(3), length: fc.integer({ min: 1, max: 3 }) }));
  fc.assert(
    fc.property(fc.array(list), (windows) => {
      const [all, expected] = [new Runs(), [] as (number | undefined)[]];
      let start = 0;
      for (const window of windows) {
        const runs = new Runs();
        let at = 0;
        for (const { gap, old, length } of window) {
          runs.push(at + gap, old, length);
          at += gap + length;
        }
        all.append(runs, start);
        for (const [fresh, old] of copiedBy(runs).entries()) if (old !== undefined) expected[start + fresh] = old;
        start += at;
      }
      assert.deepEqual(copiedBy(all), expected);
      for (let i = 1; i < all.count; i++) {
        const [fresh, old] = [all.fresh[i - 1]! + all.length[i - 1]!, all.old[i - 1]! + all.length[i - 1]!];
        assert.ok(all.fresh[i]! > fresh || all.old[i] !== old);
      }
    }),
  );
});
