// How many requests a push into a bucket makes: on a long line each costs as much as a small path itself.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CacheStore } from '../../../src/store/cache/cache-store.ts';
import { openS3Cache } from '../../../src/store/s3.ts';
import type { PathInfo } from '../../../src/model/path-info.ts';
import { testContext } from '../../contract/context.ts';
import { file, itemOf, later, sample } from '../../contract/sample.ts';
import type { Sample } from '../../contract/sample.ts';
import { s3Access, startS3Server } from '../../lab/s3-server.ts';
import type { S3Server } from '../../lab/s3-server.ts';

const base = await sample('base', file('base'));
const above = await Promise.all(
  Array.from({ length: 30 }, (_, i) => sample(`p${i}`, file(`contents ${i}`), [base.info.path])),
);

function open(server: S3Server): Promise<CacheStore> {
  const { url, env } = s3Access(server);
  Object.assign(process.env, env);
  const [bucket = '', search = ''] = url.slice('s3://'.length).split('?');
  return openS3Cache(bucket, new URLSearchParams(`${search}&compression=none`), testContext(), 'write');
}

async function push(store: CacheStore, samples: readonly Sample[]): Promise<string[]> {
  const statuses: string[] = [];
  for await (const { status } of store.add(later(samples.map((one) => itemOf(one))))) statuses.push(status);
  return statuses;
}

const infosOf = (samples: readonly Sample[]): PathInfo[] => samples.map(({ info }) => info);

/** `GET narinfo` → how many since. */
function counted(server: S3Server): Record<string, number> {
  const kinds = server.requests.splice(0).map(({ method, key }) => `${method} ${key.replace(/^.*[./]/, '')}`);
  return Object.fromEntries([...Map.groupBy(kinds, (kind) => kind)].map(([kind, all]) => [kind, all.length]));
}

test('three requests a small path: one question, its NAR, its narinfo', async () => {
  await using server = await startS3Server();
  await using store = await open(server);
  await push(store, [base]);
  await using other = await open(server);
  counted(server);
  await other.check(infosOf(above));
  assert.deepEqual(counted(server), { 'GET narinfo': 30 });
  assert.deepEqual(new Set(await push(other, above)), new Set(['added']));
  const { 'HEAD narinfo': references, ...rest } = counted(server);
  assert.deepEqual(rest, { 'PUT nar': 30, 'PUT narinfo': 30 });
  assert.equal(references, 1, 'what all of them refer to is looked at once');
});

test('what is no cache yet is listed, not asked for each path', async () => {
  await using server = await startS3Server();
  const many = await Promise.all(Array.from({ length: 300 }, (_, i) => sample(`q${i}`, file(`contents ${i}`))));
  await using other = await open(server);
  await push(other, many.slice(0, 2));
  await other.files.remove('nix-cache-info');
  await using store = await open(server);
  counted(server);
  const verdicts = await store.check(infosOf(many));
  assert.deepEqual(
    infosOf(many).map(({ path }) => verdicts.get(path)!.status),
    [...Array<string>(2).fill('valid'), ...Array<string>(298).fill('missing')],
  );
  assert.deepEqual(counted(server), { 'GET ': 2, 'GET narinfo': 2 });
  await push(store, many.slice(290));
  assert.equal(counted(server)['GET narinfo'], undefined);
});

test('what was found missing is asked for again when that was long ago, or used before', async (t) => {
  await using server = await startS3Server();
  await using store = await open(server);
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
  await store.check([base.info]);
  t.mock.timers.tick(61_000);
  await using other = await open(server);
  assert.deepEqual(await push(other, [base]), ['added']);
  assert.deepEqual(await push(store, [base]), ['valid']);
  await store.files.remove(`${base.info.path.slice(0, 32)}.narinfo`);
  await store.check([base.info]);
  assert.deepEqual(await push(store, [base]), ['added']);
  assert.deepEqual(await push(store, [base]), ['valid']);
});
