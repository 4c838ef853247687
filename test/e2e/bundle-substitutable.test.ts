// Bundles that leave to a cache what it holds.

import assert from 'node:assert/strict';
import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { closure, copyOfStore, keyPair } from '../lab/closures.ts';
import { startNginx } from '../lab/nginx.ts';
import type { Nginx } from '../lab/nginx.ts';
import { freshStore, nix } from '../lab/nix.ts';
import { tempDir } from '../lab/temp.ts';
import { create, expectWhole, local, validCount } from './bundles.ts';
import { fails, narrow } from './narrow.ts';

/** A cache with `top` and all it needs, signed, and its directory. */
async function cacheOf(top: string, root: string): Promise<{ server: Nginx; dir: string }> {
  const [dir, key] = [tempDir('upstream'), await keyPair('lab-1')];
  const to = `file://${dir}?compression=zstd&secret-key=${key.secretFile}`;
  await narrow(['copy', '--no-check-sigs', '--from', local(root), '--to', to, top]);
  return { server: await startNginx(dir), dir };
}

/** A store with `basic` and `updated`, the second signed by a key of its own. */
async function workshop(): Promise<string> {
  const [basic, updated, key] = [await closure('basic'), await closure('updated'), await keyPair('lab-2')];
  const root = await copyOfStore(basic.root);
  await narrow(['copy', '--no-check-sigs', '--from', local(updated.root), '--to', local(root), updated.top]);
  await narrow(['sign', '--store', local(root), '--key', key.secretFile, '-r', updated.top]);
  return root;
}

test('one service has changed, and a cache has the rest', async () => {
  const [basic, updated] = [await closure('basic'), await closure('updated')];
  const [work, island, dir] = [await workshop(), await freshStore(), tempDir('rest')];
  const { server, dir: cache } = await cacheOf(basic.top, basic.root);
  await using _server = server;
  const file = join(dir, 'a.bundle');
  const made = await create(work, '-o', file, '--substitutable', server.url, '--json', updated.top);
  const { substitutable } = JSON.parse(made.stdout) as { substitutable: Record<string, string> };
  assert.equal(substitutable[basic.named['libc']!], server.url);
  assert.ok(statSync(file).size < 100_000, `${statSync(file).size} bytes`);
  assert.match(
    (await narrow(['bundle', 'show', file])).stdout,
    new RegExp(`To be fetched: \\d+ paths .*${server.url}`),
  );

  const keys = await Promise.all(['lab-1', 'lab-2'].map(async (name) => (await keyPair(name)).publicKey));
  const trust = keys.flatMap((key) => ['--trusted-public-key', key]);
  const apply = ['bundle', 'apply', '--to', local(island), ...trust, file];
  const against = ['bundle', 'verify', ...trust, '--against', local(island), file];

  // the cache lost one: it is named, and nothing is written
  const libc = `${basic.named['libc']!.slice('/nix/store/'.length).slice(0, 32)}.narinfo`;
  const lost = readdirSync(cache).includes(libc);
  assert.ok(lost);
  rmSync(join(cache, libc));
  const said = await fails(1, apply);
  assert.match(said, new RegExp(`it was to be fetched, but ${server.url} does not have .*-libc`));
  assert.match(await fails(3, against), /-libc/);
  assert.equal(await validCount(island), 0);
  const request = join(dir, 'request');
  await fails(3, ['bundle', 'missing', '--to', local(island), '-o', request, file]);
  const answer = join(dir, 'answer.bundle');
  await create(work, '-o', answer, '--request', request);
  assert.ok(statSync(answer).size > 0);

  const again = ['copy', '--no-check-sigs', '--from', local(basic.root), '--to'];
  const key = await keyPair('lab-1');
  await narrow([...again, `file://${cache}?compression=zstd&secret-key=${key.secretFile}`, basic.top]);
  assert.match((await narrow(against)).stderr, /will apply completely .* come from caches/);
  await narrow(apply);
  await expectWhole(island, updated);
});

test('a cache that does not answer, and one whose key is not trusted', async () => {
  const [basic, updated] = [await closure('basic'), await closure('updated')];
  const [work, island, dir] = [await workshop(), await freshStore(), tempDir('silent')];
  const { server } = await cacheOf(basic.top, basic.root);
  const file = join(dir, 'a.bundle');
  await create(work, '-o', file, '--substitutable', server.url, updated.top);
  const second = await keyPair('lab-2');
  const apply = ['bundle', 'apply', '--to', local(island), '--trusted-public-key', second.publicKey, file];
  assert.match(await fails(1, apply), /-libc\S* lacks a valid signature by a trusted key: it is signed by lab-1/);
  await server[Symbol.asyncDispose]();
  assert.match(await fails(1, apply), /it was to be fetched, but .*127\.0\.0\.1/);
  assert.equal(await validCount(island), 0);
  assert.equal(await nix('2.8').complaints(island), undefined);
});

test('only caches can be named, and without parameters', async () => {
  const { root, top } = await closure('basic');
  const file = join(tempDir('named'), 'a.bundle');
  const args = ['bundle', 'create', '--store', local(root), '-o', file, '--substitutable', local(root), top];
  assert.match(await fails(2, args), /cannot be named in a bundle/);
});
