import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { keyPair } from '../lab/closures.ts';
import { nix } from '../lab/nix.ts';
import { tempDir } from '../lab/temp.ts';
import { fails, narrow } from './narrow.ts';

const dir = tempDir('key');

test('a new key: only its owner can read it, it is never overwritten, and Nix reads it', async () => {
  const secret = join(dir, 'cache.sec');
  const made = await narrow(['key', 'generate', 'cache.example.org-1', '--out', secret]);
  const publicKey = made.stdout.trimEnd();
  assert.match(publicKey, /^cache\.example\.org-1:[A-Za-z0-9+/]{43}=$/);
  assert.ok(made.stderr.includes(`extra-trusted-public-keys = ${publicKey}\n`), made.stderr);
  assert.ok(made.stderr.includes(`nix.settings.trusted-public-keys = [ "${publicKey}" ];\n`), made.stderr);
  assert.equal(statSync(secret).mode & 0o777, 0o600);
  const text = readFileSync(secret);
  const ofNix = await nix('2.8').run('nix', ['key', 'convert-secret-to-public'], { input: text });
  assert.equal(ofNix.stdout.trimEnd(), publicKey);

  assert.match(await fails(1, ['key', 'generate', 'other', '--out', secret]), /exists already.*never overwritten/);
  assert.deepEqual(readFileSync(secret), text);
});

test("Nix's own secret keys are read, from a file and from standard input", async () => {
  const pair = await keyPair('lab-1');
  assert.equal((await narrow(['key', 'public', pair.secretFile])).stdout.trimEnd(), pair.publicKey);
  const piped = await narrow(['key', 'public', '--json'], { input: readFileSync(pair.secretFile) });
  assert.deepEqual(JSON.parse(piped.stdout), { name: 'lab-1', publicKey: pair.publicKey });
});

test('by default the secret lies in NAME.sec; --json prints all there is to know but the secret', async () => {
  const { stdout } = await narrow(['key', 'generate', 'k', '--json'], { cwd: dir });
  const made = JSON.parse(stdout) as Record<string, string>;
  assert.deepEqual(Object.keys(made), ['name', 'publicKey', 'secretFile', 'nixConf', 'nixos']);
  assert.equal(made['secretFile'], 'k.sec');
  assert.ok(!stdout.includes(readFileSync(join(dir, 'k.sec'), 'utf8').slice(2, 40)));
});

test('bad names and bad keys', async () => {
  assert.match(await fails(2, ['key', 'generate', 'a:b'], { cwd: dir }), /bad key name/);
  assert.match(await fails(2, ['key', 'generate', 'a/b'], { cwd: dir }), /--out/);
  const bad = await narrow(['key', 'public'], { input: 'k:c2VjcmV0', mayFail: true });
  assert.equal(bad.status, 1);
  assert.match(bad.stderr, /expected 64 bytes/);
  assert.ok(!bad.stderr.includes('c2VjcmV0'));
});
