// What people are told at the end of a copy by deltas.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deltaLines } from '../../../src/cli/output/deltas.ts';
import type { PathCause, PathReport } from '../../../src/delta/report.ts';
import type { StorePath } from '../../../src/model/store-path.ts';
import { defaultStoreDir } from '../../../src/model/store-path.ts';
import { makePlan } from '../../../src/transfer/plan.ts';
import { info } from '../../closure/graphs.ts';

const files = { equal: 0, moved: 0, similar: 0, recompressed: 0, fresh: 0 };

function told(bases: number, causes: readonly PathCause[]): string[] {
  const infos = causes.map((_, i) => info(i));
  const reports = new Map<StorePath, PathReport>(
    causes.map((cause, i) => [infos[i]!.path, { name: `p${i}`, cause, bytes: 1000 * i, freshBytes: 0, files }]),
  );
  const met = { kind: 'narrow', software: 'narrow 1', bases } as const;
  return deltaLines(
    reports,
    makePlan(defaultStoreDir, new Map(infos.map((one) => [one.path, one])), new Map(), { met }),
  );
}

test('a first copy is told in one line, which says why it was no less', () => {
  const [line, ...more] = told(0, ['no base', 'no base', 'new']);
  assert.match(line!, /^3\.0 kB moved for .* of NARs, .*; the destination had nothing to make them from$/);
  assert.deepEqual(more, []);
  assert.equal(told(7, ['no base', 'no base']).length, 1);
});

test('where there was something, what cost nothing is counted and what cost most is named', () => {
  const [line, ...more] = told(7, ['same', 'code', 'no base']);
  assert.match(line!, /; 1 of 3 paths cost nothing but their hashes$/);
  assert.deepEqual(
    more.map((one) => one.replace(/^.*: /, '')),
    ['there was nothing to make it from', 'changed code'],
  );
});
