// A cache on a machine with narrow: what goes there travels as deltas against what the cache has.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { expectWhole, narinfos } from '../cache/small-caches.ts';
import { command } from '../e2e/narrow.ts';
import { closure, keyPair } from '../lab/closures.ts';
import { freshStore, nixes } from '../lab/nix.ts';
import { install, startPair } from './delta-lab.ts';
import { copies } from './ssh-lab.ts';

test('a rebuild on top of what the cache has costs kilobytes; signed and named over SFTP, every Nix reads it', async () => {
  const [basic, rebuilt, key] = await Promise.all([closure('basic'), closure('rebuilt'), keyPair('lab-1')]);
  await using lab = await startPair(basic, rebuilt);
  await install(lab, 'pi1');
  await lab.exec('pi1', ['narrow', 'cache', 'init', '/root/cache', '--key', 'own.sec', '--url', 'http://cache.home']);
  const to = `ssh://pi1?remote-store=${encodeURIComponent('file:///root/cache?compression=zstd')}`;
  assert.match(await copies(lab, ['--to', to, basic.top]), /which has nothing to rebuild from/);
  const before = (await lab.bytes('pi1')).in;
  assert.match(await copies(lab, ['--to', to, rebuilt.top]), /which rebuilds from 29 paths/);
  const moved = (await lab.bytes('pi1')).in - before;
  // login and all
  assert.ok(moved < 25_000, `${moved} bytes`);
  const cache = join(lab.root('pi1'), 'root/cache');
  assert.equal(narinfos(cache).length, new Set([...basic.paths, ...rebuilt.paths]).size);
  expectWhole(cache, 'rebuilt there');
  const over = ['sftp://pi1/root/cache', '--key', key.secretFile];
  await lab.exec('work', [command, 'cache', 'sign', ...over, '-r', rebuilt.top]);
  const { stderr } = await lab.exec('work', [command, 'push', ...over, '--name', 'pi', rebuilt.top]);
  assert.match(stderr, /nothing to push: all 29 paths are there[^]*generation 1 of pi/);
  for (const nix of nixes()) {
    const store = await freshStore();
    const conf = `trusted-public-keys = ${key.publicKey}\n`;
    await nix.run('nix', ['copy', '--from', `file://${cache}`, '--to', store, rebuilt.top], { conf });
    assert.equal(await nix.complaints(store), undefined);
  }
});
