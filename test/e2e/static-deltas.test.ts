// Deltas that lie in a static cache: laid by a push, fetched from nginx in a few requests, not seen by Nix.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { closure, copyOfStore } from '../lab/closures.ts';
import type { Closure } from '../lab/closures.ts';
import { startNginx } from '../lab/nginx.ts';
import type { Nginx } from '../lab/nginx.ts';
import { nixes } from '../lab/nix.ts';
import { tempDir } from '../lab/temp.ts';
import { narrow } from './narrow.ts';

const dir = tempDir('static-deltas');
const keyFile = join(dir, 'home.sec');
let publicKey: string;
let basic: Closure;
let rebuilt: Closure;
let updated: Closure;
/** One store that has them all, as that of the machine that pushes. */
let builder: string;

before(async () => {
  [basic, rebuilt, updated] = await Promise.all([closure('basic'), closure('rebuilt'), closure('updated')]);
  await narrow(['key', 'generate', 'home-1', '--out', keyFile]);
  publicKey = (await narrow(['key', 'public', keyFile])).stdout.trim();
  builder = await copyOfStore(basic.root);
  for (const { root, top } of [rebuilt, updated])
    await narrow(['copy', '--no-check-sigs', '--from', `local?root=${root}`, '--to', `local?root=${builder}`, top]);
});

const deltaFiles = (cache: string, end = '.delta'): string[] =>
  existsSync(join(cache, 'narrow/deltas'))
    ? readdirSync(join(cache, 'narrow/deltas'))
        .filter((name) => name.endsWith(end))
        .map((name) => join(cache, 'narrow/deltas', name))
    : [];

async function push(cache: string, { top }: Closure, ...more: string[]): Promise<string> {
  const url = cache.includes('?') ? cache : `${cache}?compression=zstd`;
  const from = `local?root=${builder}`;
  return (await narrow(['push', '--from', from, '--key', keyFile, '--name', 'fnord', ...more, url, top])).stderr;
}

/** A cache with `basic`, and deltas from it to `rebuilt`. */
async function cacheWithDelta(): Promise<string> {
  const cache = join(tempDir('cache'), 'cache');
  await push(cache, basic);
  await push(cache, rebuilt, '--deltas');
  return cache;
}

async function fetch(url: string, root: string, what = 'name:fnord', ...more: string[]): Promise<string> {
  const to = `local?root=${root}`;
  return (await narrow(['copy', '--from', url, '--to', to, '--trusted-public-key', publicKey, what, ...more])).stderr;
}

async function expectThere(root: string, { top, paths }: Closure): Promise<void> {
  for (const nix of nixes()) {
    assert.equal(await nix.complaints(root), undefined, nix.label);
    assert.deepEqual((await nix.store(root, '-qR', top)).split('\n').sort(), [...paths].sort());
  }
  await narrow(['verify', '--store', `local?root=${root}`, '--trusted-public-key', publicKey, '-r', top]);
}

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
