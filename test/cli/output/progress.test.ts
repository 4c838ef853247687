import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatBytes, formatDuration, formatTable } from '../../../src/cli/output/human.ts';
import { CopyState } from '../../../src/cli/output/progress.ts';
import { hashBytes } from '../../../src/model/hash.ts';
import { defaultStoreDir, parseBaseName } from '../../../src/model/store-path.ts';
import { makePlan } from '../../../src/transfer/plan.ts';

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

test('bytes, rate, ETA and paths of a copy', () => {
  const infos = [1, 2].map((n) => ({
    path: parseBaseName(`${String(n).padStart(32, '0')}-p${n}`),
    narHash: hashBytes(String(n)),
    narSize: 5_000_000,
    references: [],
    signatures: [],
  }));
  const plan = makePlan(defaultStoreDir, new Map(infos.map((i) => [i.path, i])), new Map());
  const state = new CopyState();
  state.event({ type: 'phase', text: 'asking' }, 0);
  assert.equal(state.line(0), 'asking');
  state.event({ type: 'plan', plan }, 0);
  for (let s = 1; s <= 5; s++) state.event({ type: 'bytes', path: infos[0]!.path, bytes: 1_000_000 }, s * 1000);
  assert.equal(state.line(5000), ' 50 %  5.0 MB of 10.0 MB  1.0 MB/s  ETA 0:05  0 of 2 paths');
  assert.match(state.frame(5000)[1]!, /5\.0 MB of +5\.0 MB {2}p1/);
  state.event({ type: 'outcome', outcome: { status: 'added', path: infos[0]!.path, bytes: 5_000_000 } }, 5000);
  assert.equal(state.frame(5000).length, 1);
});
