// What a stranger sends as a delta, or beside one, in some thousands of cases that are the same each time; `make bench
// BENCH=fuzz` runs a million others.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fuzzer } from './fuzz/cases.ts';

const cases = 10_000;

test('hostile deltas are refused, or make a NAR of the announced size', async () => {
  const fuzzer = await Fuzzer.start();
  const fates = new Map(fuzzer.subjects().map(({ name }) => [name, { taken: 0, refused: 0 }]));
  for (let number = 0; number < cases; number++) {
    const { subject, taken } = await fuzzer.run(number);
    fates.get(subject)![taken ? 'taken' : 'refused']++;
  }
  // edits that are always refused, or never, would try nothing
  for (const [name, { refused }] of fates) assert.ok(refused > 0, `${name}: none was refused`);
  const taken = [...fates.values()].reduce((sum, fate) => sum + fate.taken, 0);
  assert.ok(taken > cases / 50 && taken < cases / 2, `${taken} of ${cases} were taken`);
});
