import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { packageOf } from '../../src/closure/pairing-classes.ts';
import type { PairedInfo } from '../../src/closure/pairing.ts';
import { pairClosures } from '../../src/closure/pairing.ts';
import { encodeBase32 } from '../../src/model/base32.ts';
import type { StorePath } from '../../src/model/store-path.ts';
import { pathName } from '../../src/model/store-path.ts';

type Node = readonly [id: string, name: string, references: readonly string[], size?: number];

/** Paths whose hash parts come from `world` and the node's id: the same world and id are the same path. */
function closure(world: string, nodes: readonly Node[]): Map<StorePath, PairedInfo> {
  const digest = (id: string): Uint8Array =>
    createHash('sha1')
      .update(id.startsWith('=') ? id : world + id)
      .digest();
  const paths = new Map(nodes.map(([id, name]) => [id, `${encodeBase32(digest(id))}-${name}` as StorePath]));
  return new Map(
    nodes.map(([id, , references, narSize = 1000]) => {
      const path = paths.get(id)!;
      return [path, { path, references: references.map((r) => paths.get(r)!), narSize }];
    }),
  );
}

function pathOf(infos: ReadonlyMap<StorePath, PairedInfo>, at: number): StorePath {
  return [...infos.keys()].at(at)!;
}

/** Pairs as `id<id,id`, ids of the nodes in order. */
function pairsOf(old: readonly Node[], fresh: readonly Node[]): string[] {
  const [before, after] = [closure('old', old), closure('fresh', fresh)];
  const ids = new Map([...before.keys()].map((path, at) => [path, old[at]![0]]));
  const pairs = pairClosures({
    fresh: after,
    freshRoots: [pathOf(after, -1)],
    old: before,
    oldRoots: [pathOf(before, -1)],
  });
  return [...after.keys()].map(
    (path, at) =>
      `${fresh[at]![0]}<${pairs
        .get(path)!
        .map((base) => ids.get(base))
        .join()}`,
  );
}

test('names without their versions', () => {
  assert.deepEqual(packageOf('git-2.39.5-doc'), { name: 'git', kind: '-doc' });
  assert.deepEqual(packageOf('git-2.39.5.drv'), { name: 'git', kind: '.drv' });
  assert.deepEqual(packageOf('linux-6.1.9-modules.tar.xz'), { name: 'linux', kind: '-modules.tar.xz' });
  assert.deepEqual(packageOf('system-path'), { name: 'system-path', kind: '' });
});

test('by name, then by package and output, then by a name with other numbers', () => {
  const old: Node[] = [
    ['libc', 'glibc-2.39', []],
    ['git', 'git-2.39.2', ['libc']],
    ['doc', 'git-2.39.2-doc', []],
    ['five', 'perl5.38.2-URI-5.21', ['libc']],
    ['root', 'system-pi1-1', ['git', 'doc', 'five']],
  ];
  const fresh: Node[] = [
    ['libc', 'glibc-2.39', []],
    ['git', 'git-2.39.5', ['libc']],
    ['doc', 'git-2.39.5-doc', []],
    ['five', 'perl5.40.0-URI-5.22', ['libc']],
    ['root', 'system-pi2-1', ['git', 'doc', 'five']],
  ];
  assert.deepEqual(pairsOf(old, fresh), ['libc<libc', 'git<git', 'doc<doc', 'five<five', 'root<root']);
});

test('a name that repeats is told by its place, above and below', () => {
  const nodes: Node[] = [
    ['a', 'a', []],
    ['b', 'b', []],
    ['e1', 'perl-env', ['a']],
    ['e2', 'perl-env', ['b']],
    ['e3', 'perl-env', ['a', 'b']],
    ['s1', 'source', []],
    ['s2', 'source', []],
    ['p1', 'p1', ['s1']],
    ['p2', 'p2', ['s2']],
    ['root', 'system', ['p1', 'p2', 'e1', 'e2', 'e3']],
  ];
  assert.deepEqual(
    pairsOf(nodes, nodes),
    nodes.map(([id]) => `${id}<${id}`),
  );
  // one of them with a further reference, and another one of the name: neighbours decide
  const changed = nodes.map((node): Node => (node[0] === 'e2' ? ['e2', 'perl-env', ['b', 'p1']] : node));
  const pairs = pairsOf(nodes, [...changed.slice(0, -1), ['e4', 'perl-env', ['p2']], changed.at(-1)!]);
  assert.deepEqual(pairs.slice(2, 5), ['e1<e1', 'e2<e2', 'e3<e3']);
  assert.match(pairs.at(-2)!, /^e4<e/);
});

test('what nothing else tells apart goes by size', () => {
  const old: Node[] = [
    ['s1', 'source', [], 100],
    ['s2', 'source', [], 9000],
    ['root', 'system', ['s1', 's2']],
  ];
  const fresh: Node[] = [
    ['s2', 'source', [], 9100],
    ['s1', 'source', [], 90],
    ['root', 'system', ['s1', 's2']],
  ];
  assert.deepEqual(pairsOf(old, fresh), ['s2<s2', 's1<s1', 'root<root']);
});

test('paths of both sides have themselves, and may be a base of others', () => {
  const old: Node[] = [
    ['=git', 'git-2.1', []],
    ['root', 'system', ['=git']],
  ];
  const fresh: Node[] = [
    ['=git', 'git-2.1', []],
    ['git', 'git-2.2', []],
    ['root', 'system', ['=git', 'git']],
  ];
  assert.deepEqual(pairsOf(old, fresh), ['=git<=git', 'git<=git', 'root<root']);
});

test('the base of a root may lie deep in the other closure', () => {
  const old: Node[] = [
    ['libc', 'glibc-2.39', []],
    ['git', 'git-2.39.2', ['libc']],
    ['root', 'system', ['git']],
  ];
  assert.deepEqual(
    pairsOf(old, [
      ['libc', 'glibc-2.40', []],
      ['git', 'git-2.39.5', ['libc']],
    ]),
    ['libc<libc', 'git<git'],
  );
});

test('what has another name is found by its references, and a lone root by being one', () => {
  const deps: Node[] = ['a', 'b', 'c', 'd'].map((id) => [id, id, []]);
  const old: Node[] = [...deps, ['x', 'kmail', ['a', 'b', 'c', 'd']], ['root', 'desktop', ['x']]];
  const fresh: Node[] = [...deps, ['y', 'mailer', ['a', 'b', 'c']], ['root', 'server', ['y']]];
  assert.deepEqual(pairsOf(old, fresh).slice(-2), ['y<x', 'root<root']);
});

test('old paths of the package that nobody has are further bases; derivations are no bases of outputs', () => {
  const old: Node[] = [
    ['doc', 'git-2.1-doc', []],
    ['drv', 'git-2.0.drv', []],
    ['git', 'git-2.1', []],
  ];
  assert.deepEqual(pairsOf(old, [['git', 'git-2.2', []]]), ['git<git,doc']);
  assert.deepEqual(pairsOf(old, [['man', 'git-2.2-man', []]]), ['man<git,doc']);
  assert.deepEqual(pairsOf(old, [['new', 'other-1', []]]), ['new<']);
});

/** Acyclic graphs of few names. */
const graphs = fc.integer({ min: 1, max: 40 }).chain((count) =>
  fc.tuple(
    ...Array.from({ length: count }, (_, at) =>
      fc.record({
        name: fc.constantFrom('a', 'b', 'c-1.0', 'c-1.1', 'c-1.1-doc', 'env', 'x.drv'),
        references: fc.uniqueArray(fc.nat(Math.max(at - 1, 0)), { maxLength: at === 0 ? 0 : 5 }),
        size: fc.integer({ min: 1, max: 9 }),
      }),
    ),
  ),
);

type Graph = readonly { name: string; references: readonly number[]; size: number }[];
const nodesOf = (graph: Graph): Node[] =>
  graph.map(({ name, references, size }, at) => [String(at), name, references.map(String), size]);

test('property: the same graph under other hashes is paired with itself, names and references kept', () => {
  fc.assert(
    fc.property(graphs, (graph) => {
      const [old, fresh] = [closure('old', nodesOf(graph)), closure('fresh', nodesOf(graph))];
      const roots = { freshRoots: [pathOf(fresh, -1)], oldRoots: [pathOf(old, -1)] };
      const pairs = pairClosures({ fresh, old, ...roots });
      for (const [path, [base]] of pairs) assert.equal(pathName(base!), pathName(path));
      assert.equal(new Set([...pairs.values()].map(([base]) => base)).size, fresh.size);
    }),
  );
});

test('property: any two graphs, the same pairs in whatever order they are given', () => {
  fc.assert(
    fc.property(graphs, graphs, (a, b) => {
      const [old, fresh] = [closure('old', nodesOf(a)), closure('fresh', nodesOf(b))];
      const roots = { freshRoots: [pathOf(fresh, -1)], oldRoots: [pathOf(old, -1)] };
      const pairs = pairClosures({ fresh, old, ...roots });
      const turned = pairClosures({
        fresh: new Map([...fresh].reverse()),
        old: new Map([...old].reverse()),
        ...roots,
      });
      assert.deepEqual(turned, pairs);
      assert.equal(pairs.size, fresh.size);
      for (const bases of pairs.values()) {
        assert.equal(new Set(bases).size, bases.length);
        for (const base of bases) assert.ok(old.has(base));
      }
    }),
  );
});

test('loops and references to nowhere are no trouble', () => {
  const nodes: Node[] = [
    ['a', 'a', ['b']],
    ['b', 'b', ['a']],
  ];
  assert.deepEqual(pairsOf(nodes, nodes), ['a<a', 'b<b']);
  const lost = closure('old', [['a', 'a', []]]);
  const path = pathOf(lost, 0);
  const infos = new Map([[path, { path, references: [('0'.repeat(32) + '-gone') as StorePath], narSize: 1 }]]);
  assert.deepEqual(pairClosures({ fresh: infos, freshRoots: [], old: lost, oldRoots: [] }).get(path), [path]);
});
