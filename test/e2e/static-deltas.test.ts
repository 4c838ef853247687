// Deltas that lie in a static cache: laid by a push, fetched from nginx in a few requests, not seen by Nix.

import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { copyOfStore } from '../lab/closures.ts';
import { startNginx } from '../lab/nginx.ts';
import type { Nginx } from '../lab/nginx.ts';
import { freshStore, nixes } from '../lab/nix.ts';
import { fails, narrow } from './narrow.ts';
import {
  basic,
  cacheWithDelta,
  deltaFiles,
  expectThere,
  fetch,
  keyFile,
  publicKey,
  push,
  rebuilt,
  updated,
} from './pushed-deltas.ts';

/** Requests and bytes of bodies since nginx was started. */
function traffic(server: Nginx): { requests: number; bytes: number; nars: number; narinfos: number } {
  const lines = server.log();
  const bytes = lines.reduce((sum, line) => sum + Number(line.split(' ')[3]), 0);
  const count = (part: string): number => lines.filter((line) => line.includes(part)).length;
  return { requests: lines.length, bytes, nars: count(' /nar/'), narinfos: count('.narinfo') };
}

test('a client that has the generation before fetches one file from nginx', async () => {
  const cache = await cacheWithDelta();
  const [file] = deltaFiles(cache);
  for (const what of ['name:fnord', rebuilt.top]) {
    await using server = await startNginx(cache);
    const root = await copyOfStore(basic.root);
    const said = await fetch(server.url, root, what);
    assert.match(said, /by a delta that lies there, .* from \/nix\/store\/.*\n/);
    assert.match(said, /moved as a static delta for/);
    await expectThere(root, rebuilt);
    const { requests, bytes, nars, narinfos: infos } = traffic(server);
    assert.deepEqual([nars, infos], [0, 0]);
    assert.ok(requests <= 10, `${requests} requests`);
    assert.ok(bytes < statSync(file!).size + 2500, `${bytes} bytes`);
    assert.ok(bytes < rebuilt.paths.length * 160 + 4000, `${bytes} bytes`);
  }
});

test('nginx with the site that is printed serves them, and every Nix reads the cache as if they were not there', async () => {
  const cache = await cacheWithDelta();
  const args = ['cache', 'init', cache, '--key', keyFile, '--url', 'http://127.0.0.1:8080', '--nginx'];
  const site = (await narrow(args)).stdout.replace(/access_log .*\n/, '');
  await using server = await startNginx(cache, {
    site: (port) => site.replace('listen 8080', `listen 127.0.0.1:${port}`),
  });
  const root = await copyOfStore(basic.root);
  assert.match(await fetch(server.url, root), /by a delta that lies there/);
  await expectThere(root, rebuilt);
  for (const nix of nixes())
    for (const url of [server.url, `file://${cache}`]) {
      const to = await freshStore();
      const conf = `trusted-public-keys = ${publicKey}\n`;
      await nix.run('nix', ['copy', '--from', url, '--to', to, rebuilt.top], { conf });
      assert.equal(await nix.complaints(to), undefined);
    }
  assert.equal((await narrow(['cache', 'verify', cache, '--trusted-public-key', publicKey])).status, 0);
});

test('a client that has no generation, or another one, fetches NARs, and is told why', async () => {
  const cache = await cacheWithDelta();
  await push(cache, updated, '--deltas');
  await using server = await startNginx(cache);
  const empty = await freshStore();
  assert.match(await fetch(server.url, empty, basic.top), /copied/);
  // a chain of two deltas would lead there, and nobody asked for one
  const said = await fetch(server.url, empty);
  assert.match(said, /whole paths, since .* lacks what the deltas of .* are from/);
  await expectThere(empty, updated);
});

test('as many generations before as asked for have deltas, and no more', async () => {
  const cache = await cacheWithDelta();
  await push(cache, updated, '--deltas=2');
  const list = readFileSync(join(cache, 'narrow/deltas', updated.top.slice(11, 43)), 'utf8');
  assert.deepEqual(
    [...list.matchAll(/^From: (.*)$/gm)].map(([, path]) => path),
    [rebuilt.top, basic.top],
  );
  const root = await copyOfStore(basic.root);
  assert.match(await fetch(cache, root), new RegExp(`by a delta that lies there, .* from ${basic.top}`));
  await expectThere(root, updated);
  const again = await push(cache, updated, '--deltas=2');
  assert.match(again, /nothing to push/);
  assert.equal(deltaFiles(cache).length, 3);
});

test('a damaged delta, one that is gone, and one that lies: paths come whole, with a warning', async () => {
  const cache = await cacheWithDelta();
  const [file] = deltaFiles(cache) as [string];
  const whole = readFileSync(file);
  const list = join(cache, 'narrow/deltas', rebuilt.top.slice(11, 43));
  const listed = readFileSync(list, 'utf8');
  const damages: Record<string, () => void> = {
    'a byte': () => writeFileSync(file, whole.with(whole.length >> 1, whole[whole.length >> 1]! ^ 1)),
    'cut off': () => writeFileSync(file, whole.subarray(0, whole.length >> 1)),
    longer: () => appendFileSync(file, whole),
    gone: () => rmSync(file),
    'another list': () => writeFileSync(list, listed.replace(/^Base: .*$/m, `Base: ${'0'.repeat(16)}`)),
    'no list': () => writeFileSync(list, '<html>404</html>'),
  };
  for (const [what, damage] of Object.entries(damages)) {
    writeFileSync(file, whole);
    writeFileSync(list, listed);
    damage();
    const root = await copyOfStore(basic.root);
    const said = await fetch(cache, root);
    assert.match(said, /paths come whole|whole paths, since/, what);
    await expectThere(root, rebuilt);
    if (what !== 'another list') await fails(3, ['cache', 'verify', cache, '--trusted-public-key', publicKey]);
  }
});
