import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import type { AlignedPair, AlignedPath } from '../../src/delta/hash-alignment.ts';
import { HashAlignment } from '../../src/delta/hash-alignment.ts';
import { encodeBase32 } from '../../src/model/base32.ts';
import type { StorePath } from '../../src/model/store-path.ts';
import { hashPart, pathName } from '../../src/model/store-path.ts';

/** `old:git-1` is a path named git-1; what stands before the colon only makes its hash. */
function path(id: string): StorePath {
  const name = id.slice(id.indexOf(':') + 1);
  return `${encodeBase32(createHash('sha1').update(id).digest())}-${name}` as StorePath;
}

const aligned = (id: string, references: readonly string[] = [], deriver?: string): AlignedPath => ({
  path: path(id),
  references: references.map(path),
  deriver: deriver === undefined ? undefined : path(deriver),
});

const pair = (fresh: AlignedPath, base: AlignedPath): AlignedPair => ({ fresh, base });

/** The map as `old>new` of the ids given. */
function shown(map: ReadonlyMap<string, string>, ids: readonly string[]): string[] {
  const names = new Map(ids.map((id) => [hashPart(path(id)), id]));
  return [...map].map(([from, to]) => `${names.get(from)}>${names.get(to)}`).sort();
}

test('the own hash, the references, and all other pairs', () => {
  const libc = pair(aligned('new:libc'), aligned('old:libc'));
  const tool = pair(aligned('new:tool', ['new:libc', 'new:tool']), aligned('old:tool', ['old:libc', 'old:tool']));
  const alignment = new HashAlignment([libc, tool]);
  const ids = ['old:libc', 'new:libc', 'old:tool', 'new:tool'];
  assert.deepEqual(shown(alignment.mapFor(tool), ids), ['old:libc>new:libc', 'old:tool>new:tool']);
  // libc does not refer to tool, but might hold its hash; and both have the same map
  assert.equal(alignment.mapFor(libc), alignment.mapFor(tool));
});

test("where a base became several paths, the pair's own references decide", () => {
  const one = pair(aligned('1:env'), aligned('old:env'));
  const two = pair(aligned('2:env'), aligned('old:env'));
  const user = pair(aligned('new:user', ['2:env']), aligned('old:user', ['old:env']));
  const other = pair(aligned('new:other'), aligned('old:other'));
  const alignment = new HashAlignment([one, two, user, other]);
  const target = (of: AlignedPair): string | undefined => alignment.mapFor(of).get(hashPart(path('old:env')));
  assert.equal(target(user), hashPart(path('2:env')));
  assert.equal(target(other), hashPart(path('1:env')));
  assert.equal(target(two), hashPart(path('2:env')));
});

test('where nothing refers, the output of the same derivation decides', () => {
  const one = pair(aligned('1:lib', [], '1:a.drv'), aligned('old:lib'));
  const two = pair(aligned('2:lib', [], '2:a.drv'), aligned('old:lib'));
  const doc = pair(aligned('2:lib-doc', [], '2:a.drv'), aligned('old:lib-doc'));
  const map = new HashAlignment([one, two, doc]).mapFor(doc);
  assert.equal(map.get(hashPart(path('old:lib'))), hashPart(path('2:lib')));
});

test('a reference that both have stays, whatever became of it elsewhere', () => {
  const rebuilt = pair(aligned('new:libc'), aligned('old:libc'));
  const keeps = pair(aligned('new:tool', ['old:libc']), aligned('old:tool', ['old:libc']));
  const alignment = new HashAlignment([rebuilt, keeps]);
  assert.equal(alignment.mapFor(keeps).get(hashPart(path('old:libc'))), undefined);
  assert.equal(alignment.mapFor(rebuilt).get(hashPart(path('old:libc'))), hashPart(path('new:libc')));
});

test('references that are no pairs are aligned by name, then by package', () => {
  const tool = pair(
    aligned('new:tool', ['new:same-1', 'new:lib-2', 'new:extra']),
    aligned('old:tool', ['old:lib-1', 'old:same-1', 'old:gone']),
  );
  const map = new HashAlignment([tool]).mapFor(tool);
  const ids = ['new:tool', 'old:tool', 'new:same-1', 'old:same-1', 'new:lib-2', 'old:lib-1'];
  assert.deepEqual(shown(map, ids), ['old:lib-1>new:lib-2', 'old:same-1>new:same-1', 'old:tool>new:tool']);
});

test('a kept path that is also the base of another version stands for itself', () => {
  const next = pair(aligned('new:git-2'), aligned('old:git-1'));
  const user = pair(aligned('new:user', ['old:git-1']), aligned('old:user', ['old:git-1']));
  const third = pair(aligned('new:third'), aligned('old:third'));
  const alignment = new HashAlignment([next, user, third]);
  assert.equal(alignment.mapFor(third).get(hashPart(path('old:git-1'))), undefined);
  assert.equal(alignment.mapFor(next).get(hashPart(path('old:git-1'))), hashPart(path('new:git-2')));
});

test('property: every map has the own hash, keeps what both refer to, and is the same on both sides', () => {
  const id = (world: string): fc.Arbitrary<string> =>
    fc.tuple(fc.nat(6), fc.constantFrom('a', 'b-1', 'b-2')).map(([n, name]) => `${world}${n}:${name}`);
  const side = (world: string): fc.Arbitrary<AlignedPath> =>
    fc
      .tuple(id(world), fc.uniqueArray(fc.oneof(id(world), id('kept')), { maxLength: 5 }))
      .map(([own, references]) => aligned(own, references));
  const pairs = fc.array(fc.tuple(side('new'), side('old')).map(([fresh, base]) => pair(fresh, base)));
  fc.assert(
    fc.property(pairs, (list) => {
      const [here, there] = [new HashAlignment(list), new HashAlignment(structuredClone(list))];
      for (const each of list) {
        const map = here.mapFor(each);
        assert.deepEqual([...map], [...there.mapFor(each)]);
        assert.equal(map.get(hashPart(each.base.path)), hashPart(each.fresh.path));
        for (const reference of each.fresh.references)
          if (each.base.references.includes(reference)) assert.equal(map.get(hashPart(reference)), undefined);
        for (const [from, to] of map) assert.ok(from !== to && from.length === 32 && to.length === 32);
        for (const reference of each.base.references)
          assert.ok(pathName(reference).length > 0 && map.get(hashPart(reference)) !== hashPart(reference));
      }
    }),
  );
});
