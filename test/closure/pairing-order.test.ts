import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inOrderOfBases } from '../../src/closure/pairing-order.ts';
import { hashBytes } from '../../src/model/hash.ts';
import type { PathInfo } from '../../src/model/path-info.ts';
import type { StorePath } from '../../src/model/store-path.ts';
import { parseBaseName } from '../../src/model/store-path.ts';

const path = (n: number): StorePath => parseBaseName(`${String(n).padStart(32, '0')}-p${n}`);
const info = (n: number, references: readonly number[] = []): PathInfo => ({
  path: path(n),
  narHash: hashBytes(String(n)),
  narSize: 1,
  references: references.map(path),
  signatures: [],
});

test('new paths come in the order of their bases, references first all the same', () => {
  const bases = new Map([
    [path(1), 7],
    [path(2), 3],
    [path(3), 5],
  ]);
  const infos = [info(1), info(2), info(3, [1, 3, 9]), info(5), info(4)];
  const ordered = inOrderOfBases(infos, (each) => bases.get(each) ?? -1);
  assert.deepEqual([...ordered.keys()], [path(4), path(5), path(2), path(1), path(3)]);
});
