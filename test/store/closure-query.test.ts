// A closure is one question to a store that knows closures, one a level to others; what comes out is the same.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { walkClosure } from '../../src/closure/walk.ts';
import { parseHash } from '../../src/model/hash.ts';
import type { PathInfo } from '../../src/model/path-info.ts';
import type { StorePath } from '../../src/model/store-path.ts';
import { parseBaseName } from '../../src/model/store-path.ts';
import { closureQuery } from '../../src/store/closure-query.ts';
import type { Store } from '../../src/store/store.ts';

const path = (name: string): StorePath => parseBaseName(`${name.repeat(32)}-${name}`);
const [a, b, c, gone] = [path('a'), path('b'), path('c'), path('g')];
const narHash = parseHash(`sha256:${'0'.repeat(64)}`);
const infos = new Map<StorePath, PathInfo>(
  [
    { path: a, references: [a, b] },
    { path: b, references: [c, gone] },
    { path: c, references: [] },
  ].map((info) => [info.path, { ...info, narHash, narSize: 1, signatures: [] }]),
);

/** Only what is asked for here. */
function storeOf(knowsClosures: boolean, asked: string[]): Store {
  const pathInfos = async (paths: Iterable<StorePath>): Promise<Map<StorePath, PathInfo>> => {
    const wanted = [...paths];
    asked.push(wanted.map((one) => one.slice(-1)).join());
    return new Map(wanted.filter((one) => infos.has(one)).map((one) => [one, infos.get(one)!]));
  };
  const closureInfos = async (paths: Iterable<StorePath>): Promise<Map<StorePath, PathInfo>> => {
    asked.push(`closure of ${[...paths].map((one) => one.slice(-1)).join()}`);
    return infos;
  };
  return { pathInfos, ...(knowsClosures ? { closureInfos } : {}) } as Partial<Store> as Store;
}

for (const [name, knows, questions] of [
  ['level by level', false, ['a', 'b', 'c,g']],
  ['at once', true, ['closure of a']],
] as const) {
  test(name, async () => {
    const asked: string[] = [];
    const { infos: found, missing } = await walkClosure(closureQuery(storeOf(knows, asked)), [a]);
    assert.deepEqual([...found.keys()], [c, b, a]);
    assert.deepEqual(missing, [{ path: gone, referrer: b }]);
    assert.deepEqual(asked, questions);
  });
}
