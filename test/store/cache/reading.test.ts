// Caches that lie or are broken: where a NAR's URL may lead, narinfos of other paths, statuses of web servers.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { cpSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { collect } from '../../../src/bytes/source.ts';
import { isNarrowError } from '../../../src/errors.ts';
import type { ErrorCode } from '../../../src/errors.ts';
import { hashBytes } from '../../../src/model/hash.ts';
import type { PathInfo } from '../../../src/model/path-info.ts';
import { hashPart, parseBaseName } from '../../../src/model/store-path.ts';
import type { CacheStore } from '../../../src/store/cache/cache-store.ts';
import { openFileCache } from '../../../src/store/file.ts';
import { openHttpCache } from '../../../src/store/http.ts';
import { startFaultServer } from '../../lab/fault-server.ts';
import { tempDir } from '../../lab/temp.ts';
import { testContext } from '../../contract/context.ts';
import { directory, file, itemOf, later, sample, sampleClosure, samplePath } from '../../contract/sample.ts';

const none = new URLSearchParams();
const is = (code: ErrorCode, text: RegExp) => (error: unknown) =>
  isNarrowError(error, code) && text.test(error.message);

const [a, b] = await sampleClosure();

/** A new cache with two paths; `change` rewrites the first one's narinfo. */
async function cache(change: (text: string) => string = (text) => text, text = 'compression=none'): Promise<string> {
  const dir = tempDir('cache');
  await using store = await openFileCache(dir, new URLSearchParams(text), testContext(), 'write');
  await Array.fromAsync(store.add(later([itemOf(a), itemOf(b)])));
  const narinfo = join(dir, `${hashPart(a.info.path)}.narinfo`);
  writeFileSync(narinfo, change(readFileSync(narinfo, 'utf8')));
  return dir;
}

const open = (dir: string): Promise<CacheStore> => openFileCache(dir, none, testContext());

async function infoOf(store: CacheStore): Promise<PathInfo> {
  return (await store.pathInfos([a.info.path])).get(a.info.path)!;
}

const withUrl = (url: string) => (text: string) => text.replace(/^URL: .*$/m, `URL: ${url}`);

for (const url of [
  '../secret',
  'nar/../../secret',
  '%2e%2e/secret',
  'nar/%2e%2e%2f..%2fsecret',
  '/etc/passwd',
  'file:///etc/passwd',
  '//host/x',
  'ftp://host/x',
  'x%00y',
  '.',
  '%zz',
]) {
  test(`a NAR's URL that leads out of the directory: ${url}`, async () => {
    const dir = await cache(withUrl(url));
    writeFileSync(join(dir, '../secret'), a.nar);
    await using store = await open(dir);
    await assert.rejects(store.open(await infoOf(store)), is('format', /bad URL of a file in a cache/));
  });
}

test("a NAR's URL may have a query, and be in any folder", async () => {
  const dir = await cache((text) => text.replace(/^URL: (.*)$/m, 'URL: ./$1?hash=x#y'));
  await using store = await open(dir);
  assert.deepEqual(await collect((await store.open(await infoOf(store))).bytes), a.nar);
});

async function elsewhere(): Promise<AsyncDisposable & { readonly url: string; readonly seen: IncomingMessage[] }> {
  const seen: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    seen.push(request);
    response.end(a.nar);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/x.nar`,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test('a NAR on another host is fetched, without credentials', async () => {
  await using other = await elsewhere();
  const dir = await cache(withUrl(other.url));
  await using store = await open(dir);
  assert.deepEqual(await collect((await store.open(await infoOf(store))).bytes), a.nar);
  await using server = await startFaultServer(dir);
  const netrc = join(tempDir('netrc'), 'netrc');
  writeFileSync(netrc, 'default login me password secret\n');
  await using remote = await openHttpCache(server.url, none, testContext({ 'netrc-file': netrc }));
  assert.deepEqual(await collect((await remote.open(await infoOf(remote))).bytes), a.nar);
  assert.equal(other.seen.length, 2);
  assert.ok(other.seen.every((request) => request.headers.authorization === undefined));
  assert.ok(server.requests.every((request) => request.headers.authorization?.startsWith('Basic ')));
});

test('over http URLs are resolved as RFC 3986 says, but never to files', async () => {
  const dir = tempDir('www');
  const inner = await cache(withUrl('/other/x.nar'));
  cpSync(inner, join(dir, 'deep/cache'), { recursive: true });
  cpSync(join(inner, 'nar'), join(dir, 'other'), { recursive: true });
  renameSync(
    join(
      dir,
      'other',
      `${/nar\/(.*)$/m.exec(readFileSync(join(await cache(), `${hashPart(a.info.path)}.narinfo`), 'utf8'))![1]}`,
    ),
    join(dir, 'other/x.nar'),
  );
  await using server = await startFaultServer(dir);
  await using store = await openHttpCache(`${server.url}/deep/cache/`, none, testContext());
  assert.deepEqual(await collect((await store.open(await infoOf(store))).bytes), a.nar);
  writeFileSync(
    join(dir, 'deep/cache', `${hashPart(a.info.path)}.narinfo`),
    withUrl('file:///etc/passwd')(readFileSync(join(inner, `${hashPart(a.info.path)}.narinfo`), 'utf8')),
  );
  await assert.rejects(store.open(await infoOf(store)), is('format', /only http and https are followed/));
});

test('a narinfo about another path is no answer, and is warned of', async () => {
  const dir = await cache((text) => text.replace('a-1.0', 'other-1.0'));
  const context = testContext();
  await using store = await openFileCache(dir, none, context);
  assert.equal((await store.pathInfos([a.info.path])).size, 0);
  assert.match(context.warnings.join(), /asked for .*-a-1\.0, but the narinfo in file:.*\.narinfo is of .*-other-1\.0/);
  assert.equal(await store.pathByHashPart(hashPart(a.info.path)), a.info.path.replace('a-1.0', 'other-1.0'));
  const moved = await cache((text) => text.replace(/\/nix\/store\/\w{32}/, `/nix/store/${hashPart(b.info.path)}`));
  await using second = await openFileCache(moved, none, context);
  assert.equal(await second.pathByHashPart(hashPart(a.info.path)), undefined);
});

test('a malformed narinfo is invalid, with file and line', async () => {
  await using store = await open(await cache((text) => text.replace(/^NarSize: .*$/m, 'NarSize: many')));
  await assert.rejects(infoOf(store), is('format', /bad NarSize of narinfo in line \d of file:.*narinfo/));
});

test('no cache where none is', async () => {
  await assert.rejects(
    open(join(tempDir('none'), 'at-all')),
    is('missing', /is no binary cache: it has no nix-cache-info/),
  );
  await using server = await startFaultServer(tempDir('empty'));
  await assert.rejects(openHttpCache(server.url, none, testContext()), is('missing', /is no binary cache/));
});

test('statuses of a web server', async () => {
  const dir = await cache();
  await using server = await startFaultServer(dir);
  await using store = await openHttpCache(server.url, none, testContext());
  const info = await infoOf(store);
  for (const fault of [403, 404, 410] as const) {
    server.faults = { fault };
    assert.equal((await store.pathInfos([a.info.path])).size, 0);
    await assert.rejects(store.open(info), is('missing', /has the narinfo of .*, but not its NAR/));
  }
  server.faults = { fault: 401 };
  await assert.rejects(store.pathInfos([a.info.path]), is('refused', /HTTP 401/));
  server.faults = { fault: 500 };
  await assert.rejects(store.pathInfos([a.info.path]), is('unavailable', /narinfo: HTTP 500 .*5 tries/));
  server.faults = { fault: 'html', match: /narinfo/ };
  await assert.rejects(store.pathInfos([a.info.path]), is('format', /bad narinfo/));
  server.faults = { fault: 403, match: /nix-cache-info/ };
  await assert.rejects(openHttpCache(server.url, none, testContext()), is('refused', /nix-cache-info: HTTP 403/));
});

test('the listing and ranges serve single files of an uncompressed NAR', async () => {
  const dir = await cache(undefined, 'compression=none&write-nar-listing=1');
  await using server = await startFaultServer(dir);
  await using store = await openHttpCache(server.url, none, testContext());
  const info = (await store.pathInfos([b.info.path])).get(b.info.path)!;
  const tree = await store.tree(info);
  const [name] = (await tree.list([])).slice(2);
  assert.equal((await collect(tree.read([name!], { offset: 1, length: 3 }))).toString(), 'ont');
  assert.ok(server.requests.some((request) => /^bytes=\d+-\d+$/.test(request.range ?? '')));
});

test('realisations a web server cannot be asked for are refused by name, fixed outputs are not', async () => {
  const dir = await cache();
  const warned = testContext();
  await using server = await startFaultServer(dir);
  await using store = await openHttpCache(server.url, none, warned);
  const ca = { method: 'nar' as const, hash: hashBytes('x') };
  const deriver = parseBaseName(`${samplePath('d')}.drv`);
  const fixed = await sample('fixed', file(''), [], { ca, deriver });
  const floating = await sample('floating', directory({}), [a.info.path], { ca, deriver });
  assert.deepEqual(await store.realisations([a.info, b.info]), []);
  assert.deepEqual(await store.realisations([fixed.info]), []);
  assert.match(warned.warnings.join(), /taken as fixed outputs: .*-fixed/);
  await assert.rejects(
    store.realisations([floating.info]),
    is('unsupported', /cannot tell the realisations of .*-floating/),
  );
});
