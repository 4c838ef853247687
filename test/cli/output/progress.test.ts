import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatBytes, formatDuration, formatTable } from '../../../src/cli/output/human.ts';
import { CopyState } from '../../../src/cli/output/progress.ts';
import { hashBytes } from '../../../src/model/hash.ts';
import { defaultStoreDir, parseBaseName } from '../../../src/model/store-path.ts';
import type { StorePath } from '../../../src/model/store-path.ts';
import { makePlan } from '../../../src/transfer/plan.ts';
import type { Plan } from '../../../src/transfer/plan.ts';

test('bytes and times read well at the borders of their units', () => {
  assert.deepEqual([0, 999, 1000, 999_949, 999_950, 1_500_000, 266_600_000].map(formatBytes), [
    '0 B',
    '999 B',
    '1.0 kB',
    '999.9 kB',
    '1.0 MB',
    '1.5 MB',
    '266.6 MB',
  ]);
  assert.deepEqual([0, 59.6, 754, 3723, Infinity].map(formatDuration), ['0:00', '1:00', '12:34', '1:02:03', '--:--']);
  assert.deepEqual(
    formatTable(
      [
        ['1', 'a'],
        ['10', 'b'],
      ],
      [true],
    ),
    [' 1  a', '10  b'],
  );
});

/** A plan to copy `n` paths of 5 MB each. */
function planOf(n: number): { plan: Plan; paths: StorePath[] } {
  const infos = Array.from({ length: n }, (_, i) => ({
    path: parseBaseName(`${String(i + 1).padStart(32, '0')}-p${i + 1}`),
    narHash: hashBytes(String(i + 1)),
    narSize: 5_000_000,
    references: [],
    signatures: [],
  }));
  const plan = makePlan(defaultStoreDir, new Map(infos.map((info) => [info.path, info])), new Map());
  return { plan, paths: infos.map((info) => info.path) };
}

test('bytes, rate, ETA and paths of a copy', () => {
  const { plan, paths } = planOf(2);
  const state = new CopyState();
  state.event({ type: 'phase', text: 'asking' }, 0);
  assert.equal(state.line(0), 'asking');
  state.event({ type: 'plan', plan }, 0);
  for (let s = 1; s <= 5; s++) state.event({ type: 'bytes', path: paths[0]!, bytes: 1_000_000 }, s * 1000);
  assert.equal(state.line(5000), ' 50 %  5.0 MB of 10.0 MB  1.0 MB/s  ETA 0:05  0 of 2 paths, 1 more read');
  assert.deepEqual(state.frame(5000, 40), [
    ' 50 %  5.0 MB of 10.0 MB  1.0 MB/s',
    '       ETA 0:05',
    '       0 of 2 paths, 1 more read',
    '             all of    5.0 MB  p1',
  ]);
  state.event({ type: 'outcome', outcome: { status: 'added', path: paths[0]!, bytes: 5_000_000 } }, 5000);
  assert.equal(state.frame(5000, 100).length, 1);
});

test('what is read is not finished: no copy stands at 100 % while its last paths are still being written', () => {
  const { plan, paths } = planOf(2);
  const state = new CopyState();
  state.event({ type: 'plan', plan }, 0);
  for (const path of paths) state.event({ type: 'bytes', path, bytes: 5_000_000 }, 1000);
  assert.equal(state.line(8000), ' 99 %  10.0 MB of 10.0 MB  all read, finishing 2 of 2 paths  (0:07)');
  // read again after a failure: the bytes count for the rate, not for what is done
  state.event({ type: 'bytes', path: paths[0]!, bytes: 5_000_000 }, 9000);
  assert.match(state.line(9000), /^ 99 % {2}10\.0 MB of 10\.0 MB/);
  for (const path of paths) state.event({ type: 'outcome', outcome: { status: 'added', path, bytes: 1 } }, 9000);
  assert.equal(state.line(20_000), '100 %  10.0 MB of 10.0 MB  2 of 2 paths', 'no rate, and no time left');
  state.event({ type: 'phase', text: 'building' }, 20_000);
  assert.equal(state.line(23_000), 'building  (0:03)');
});

test('what failed, or was stopped, does not count as done', () => {
  const { plan, paths } = planOf(2);
  const state = new CopyState();
  state.event({ type: 'plan', plan }, 0);
  for (const path of paths) state.event({ type: 'bytes', path, bytes: 2_500_000 }, 1000);
  const failed = { status: 'failed', path: paths[0]!, bytes: 0, error: new Error('stopped') } as const;
  state.event({ type: 'outcome', outcome: failed }, 1000);
  assert.match(state.line(1000), /^ 25 % {2}2\.5 MB of 10\.0 MB .* 0 of 2 paths$/);
});

test('a phase of known size tells how much of it is done, and how long the rest will take', () => {
  const state = new CopyState();
  state.event({ type: 'phase', text: 'writing x', bytes: 10_000_000 }, 0);
  assert.equal(state.line(0), 'writing x');
  for (let s = 1; s <= 5; s++) state.read(1_000_000, s * 1000);
  assert.equal(state.line(5000), 'writing x  5.0 MB of 10.0 MB  1.0 MB/s  ETA 0:05  (0:05)');
});

test('a stream that is read before its contents are known is counted, and does not count for the copy', () => {
  const state = new CopyState();
  state.event({ type: 'phase', text: 'reading standard input' }, 0);
  for (let s = 1; s <= 3; s++) state.read(2_000_000, s * 1000);
  assert.equal(state.line(3000), 'reading standard input  6.0 MB  2.0 MB/s  (0:03)');
  const { plan, paths } = planOf(1);
  state.event({ type: 'plan', plan }, 4000);
  state.event({ type: 'bytes', path: paths[0]!, bytes: 1_000_000 }, 5000);
  assert.match(state.line(5000), /^ 20 % {2}1\.0 MB of 5\.0 MB/);
});

test('a phase that takes long says how long', () => {
  const state = new CopyState();
  assert.equal(state.line(0), '');
  state.event({ type: 'phase', text: 'asking there' }, 1000);
  assert.deepEqual([state.line(2000), state.line(8000)], ['asking there', 'asking there  (0:07)']);
});
