import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Nearest } from '../../../src/delta/codec/nearest.ts';

test('the nearest unit that was taught answers, the lower one of two', () => {
  const lesson = fc.record({ unit: fc.nat(5000), shift: fc.integer() });
  fc.assert(
    fc.property(fc.array(lesson, { maxLength: 40 }), fc.nat(5000), fc.nat(7), (lessons, asked, within) => {
      const nearest = new Nearest(4096, 4096 + 40_000);
      const known = new Map<number, number>();
      for (const { unit, shift } of lessons) {
        nearest.teach(4096 + unit * 8 + within, shift);
        known.set(unit, shift);
      }
      const [best] = [...known].sort(([a], [b]) => Math.abs(a - asked) - Math.abs(b - asked) || a - b);
      assert.equal(nearest.shiftOf(4096 + asked * 8), best?.[1] ?? 0);
    }),
    { numRuns: 2000 },
  );
});

test('a huge range and addresses outside of it', () => {
  const nearest = new Nearest(0, 2 ** 48);
  nearest.teach(2 ** 47, 5);
  assert.equal(nearest.shiftOf(1), 5);
  nearest.teach(2 ** 60, 7);
  assert.equal(nearest.shiftOf(2 ** 48 - 1), 7);
  nearest.teach(-8, 9);
  assert.equal(nearest.shiftOf(0), 9);
  const none = new Nearest(10, 5);
  none.teach(7, 3);
  assert.equal(none.shiftOf(100), 3);
});
