// Pushing to a web server that lets everybody read, and write who has the token or the login: nginx and its WebDAV.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { expectWhole, narinfos } from '../cache/small-caches.ts';
import { closure, keyPair } from '../lab/closures.ts';
import type { Closure } from '../lab/closures.ts';
import { startNginx } from '../lab/nginx.ts';
import type { Nginx } from '../lab/nginx.ts';
import { freshStore, nixes } from '../lab/nix.ts';
import { tempDir } from '../lab/temp.ts';
import { fails, narrow } from './narrow.ts';

const dir = tempDir('push-http');
const token = 'a-token.of_ours==';
let basic: Closure;
let key: Awaited<ReturnType<typeof keyPair>>;

before(async () => {
  basic = await closure('basic');
  key = await keyPair('lab-1');
});

/** nginx that answers 401 to whoever writes without these words. */
function serve(root: string, words: string): Promise<Nginx> {
  const conf = `set $who "$request_method $http_authorization";
    if ($who !~ "^((GET|HEAD) .*|(PUT|DELETE) ${words})$") { return 401; }`;
  return startNginx(root, { writable: true, conf });
}

const push = (url: string): string[] => ['push', url, '--from', basic.root, '--key', key.secretFile, basic.top];

test('a token from the environment or from a file: what was pushed every Nix reads', async () => {
  const cache = join(dir, 'token');
  await using nginx = await serve(cache, `Bearer ${token}`);
  const none = `${nginx.url}?compression=none&retry-attempts=1`;
  assert.match(await fails(1, push(none)), /401.*\n.*NARROW_BEARER_TOKEN/);
  assert.deepEqual(narinfos(cache), []);
  await fails(1, push(none), { env: { NARROW_BEARER_TOKEN: 'another' } });
  const file = join(dir, 'token.txt');
  writeFileSync(file, 'two words\n');
  assert.match(await fails(1, push(`${none}&bearer-token-file=${file}`)), /holds no bearer token/);
  writeFileSync(file, `${token}\n`);
  const pushed = await narrow(push(`${none}&bearer-token-file=${file}`));
  assert.doesNotMatch(pushed.stderr, /warning/);
  assert.equal(narinfos(cache).length, basic.paths.length);
  expectWhole(cache, 'pushed');
  const again = await narrow([...push(none), '--name', 'fnord'], { env: { NARROW_BEARER_TOKEN: token } });
  assert.match(again.stderr, /nothing to push[^]*generation 1 of fnord/);
  for (const nix of nixes()) {
    const to = await freshStore();
    await nix.run('nix', ['copy', '--from', nginx.url, '--to', to, basic.top], {
      conf: `trusted-public-keys = ${key.publicKey}\n`,
    });
    assert.equal(await nix.complaints(to), undefined);
  }
});

test('a login from the netrc file', async () => {
  const cache = join(dir, 'netrc');
  const basicWords = `Basic ${Buffer.from('deploy:secret').toString('base64')}`;
  await using nginx = await serve(cache, basicWords);
  const netrc = join(dir, 'netrc.txt');
  writeFileSync(netrc, 'machine 127.0.0.1 login deploy password secret\n');
  await narrow(push(`${nginx.url}?compression=none`), { env: { NIX_CONFIG: `netrc-file = ${netrc}` } });
  assert.equal(narinfos(cache).length, basic.paths.length);
});
