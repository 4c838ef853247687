// What pushes note of caches far away: found again, merged, and never taken for more than a hint.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { runGc } from '../../../src/cache/gc.ts';
import { addPin } from '../../../src/cache/roots.ts';
import { isNarrowError } from '../../../src/errors.ts';
import { formatNarinfo } from '../../../src/format/narinfo.ts';
import { hashBytes } from '../../../src/model/hash.ts';
import type { PathInfo } from '../../../src/model/path-info.ts';
import { hashPart } from '../../../src/model/store-path.ts';
import type { StorePath } from '../../../src/model/store-path.ts';
import { SftpClient } from '../../../src/protocol/sftp/client.ts';
import type { CacheStore } from '../../../src/store/cache/cache-store.ts';
import { openCache } from '../../../src/store/cache/opening.ts';
import { PathHints } from '../../../src/store/cache/path-hints.ts';
import { SftpFiles } from '../../../src/store/cache/sftp-files.ts';
import { HttpFiles } from '../../../src/store/cache/http-files.ts';
import { openS3Cache } from '../../../src/store/s3.ts';
import { httpSettings } from '../../../src/store/http-settings.ts';
import { HttpClient } from '../../../src/transport/http-client.ts';
import { SshHostConnection } from '../../../src/transport/ssh.ts';
import { cacheIn } from '../../cache/small-caches.ts';
import { samplePath } from '../../contract/sample.ts';
import { testContext } from '../../contract/context.ts';
import { s3Access, startS3Server } from '../../lab/s3-server.ts';
import { startNginx } from '../../lab/nginx.ts';
import { tempDir } from '../../lab/temp.ts';

const signature = (name: string): string => `${name}:${Buffer.alloc(64, 7).toString('base64')}`;
const nar = Buffer.from('x');
const hash = hashBytes(nar);

function info(name: string, references: readonly StorePath[] = [], signatures: readonly string[] = []): PathInfo {
  const file = { url: 'nar/one.nar', compression: 'none', hash, size: 1 };
  const rest = { narHash: hash, narSize: 1, deriver: undefined, ca: undefined, file };
  return { path: samplePath(name), references: [...references].sort(), signatures, ...rest };
}

/** A tree of 10,000 paths, root last. */
const many: PathInfo[] = [];
for (let i = 9_999; i >= 0; i--) {
  const children = [1, 2, 3, 4].map((n) => 4 * i + n).filter((child) => child < 10_000);
  many.push(
    info(
      `p${i}`,
      children.map((child) => samplePath(`p${child}`)),
      [signature('home-1')],
    ),
  );
}
const top = many.at(-1)!;
const full = join(tempDir('hints'), 'cache');

function writeCache(dir: string, infos: readonly PathInfo[]): void {
  mkdirSync(join(dir, 'nar'), { recursive: true });
  writeFileSync(join(dir, 'nix-cache-info'), 'StoreDir: /nix/store\n');
  writeFileSync(join(dir, 'nar/one.nar'), nar);
  for (const one of infos) writeFileSync(join(dir, `${hashPart(one.path)}.narinfo`), formatNarinfo(one, '/nix/store'));
}

before(() => writeCache(full, many));

interface Far {
  readonly store: CacheStore;
  /** Requests so far. */
  readonly count: () => number;
}

async function overSftp(root: string, stack: AsyncDisposableStack): Promise<Far> {
  const connection = new SshHostConnection({ name: 'sftp://pi', place: 'localhost', params: new URLSearchParams() });
  const client = await SftpClient.open(connection.start(['/usr/lib/openssh/sftp-server']));
  let calls = 0;
  const counting = new Proxy(client, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        if (key === 'call' || key === 'tell') calls++;
        return Reflect.apply(value, target, args);
      };
    },
  });
  const elsewhere = (): Promise<undefined> => assert.fail('no other host is asked');
  const files = new SftpFiles(counting, { url: 'sftp://pi/cache', root, sync: false, elsewhere });
  const store = stack.use(await openCache(files, new URLSearchParams(), 'write', { warn: () => {} }));
  return { store, count: () => calls };
}

async function overHttp(root: string, stack: AsyncDisposableStack): Promise<Far> {
  const nginx = stack.use(await startNginx(root, { writable: true }));
  const settings = { get: () => undefined, list: () => undefined, flag: () => undefined };
  const client = new HttpClient(await httpSettings(settings as never, new URLSearchParams()), nginx.url);
  const files = new HttpFiles(client, nginx.url);
  const store = stack.use(await openCache(files, new URLSearchParams(), 'write', { warn: () => {} }));
  return { store, count: () => nginx.log().length };
}

/** Over S3, with a segment of these paths. */
async function overS3(infos: readonly PathInfo[], stack: AsyncDisposableStack): Promise<Far> {
  const server = stack.use(await startS3Server());
  const put = (key: string, bytes: Buffer): unknown =>
    server.objects.set(key, { bytes, etag: '"x"', modified: 0, type: '' });
  const hints = new PathHints('/nix/store');
  for (const one of infos) {
    put(`${hashPart(one.path)}.narinfo`, Buffer.from(formatNarinfo(one, '/nix/store')));
    hints.note(one, []);
  }
  put('narrow/paths/1-00000000', hints.segment('all')!);
  const { url, env } = s3Access(server);
  Object.assign(process.env, env);
  const [bucket = '', search = ''] = url.slice('s3://'.length).split('?');
  const store = stack.use(await openS3Cache(bucket, new URLSearchParams(search), testContext(), 'write'));
  return { store, count: () => server.requests.length };
}

async function* nothing(): AsyncGenerator<never, void, undefined> {}

async function check({ store, count }: Far, infos: readonly PathInfo[]): Promise<Record<string, number>> {
  const before = count();
  const verdicts = await store.check(infos);
  const requests = count() - before;
  const counts: Record<string, number> = { requests, valid: 0, missing: 0 };
  for (const verdict of verdicts.values()) counts[verdict.status]!++;
  // what was learnt is noted at the end of a push
  for await (const _ of store.add(nothing()));
  return counts;
}

/** In none of the caches. */
const news = [info('new', [samplePath('p7')]), info('newer', [samplePath('new'), samplePath('p0')])];

for (const [name, open] of [
  ['SFTP', overSftp],
  ['HTTP', overHttp],
] as const)
  test(`10,000 paths over ${name}: one by one the first time, in 50 requests from then on`, async () => {
    await using stack = new AsyncDisposableStack();
    rmSync(join(full, 'narrow'), { recursive: true, force: true });
    const first = await open(full, stack);
    const slow = await check(first, many);
    assert.deepEqual([slow['valid'], slow['missing']], [10_000, 0]);
    assert.ok(slow['requests']! >= 10_000);
    const quick = await check(await open(full, stack), many);
    assert.deepEqual([quick['valid'], quick['missing']], [10_000, 0]);
    assert.ok(quick['requests']! <= 50, `${quick['requests']} requests`);
    const next = await check(await open(full, stack), [...many, ...news]);
    assert.deepEqual([next['valid'], next['missing']], [10_000, 2]);
    assert.ok(next['requests']! <= 50, `${next['requests']} requests`);
    assert.equal(readdirSync(join(full, 'narrow/paths')).filter((file) => file !== 'list').length, 1);
  });

test('10,000 paths over S3 in 50 requests, or one by one', async () => {
  await using stack = new AsyncDisposableStack();
  const far = await overS3(many, stack);
  const next = await check(far, [...many, ...news]);
  assert.deepEqual([next['valid'], next['missing']], [10_000, 2]);
  assert.ok(next['requests']! <= 50, `${next['requests']} requests`);
  await far.store.files.remove(`${hashPart(top.path)}.narinfo`);
  const doubted = await check(far, many.slice(-300));
  assert.deepEqual([doubted['valid'], doubted['missing']], [299, 1]);
  assert.ok(doubted['requests']! >= 300, `${doubted['requests']} requests`);
});

test('notes that are wrong are found out: then each path is looked at', async () => {
  await using stack = new AsyncDisposableStack();
  const dir = join(tempDir('hints-stale'), 'cache');
  const some = many.slice(-500);
  writeCache(dir, some);
  await check(await overSftp(dir, stack), some);
  rmSync(join(dir, `${hashPart(top.path)}.narinfo`));
  const less = await check(await overSftp(dir, stack), some);
  assert.deepEqual([less['valid'], less['missing']], [499, 1]);
  writeCache(dir, some);
  for (const file of readdirSync(join(dir, 'narrow/paths'))) writeFileSync(join(dir, 'narrow/paths', file), 'nonsense');
  const again = await check(await overSftp(dir, stack), some);
  assert.deepEqual([again['valid'], again['missing']], [500, 0]);
});

test('paths that came without a note are found when they are looked at', async () => {
  await using stack = new AsyncDisposableStack();
  const dir = join(tempDir('hints-lost'), 'cache');
  const some = many.slice(-500);
  const known = some.filter(({ path }) => path !== top.path).slice(0, 300);
  writeCache(dir, some);
  await check(await overSftp(dir, stack), known);
  const found = await check(await overSftp(dir, stack), some);
  assert.deepEqual([found['valid'], found['missing']], [500, 0]);
});

test('other contents and new signatures are looked at', async () => {
  await using stack = new AsyncDisposableStack();
  const dir = join(tempDir('hints-differs'), 'cache');
  const some = many.slice(-300);
  writeCache(dir, some);
  await check(await overSftp(dir, stack), some);
  const changed = { ...some[5]!, narHash: hashBytes(Buffer.from('y')) };
  const signed = { ...some[6]!, signatures: [signature('home-2')] };
  const { store } = await overSftp(dir, stack);
  const verdicts = await store.check(some.map((one, i) => (i === 5 ? changed : i === 6 ? signed : one)));
  assert.equal(verdicts.get(changed.path)?.status, 'differs');
  assert.deepEqual(verdicts.get(signed.path), { status: 'valid', newSignatures: signed.signatures });
});

test('several at once lose nothing, and many segments become one', async () => {
  await using stack = new AsyncDisposableStack();
  const dir = join(tempDir('hints-many'), 'cache');
  const upper = many.slice(-2400).reverse();
  const parts = Array.from({ length: 8 }, (_, i) => upper.slice(i * 300, (i + 1) * 300));
  writeCache(dir, parts.flat());
  await Promise.all(parts.slice(0, 6).map(async (part) => check(await overSftp(dir, stack), part)));
  assert.equal(readdirSync(join(dir, 'narrow/paths')).length, 6);
  await check(await overSftp(dir, stack), parts[6]!);
  assert.equal(readdirSync(join(dir, 'narrow/paths')).length, 1);
  const { requests, valid } = await check(await overSftp(dir, stack), parts.slice(0, 7).flat());
  assert.equal(valid, 2100);
  assert.ok(requests! <= 50, `${requests} requests`);
});

test('what is collected is forgotten', async () => {
  await using stack = new AsyncDisposableStack();
  const dir = join(tempDir('hints-gc'), 'cache');
  const some = many.slice(-300);
  writeCache(dir, some);
  await check(await overSftp(dir, stack), some);
  await using store = await cacheIn(dir);
  await addPin(store, 'one', [some[290]!.path]);
  await runGc({ store, keepGenerations: 1, grace: 0 });
  const [segment] = readdirSync(join(dir, 'narrow/paths'));
  assert.ok(segment !== undefined && !existsSync(join(dir, `${hashPart(top.path)}.narinfo`)));
  const found = await check(await overSftp(dir, stack), some);
  assert.equal(found['valid'], readdirSync(dir).filter((name) => name.endsWith('.narinfo')).length);
});

test('a segment keeps what it was given; what contradicts itself is unclear', () => {
  const [a, b] = [info('a', [], [signature('k-1')]), info('b')];
  const hints = new PathHints('/nix/store');
  hints.note(a, ['k-2']);
  hints.note(b, []);
  const other = new PathHints('/nix/store');
  other.note({ ...b, narSize: 2 }, ['k-3']);
  const both = new PathHints('/nix/store');
  for (const one of [hints, other]) both.read(one.segment('noted')!, 'x');
  assert.deepEqual(
    [a, { ...a, signatures: [signature('k-2')] }, { ...a, signatures: [signature('k-3')] }, b, info('c')].map((one) =>
      both.expectation(one),
    ),
    ['there', 'there', 'unclear', 'unclear', 'absent'],
  );
  const again = new PathHints('/nix/store');
  again.read(both.segment('all')!, 'x');
  assert.deepEqual(again.segment('all'), both.segment('all'));
  for (const bad of [Buffer.from('narrow-paths 2\n'), both.segment('all')!.subarray(0, -1), Buffer.alloc(0)])
    assert.throws(
      () => again.read(bad, 'x'),
      (error) => isNarrowError(error, 'format'),
    );
});
