// Buckets between narrow and stock Nix. Of Debian's only the current one speaks S3, and that without signatures: so by it buckets
// that are open to all, by every Nix over plain HTTP, as public buckets are read; and Swift, which checks signatures, by narrow.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { narrow } from '../e2e/narrow.ts';
import { closure, keyPair } from '../lab/closures.ts';
import { freshStore, nix, nixes } from '../lab/nix.ts';
import { s3Access, startS3Server } from '../lab/s3-server.ts';
import { startSwift } from '../lab/s3-swift.ts';
import { tempDir } from '../lab/temp.ts';

const [basic, updated, key] = await Promise.all([closure('basic'), closure('updated'), keyPair('lab-1')]);
const conf = `trusted-public-keys = ${key.publicKey}\n`;
const swift = await startSwift();
after(() => swift[Symbol.asyncDispose]());
const home = tempDir('home');
const env = {
  HOME: home,
  XDG_CACHE_HOME: join(home, '.cache'),
  AWS_EC2_METADATA_DISABLED: 'true',
  PATH: process.env['PATH'],
};

const current = nix('current');

test('narrow pushes to OpenStack Swift, signed, in parts, and copies from there', async () => {
  const url = await swift.bucket('pushed');
  const all = { env: { ...env, ...swift.env } };
  const parts = 'compression=none&multipart-threshold=6000000&multipart-chunk-size=5242880';
  await narrow(['push', `${url}&${parts}`, '--from', basic.root, '--key', key.secretFile, basic.top], all);
  const again = await narrow(
    ['push', `${url}&${parts}`, '--from', basic.root, '--key', key.secretFile, basic.top],
    all,
  );
  assert.match(again.stderr, new RegExp(`nothing to push: all ${basic.paths.length} paths are there`));
  const back = join(tempDir('back'), 'root');
  const trust = ['--trusted-public-key', key.publicKey];
  await narrow(['copy', '--from', url, '--to', `local?root=${back}`, ...trust, basic.top], all);
  assert.equal(await nix('2.8').complaints(back), undefined);
  await narrow(['cache', 'verify', url, ...trust], all);
});

test('a Nix that speaks S3 reads what narrow pushed, and narrow what it wrote', async () => {
  await using server = await startS3Server({ open: 'write' });
  const { url, env: login } = s3Access(server);
  const all = { env: { ...env, ...login } };
  await narrow(['push', `${url}&compression=zstd`, '--from', basic.root, '--key', key.secretFile, basic.top], all);
  const to = await freshStore();
  await current.run('nix', ['copy', '--from', url, '--to', to, basic.top], { conf });
  assert.equal(await current.complaints(to), undefined);

  const theirs = ['copy', '--no-check-sigs', '--from', updated.root, '--to', `${url}&compression=xz`, updated.top];
  await current.run('nix', theirs);
  const back = join(tempDir('back'), 'root');
  await narrow(['copy', '--no-check-sigs', '--from', url, '--to', `local?root=${back}`, updated.top], { env });
  assert.equal(await nix('2.8').complaints(back), undefined);
});

test('every Nix reads a public bucket over plain HTTP', async () => {
  await using server = await startS3Server({ open: 'read' });
  const access = s3Access(server);
  const all = { env: { ...env, ...access.env } };
  await narrow(
    ['push', `${access.url}&compression=zstd`, '--from', basic.root, '--key', key.secretFile, basic.top],
    all,
  );
  for (const one of nixes()) {
    const to = await freshStore();
    const url = `http://127.0.0.1:${server.port}/${server.bucket}`;
    await one.run('nix', ['copy', '--from', url, '--to', to, basic.top], { conf });
    assert.equal(await one.complaints(to), undefined);
  }
});

test('a cache in a bucket is kept like any other: info, ls, verify, pin, gc', async () => {
  await using server = await startS3Server({ page: 10 });
  const { url, env: login } = s3Access(server);
  const all = { env: { ...env, ...login } };
  const to = `${url}&compression=zstd`;
  const push = (one: typeof basic, name: string): Promise<unknown> =>
    narrow(['push', to, '--from', one.root, '--key', key.secretFile, '--name', name, one.top], all);
  await push(basic, 'fnord');
  await push(updated, 'fnord');
  const count = new Set([...basic.paths, ...updated.paths]).size;
  const narinfos = (): number => [...server.objects.keys()].filter((name) => name.endsWith('.narinfo')).length;
  assert.equal(narinfos(), count);
  assert.match((await narrow(['cache', 'info', url], all)).stdout, /s3:\/\/cache/);
  assert.ok((await narrow(['cache', 'ls', url], all)).stdout.includes(basic.top));
  await narrow(['cache', 'verify', url, '--trusted-public-key', key.publicKey], all);
  await narrow(['cache', 'gc', url, '--keep-generations', '1', '--grace', '0s'], all);
  assert.equal(narinfos(), updated.paths.length);
  await narrow(['cache', 'verify', url, '--trusted-public-key', key.publicKey], all);
  const leftovers = [...server.objects.keys()].filter((name) => /^narrow\/(leases|gc$)/.test(name));
  assert.deepEqual([leftovers, server.uploads.size], [[], 0]);
  const back = join(tempDir('back'), 'root');
  const trust = ['--trusted-public-key', key.publicKey];
  await narrow(['copy', '--from', url, '--to', `local?root=${back}`, ...trust, 'name:fnord'], all);
  assert.equal(await nix('2.8').complaints(back), undefined);
});
