import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { closureOf, inOrder, walkClosure } from '../../src/closure/walk.ts';
import { hashBytes } from '../../src/model/hash.ts';
import type { PathInfo } from '../../src/model/path-info.ts';
import type { StorePath } from '../../src/model/store-path.ts';
import { parseBaseName } from '../../src/model/store-path.ts';

const path = (n: number): StorePath => parseBaseName(`${String(n).padStart(32, '0')}-p${n}`);
const info = (n: number, references: readonly number[]): PathInfo => ({
  path: path(n),
  narHash: hashBytes(String(n)),
  narSize: 1,
  references: references.map(path),
  signatures: [],
});
const graph = (...nodes: [number, number[]][]): Map<StorePath, PathInfo> =>
  new Map(nodes.map(([n, refs]) => [path(n), info(n, refs)]));
const queryOf =
  (infos: ReadonlyMap<StorePath, PathInfo>, questions: number[] = []) =>
  (paths: readonly StorePath[]) => {
    questions.push(paths.length);
    return Promise.resolve(new Map(paths.flatMap((p) => (infos.has(p) ? [[p, infos.get(p)!]] : []))));
  };

test('a closure is asked level by level and comes references first', async () => {
  const questions: number[] = [];
  const store = graph([1, [2, 3, 1]], [2, [4]], [3, [4]], [4, []], [5, []]);
  const { infos, missing } = await walkClosure(queryOf(store, questions), [path(1)]);
  assert.deepEqual([...infos.keys()], [path(4), path(2), path(3), path(1)]);
  assert.deepEqual(missing, []);
  assert.deepEqual(questions, [1, 2, 1]);
});

test('what is missing is told with who needs it', async () => {
  const store = graph([1, [2]], [2, [9]]);
  const { missing } = await walkClosure(queryOf(store), [path(1), path(8)]);
  assert.deepEqual(missing, [
    { path: path(8), referrer: undefined },
    { path: path(9), referrer: path(2) },
  ]);
  await assert.rejects(closureOf(queryOf(store), [path(1)], 'the store'), {
    code: 'missing',
    message: `the store does not have ${path(9)} (needed by ${path(2)})`,
  });
});

test('a cycle is an error, not a loop', () => {
  assert.throws(() => inOrder(graph([1, [2]], [2, [3]], [3, [1]])), { code: 'format', message: /lead back to itself/ });
});

test('chains of a hundred thousand do not overflow the stack', () => {
  const n = 100_000;
  const infos = new Map(Array.from({ length: n }, (_, i) => [path(i), info(i, i + 1 < n ? [i + 1] : [])]));
  assert.equal([...inOrder(infos).keys()][0], path(n - 1));
});

test('property: in any acyclic graph every reference stands before its referrer, and nothing is lost', () => {
  const graphs = fc
    .integer({ min: 1, max: 30 })
    .chain((n) =>
      fc.tuple(
        ...Array.from({ length: n }, (_, i) => fc.uniqueArray(fc.integer({ min: 0, max: i }), { maxLength: 6 })),
      ),
    );
  fc.assert(
    fc.property(graphs, (nodes) => {
      const infos = graph(...nodes.map((refs, i): [number, number[]] => [i, refs]).reverse());
      const order = [...inOrder(infos).keys()];
      assert.equal(order.length, infos.size);
      for (const [at, p] of order.entries()) {
        for (const r of infos.get(p)!.references) assert.ok(r === p || order.indexOf(r) < at);
      }
    }),
    { numRuns: 200 },
  );
});
