// The lines that a machine lacks: a key first, a trusted user last, and nothing where nothing is missing.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { adviceFor } from '../../src/doctor/advice.ts';
import { signingKeys } from '../../src/doctor/signing-keys.ts';
import { formatPublicKey, formatSecretKey, generateKey } from '../../src/model/signature.ts';
import type { StoreFacts } from '../../src/store/facts.ts';
import { settingsOf } from '../contract/context.ts';
import { tempDir } from '../lab/temp.ts';

const key = { name: 'home-1', publicKey: 'home-1:AAAA' };
const facts = (more: Partial<StoreFacts>): StoreFacts => ({ kind: 'Nix daemon', ...more });
const rules = (required: boolean, ...trustedKeys: string[]): StoreFacts['signatures'] => ({ required, trustedKeys });

test('an untrusted user of another machine: trust the key there, the user last', () => {
  const [first, last, ...more] = adviceFor('ssh-ng://bob@pi1', facts({ trust: 'untrusted' }), [key]);
  assert.deepEqual(more, []);
  assert.equal(first?.where, 'pi1');
  assert.deepEqual(first?.nixConf, ['extra-trusted-public-keys = home-1:AAAA']);
  assert.deepEqual(first?.nixos, ['nix.settings.trusted-public-keys = [ "home-1:AAAA" ];']);
  assert.deepEqual(last?.nixConf, ['extra-trusted-users = bob']);
  assert.deepEqual(last?.nixos, ['nix.settings.trusted-users = [ "bob" ];']);
  assert.match(last!.why, /equals root/);
});

test('without a key, making one comes first', () => {
  const [first, last] = adviceFor('daemon', facts({ trust: 'untrusted', signatures: rules(true, 'other-1') }), []);
  assert.match(first!.command!, /^narrow key generate \S+-1 --out \/etc\/nix\/\S+-1\.sec$/);
  assert.match(first!.nixConf[0]!, /^secret-key-files = \/etc\/nix\/\S+-1\.sec$/);
  assert.match(last!.why, /equals root/);
});

test('nothing is missing where the user is trusted, the key is known, or nothing is asked for', () => {
  const untrusted = { trust: 'untrusted' } as const;
  assert.deepEqual(adviceFor('daemon', facts({ trust: 'trusted' }), []), []);
  assert.deepEqual(adviceFor('daemon', facts({ ...untrusted, signatures: rules(true, 'home-1') }), [key]), []);
  assert.deepEqual(adviceFor('daemon', facts({ ...untrusted, signatures: rules(false) }), []), []);
  assert.deepEqual(adviceFor('local', facts({ signatures: rules(true, 'cache.nixos.org-1') }), []), []);
  assert.deepEqual(adviceFor('ssh://pi1', facts({}), []), []);
});

test('a store of no trusted key: the key only, since there is no user to trust', () => {
  const advice = adviceFor('local', facts({ signatures: rules(true) }), [key]);
  assert.equal(advice.length, 1);
});

test('signing keys are read; what is named and not there, or no key, is told', () => {
  const dir = tempDir('keys');
  const secret = generateKey('good-1');
  writeFileSync(join(dir, 'good'), `${formatSecretKey(secret)}\n`);
  writeFileSync(join(dir, 'bad'), 'nonsense');
  const files = ['good', 'bad', 'absent'].map((name) => join(dir, name)).join(' ');
  const { keys, findings } = signingKeys(settingsOf({ 'secret-key-files': files }));
  assert.deepEqual(keys, [{ name: 'good-1', publicKey: formatPublicKey(secret.publicKey) }]);
  assert.deepEqual(
    findings.map((f) => f.level),
    ['ok', 'warning', 'warning'],
  );
  assert.ok(!JSON.stringify(findings).includes('nonsense'));
  assert.match(findings[2]!.what, /absent, which cannot be read \(ENOENT\)/);
});
