// A cache at home, from its making to its thinning, with the commands as people type them; every Nix reads what is left.

import assert from 'node:assert/strict';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { age, expectWhole, narinfos } from '../cache/small-caches.ts';
import { closure } from '../lab/closures.ts';
import type { Closure } from '../lab/closures.ts';
import { startNginx } from '../lab/nginx.ts';
import type { Nginx } from '../lab/nginx.ts';
import { freshStore, nixes } from '../lab/nix.ts';
import type { Nix } from '../lab/nix.ts';
import { tempDir } from '../lab/temp.ts';
import { fails, narrow } from './narrow.ts';

const hour = 3_600_000;
const day = 24 * hour;
const dir = tempDir('cache-e2e');
const cache = join(dir, 'cache');
const keyFile = join(dir, 'home.sec');
let basic: Closure;
let updated: Closure;
let publicKey: string;

const json = async (...args: string[]): Promise<Record<string, unknown>> =>
  JSON.parse((await narrow([...args, '--json'])).stdout) as Record<string, unknown>;

const push = (one: Closure, ...more: string[]): Promise<Record<string, unknown>> =>
  json('push', `${cache}?compression=zstd`, '--from', one.root, '--key', keyFile, one.top, ...more);

before(async () => {
  [basic, updated] = await Promise.all([closure('basic'), closure('updated')]);
  const made = await json(
    'cache',
    'init',
    cache,
    '--key',
    keyFile,
    '--key-name',
    'home-1',
    '--url',
    'http://cache.home',
  );
  publicKey = made['publicKey'] as string;
});

async function expectReadable(nix: Nix, url: string, { top, paths }: Closure): Promise<void> {
  const to = await freshStore();
  await nix.run('nix', ['copy', '--from', url, '--to', to, top], { conf: `trusted-public-keys = ${publicKey}\n` });
  assert.equal(await nix.complaints(to), undefined);
  assert.deepEqual((await nix.store(to, '-qR', top)).split('\n').sort(), [...paths].sort());
}

/** nginx with the very site that is printed, but for port and log. */
async function serve(): Promise<Nginx> {
  const args = ['cache', 'init', cache, '--key', keyFile, '--url', 'http://127.0.0.1:8080', '--nginx'];
  const site = (await narrow(args)).stdout.replace(/access_log \S+/, `access_log ${join(dir, 'access.log')}`);
  return startNginx(cache, { site: (port) => site.replace('listen 8080', `listen 127.0.0.1:${port}`) });
}

test('init makes cache and key once, and never changes them', async () => {
  assert.equal(
    readFileSync(join(cache, 'nix-cache-info'), 'utf8'),
    'StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n',
  );
  assert.equal(statSync(keyFile).mode & 0o777, 0o600);
  const secret = readFileSync(keyFile);
  const again = await narrow(['cache', 'init', cache, '--key', keyFile, '--url', 'http://cache.home']);
  assert.deepEqual(readFileSync(keyFile), secret);
  assert.match(again.stdout, new RegExp(`^extra-trusted-public-keys = ${publicKey.replaceAll('+', '\\+')}$`, 'm'));
  assert.match(again.stdout, /^extra-substituters = http:\/\/cache\.home\?priority=30$/m);
  assert.match(again.stdout, /trusted-public-keys = \[ "home-1:/);
  await fails(2, ['cache', 'init', cache, '--key', join(cache, 'key.sec'), '--url', 'http://x']);
  await fails(2, ['cache', 'init', cache, '--key', keyFile, '--url', 'cache.home']);
  await fails(1, ['cache', 'init', 'http://cache.home', '--key', keyFile, '--url', 'http://x']);
  const nixos = await narrow(['cache', 'init', cache, '--key', keyFile, '--url', 'http://cache.home', '--nixos']);
  for (const nix of nixes().slice(0, 1)) {
    const file = join(dir, 'configuration.nix');
    writeFileSync(file, `{ pkgs, ... }: {\n${nixos.stdout}\n}\n`);
    await nix.run('nix-instantiate', ['--parse', file], { store: tempDir('parse') });
  }
});

test('generations are pushed, listed, thinned; what is kept every Nix reads, from the disk and from nginx', async () => {
  const first = await push(basic, '--name', 'fnord');
  assert.deepEqual([first['name'], first['generation']], ['fnord', 1]);
  assert.equal((await push(updated, '--name', 'fnord'))['generation'], 2);
  const ls = await json('cache', 'ls', cache);
  assert.deepEqual(
    (ls['names'] as { generations: { generation: number; paths: string[] }[] }[])[0]!.generations.map((g) => [
      g.generation,
      ...g.paths,
    ]),
    [
      [2, updated.top],
      [1, basic.top],
    ],
  );
  const info = await json('cache', 'info', cache);
  assert.deepEqual(
    [info['paths'], info['pins'], info['pushing']],
    [new Set([...basic.paths, ...updated.paths]).size, 0, 0],
  );
  age(cache, 2 * day);
  const plan = await json('cache', 'gc', cache, '--keep-generations', '2', '--dry-run');
  assert.deepEqual(plan['removed'], []);
  const names = readdirSync(cache).length;
  const less = await json('cache', 'gc', cache, '--keep-generations', '1', '--dry-run');
  assert.equal(readdirSync(cache).length, names);
  const done = await json('cache', 'gc', cache, '--keep-generations', '1');
  assert.deepEqual([done['bytes'], done['removed']], [less['bytes'], less['removed']]);
  assert.equal(narinfos(cache).length, updated.paths.length);
  expectWhole(cache, 'after gc');
  assert.equal(
    (await json('cache', 'verify', cache, '--trusted-public-key', publicKey))['paths'],
    updated.paths.length,
  );
  await using nginx = await serve();
  for (const nix of nixes()) for (const url of [`file://${cache}`, nginx.url]) await expectReadable(nix, url, updated);
});

test('the newest of a name is fetched from the site, and never an older one', async () => {
  await using nginx = await serve();
  const to = await freshStore();
  const trust = ['--trusted-public-key', publicKey];
  const copy = ['copy', '--from', nginx.url, '--to', to];
  assert.match(
    await fails(1, [...copy, 'name:fnord']),
    /lacks a valid signature by a trusted key: it is signed by home-1/,
  );
  await narrow([...copy, ...trust, 'name:fnord']);
  assert.equal((await nixes()[0]!.store(to, '-qR', updated.top)).split('\n').length, updated.paths.length);
  assert.match(await fails(1, [...copy, ...trust, 'name:other']), /has no generations of other/);
  const [latest, one] = ['latest', '2'].map((name) => join(cache, 'narrow/names/fnord', name)) as [string, string];
  const kept = readFileSync(latest);
  rmSync(latest);
  rmSync(one);
  writeFileSync(join(cache, 'narrow/names/fnord/1'), kept.toString().replace('Generation: 2', 'Generation: 1'));
  assert.match(
    await fails(1, [...copy, '--no-check-sigs', 'name:fnord']),
    /generation 1 of fnord, but generation 2 was seen/,
  );
  writeFileSync(latest, kept);
  writeFileSync(one, kept);
  rmSync(join(cache, 'narrow/names/fnord/1'));
  assert.match(await fails(2, ['copy', '--from', basic.root, '--to', to, 'name:fnord']), /no source is one/);
});

test('one cache is filled from another, by the name', async () => {
  await using nginx = await serve();
  const second = join(dir, 'second');
  const args = [
    'push',
    second,
    '--from',
    nginx.url,
    '--trusted-public-key',
    publicKey,
    '--name',
    'fnord',
    'name:fnord',
  ];
  await narrow(args);
  assert.equal(narinfos(second).length, updated.paths.length);
  assert.ok(existsSync(join(second, 'narrow/names/fnord/1')));
});

test('the site: ranges, types, caching, and 404 for what is none of a client', async () => {
  await using nginx = await serve();
  const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${nginx.url}/${path}`, { headers });
  const [name] = narinfos(cache);
  const narinfo = await get(name!);
  assert.equal(narinfo.headers.get('content-type'), 'text/x-nix-narinfo');
  const url = /^URL: (.*)$/m.exec(await narinfo.text())![1]!;
  const nar = await get(url, { range: 'bytes=0-3' });
  assert.deepEqual([nar.status, (await nar.arrayBuffer()).byteLength], [206, 4]);
  assert.equal(nar.headers.get('content-type'), 'application/x-nix-nar');
  assert.match(nar.headers.get('cache-control')!, /immutable/);
  assert.equal((await get('nix-cache-info')).headers.get('content-type'), 'text/x-nix-cache-info');
  assert.equal((await get('narrow/names/fnord/latest')).status, 200);
  mkdirSync(join(cache, 'narrow/leases'), { recursive: true });
  writeFileSync(join(cache, 'nar/x.tmp.1.2'), 'x');
  for (const hidden of ['narrow/index', 'narrow/leases/', 'nar/x.tmp.1.2', `${'0'.repeat(32)}.narinfo`, 'nar/', ''])
    assert.ok([403, 404].includes((await get(hidden)).status), hidden);
  rmSync(join(cache, 'nar/x.tmp.1.2'));
});

test('by the log of the web server: what clients fetched stays', async () => {
  await push(basic);
  age(cache, 20 * day);
  rmSync(join(dir, 'access.log'), { force: true });
  await using nginx = await serve();
  await expectReadable(nixes()[0]!, nginx.url, basic);
  const log = join(dir, 'access.log');
  const args = ['cache', 'gc', cache, '--older-than', '14d', '--access-log', log];
  const early = await narrow([...args, '--dry-run', '--json']);
  assert.match(early.stderr, /the log begins at/);
  appendFileSync(log, '1.1.1.1 - - [01/Jan/2020:00:00:00 +0000] "GET /x HTTP/1.1" 404 0 "-" "-"\n');
  const { removed, kept } = (await json(...args)) as { removed: unknown[]; kept: { used: number } };
  assert.deepEqual(removed, []);
  assert.equal(kept.used, basic.paths.filter((path) => !updated.paths.includes(path)).length);
  assert.match(
    await fails(1, ['cache', 'gc', cache, '--older-than', '1d', '--access-log', keyFile]),
    /no line with a date/,
  );
  const { removed: gone } = (await json('cache', 'gc', cache, '--older-than', '14d')) as { removed: unknown[] };
  assert.equal(gone.length, kept.used);
});

test('pins stay whatever is asked for, until they are taken away', async () => {
  await push(basic);
  await narrow(['cache', 'pin', cache, '--as', 'rescue', basic.top]);
  age(cache, 2 * day);
  const gone = await narrow(['cache', 'gc', cache, '--max-size', '1K', '--json'], { mayFail: true });
  assert.equal(gone.status, 3, 'not everything that was asked for could go');
  assert.equal(narinfos(cache).length, new Set([...basic.paths, ...updated.paths]).size);
  assert.match(await fails(1, ['cache', 'unpin', cache, 'other']), /has no pin other/);
  await narrow(['cache', 'unpin', cache, 'rescue']);
  await narrow(['cache', 'gc', cache, '--max-size', '1K'], { mayFail: true });
  assert.equal(narinfos(cache).length, updated.paths.length);
  assert.match(await fails(1, ['cache', 'pin', cache, basic.top]), /does not have/);
});

test('what nobody can mean is refused', async () => {
  assert.match(await fails(2, ['cache', 'gc', cache]), /nothing says what is to go/);
  assert.match(await fails(2, ['cache', 'gc', cache, '--older-than', 'long']), /14d/);
  assert.match(await fails(2, ['push', cache, '--name', '../x', basic.top]), /bad name/);
  assert.match(await fails(1, ['cache', 'info', basic.root]), /no binary cache/);
  assert.match(await fails(1, ['cache', 'info', `local?root=${basic.root}`]), /no static cache/);
  const empty = join(dir, 'empty');
  await narrow(['cache', 'init', empty, '--key', keyFile, '--url', 'http://x']);
  assert.match(await fails(2, ['cache', 'gc', empty, '--keep-generations', '1']), /neither pins nor names/);
  await using nginx = await serve();
  assert.match(await fails(1, ['cache', 'gc', nginx.url, '--older-than', '1d']), /cannot be listed/);
});

test('verify names everything that is wrong, stats what fills it', async () => {
  const broken = join(dir, 'broken');
  await narrow(['push', `${broken}?compression=zstd`, '--from', basic.root, '--name', 'n', basic.top]);
  const verify = async (...more: string[]): Promise<string[]> => {
    const result = await narrow(['cache', 'verify', broken, '--json', ...more], { mayFail: true });
    const { problems } = JSON.parse(result.stdout) as { problems: { kind: string }[] };
    assert.equal(result.status, problems.length > 0 ? 3 : 0);
    return problems.map(({ kind }) => kind).sort();
  };
  assert.deepEqual(await verify('--no-trust'), []);
  assert.ok((await verify()).every((kind) => kind === 'signatures'));
  const stats = await json('cache', 'stats', broken);
  assert.equal(stats['paths'], basic.paths.length);
  const narinfo = (path: string): string => join(broken, `${path.slice('/nix/store/'.length).slice(0, 32)}.narinfo`);
  const nar = (path: string): string => join(broken, /^URL: (.*)$/m.exec(readFileSync(narinfo(path), 'utf8'))![1]!);
  const { bash, hello, coreutils, libc, ncurses } = basic.named as Record<string, string>;
  const bytes = readFileSync(nar(bash!));
  bytes[bytes.length - 5]! ^= 1;
  writeFileSync(nar(bash!), bytes);
  rmSync(nar(hello!));
  truncateSync(nar(coreutils!), 100);
  rmSync(narinfo(libc!));
  writeFileSync(narinfo(ncurses!), 'nonsense\n');
  const found = await verify('--no-trust');
  assert.deepEqual([...new Set(found)], ['closure', 'contents', 'file', 'narinfo']);
  assert.deepEqual([...new Set(await verify('--no-trust', '--no-contents'))], ['closure', 'file', 'narinfo']);
});

test('repair mends what verify finds, sign adds a key; every Nix reads what comes of it', async () => {
  const [broken, second] = [join(dir, 'broken'), join(dir, 'home-2.sec')];
  const repair = ['cache', 'repair', broken, '--no-trust'];
  await fails(2, repair);
  const plan = await json(...repair, '--from', basic.root, '--dry-run');
  assert.deepEqual(plan['unmended'], []);
  await fails(3, ['cache', 'verify', broken, '--no-trust']);
  const done = await json(...repair, '--from', basic.root);
  assert.equal((done['mended'] as unknown[]).length, done['problems']);
  await narrow(['cache', 'verify', broken, '--no-trust']);
  for (const checking of [['verify'], ['repair', '--from', basic.root]])
    assert.match(await fails(3, ['cache', ...checking, broken]), /hint: --trusted-public-key KEY .*--no-trust/);
  const { publicKey: other } = await json('key', 'generate', 'home-2', '--out', second);
  await narrow(['cache', 'sign', broken, '--key', keyFile, '--key', second]);
  for (const key of [publicKey, other as string])
    await narrow(['cache', 'verify', broken, '--trusted-public-key', key]);
  for (const nix of nixes()) await expectReadable(nix, `file://${broken}`, basic);
});

test('what an upstream signs is left to it, and looked for there', async () => {
  const [upstream, thin] = [join(dir, 'upstream'), join(dir, 'thin')];
  await narrow(['push', upstream, '--from', basic.root, '--key', keyFile, basic.named['libc']!]);
  const trust = ['--trusted-public-key', publicKey];
  const skip = ['--skip-upstream', `file://${upstream}`, ...trust];
  const pushed = await json('push', thin, '--from', basic.root, '--key', keyFile, ...skip, basic.named['hello']!);
  assert.ok((pushed['plan'] as { upstream: string[] }).upstream.includes(basic.named['libc']!));
  assert.equal((await json('cache', 'verify', thin, ...trust))['paths'], narinfos(thin).length);
  await fails(3, ['cache', 'verify', thin, '--no-upstream', ...trust]);
  const to = await freshStore();
  await narrow([
    'copy',
    '--from',
    `file://${thin}`,
    '--from',
    `file://${upstream}`,
    '--to',
    to,
    ...trust,
    basic.named['hello']!,
  ]);
  assert.ok(existsSync(join(to, basic.named['libc']!)));
});
