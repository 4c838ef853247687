import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseContentAddress, contentAddressedPath } from '../../src/model/content-address.ts';
import { formatHash, hashBytes } from '../../src/model/hash.ts';
import type { PathInfo } from '../../src/model/path-info.ts';
import type { StorePath } from '../../src/model/store-path.ts';
import { defaultStoreDir, parseBaseName } from '../../src/model/store-path.ts';
import type { Verdict } from '../../src/store/store.ts';
import { expectAccepted, makePlan } from '../../src/transfer/plan.ts';

const info = (n: number, more: Partial<PathInfo> = {}): PathInfo => ({
  path: parseBaseName(`${String(n).padStart(32, '0')}-p${n}`),
  narHash: hashBytes(String(n)),
  narSize: 100 * n,
  references: [],
  signatures: [],
  ...more,
});
const planOf = (infos: readonly PathInfo[], verdicts: readonly Verdict[]): ReturnType<typeof makePlan> =>
  makePlan(
    defaultStoreDir,
    new Map(infos.map((i) => [i.path, i])),
    new Map<StorePath, Verdict>(infos.map((i, at) => [i.path, verdicts[at]!])),
  );

test('each verdict goes to its place, and sizes are those of what moves', () => {
  const infos = [info(1), info(2), info(3), info(4), info(5)];
  const plan = planOf(infos, [
    { status: 'missing' },
    { status: 'valid', newSignatures: [] },
    { status: 'valid', newSignatures: ['k:x'] },
    { status: 'differs', why: 'other bytes' },
    { status: 'refused', why: 'no key', hint: 'sign it' },
  ]);
  assert.deepEqual(plan.missing, [infos[0]]);
  assert.equal(plan.valid, 2);
  assert.deepEqual(plan.toSign, [{ info: infos[2], signatures: ['k:x'] }]);
  assert.deepEqual(plan.differs, [{ path: infos[3]!.path, why: 'other bytes' }]);
  assert.equal(plan.narSize, 100);
  assert.equal(plan.fileSize, undefined);
  assert.throws(() => expectAccepted(plan, 'there'), {
    code: 'refused',
    hint: 'sign it',
    message: /there would refuse 1 of 5 paths\n {2}0+5-p5 no key/,
  });
});

test('unsigned counts what has neither signature nor a content address that holds', () => {
  const ca = parseContentAddress(`fixed:r:${formatHash(hashBytes('x'))}`);
  const path = contentAddressedPath(defaultStoreDir, ca, 'fixed', { others: [], self: false });
  const infos = [info(1), info(2, { signatures: ['k:x'] }), info(3, { path, ca }), info(4, { ca })];
  assert.equal(
    planOf(
      infos,
      infos.map(() => ({ status: 'missing' }) as const),
    ).unsigned,
    2,
  );
});

test('the wire size is known only when every file size is', () => {
  const file = { url: 'nar/x', compression: 'xz', size: 7 };
  assert.equal(planOf([info(1, { file })], [{ status: 'missing' }]).fileSize, 7);
  assert.equal(
    planOf([info(1, { file }), info(2)], [{ status: 'missing' }, { status: 'missing' }]).fileSize,
    undefined,
  );
});
