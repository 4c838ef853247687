import assert from 'node:assert/strict';
import { test } from 'node:test';
import { diffClosures } from '../../src/closure/diff.ts';
import { shareOf } from '../../src/closure/shared.ts';
import { sizesOf } from '../../src/closure/sizes.ts';
import { whyDepends } from '../../src/closure/why.ts';
import { info, infosOf, path } from './graphs.ts';

// 0 is a root of 1 and 2, 5 a root of 2 and 4; 1 and 2 need 3
const graph = infosOf(
  info(3),
  info(1, [path(3)]),
  info(2, [path(3), path(2)]),
  info(4),
  info(0, [path(1), path(2)]),
  info(5, [path(2), path(4)]),
);

test('shared: what is in all, in some, in one, with sizes', () => {
  const groups = shareOf(graph, [path(0), path(5)]).map(({ roots, paths, narSize }) => [
    roots,
    paths.map((p) => p.path),
    narSize,
  ]);
  assert.deepEqual(groups, [
    [[path(0), path(5)], [path(3), path(2)], 1100],
    [[path(0)], [path(1), path(0)], 11],
    [[path(5)], [path(4), path(5)], 110_000],
  ]);
});

test('sizes: own, with all it needs, and what only it keeps', () => {
  const [one, three] = sizesOf(graph, [path(0)], [path(1), path(3)]);
  assert.deepEqual(one, { path: path(1), own: 10, closure: 1010, added: 10 });
  assert.deepEqual(three, { path: path(3), own: 1000, closure: 1000, added: 1000 });
  const [two] = sizesOf(graph, [path(5)], [path(2)]);
  assert.equal(two!.added, 1100, 'without 2 nothing leads to 3');
});

test('why: a shortest chain, itself for itself, nothing where there is none', () => {
  assert.deepEqual(whyDepends(graph, path(0), path(3)), [path(0), path(1), path(3)]);
  assert.deepEqual(whyDepends(graph, path(3), path(3)), [path(3)]);
  assert.equal(whyDepends(graph, path(0), path(4)), undefined);
});

test('diff: by package, what both have counts for nothing', () => {
  const before = infosOf(
    info(0, [], 'same-1'),
    info(1, [], 'ssl-3.0.1'),
    info(2, [], 'gone-1'),
    info(3, [], 'libc-2.36'),
    info(4, [], 'up'),
    info(5, [], 'many-1.0'),
  );
  const after = infosOf(
    info(0, [], 'same-1'),
    info(2, [], 'ssl-3.0.12'),
    info(1, [], 'fresh-1'),
    info(4, [], 'libc-2.36'),
    info(3, [], 'up-2'),
    info(6, [], 'many-0.9'),
  );
  const rows = diffClosures(before, after).map((c) => [c.name, c.kind, c.before, c.after, c.sizeDelta]);
  assert.deepEqual(rows, [
    ['fresh', 'added', [], ['1'], 10],
    ['gone', 'removed', ['1'], [], -100],
    ['libc', 'rebuilt', ['2.36'], ['2.36'], 9000],
    ['many', 'downgraded', ['1.0'], ['0.9'], 900_000],
    ['ssl', 'upgraded', ['3.0.1'], ['3.0.12'], 90],
    ['up', 'upgraded', [''], ['2'], -9000],
  ]);
});
