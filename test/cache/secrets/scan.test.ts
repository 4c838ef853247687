// What counts as a secret and what does not, wherever in a file it lies.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { knownSecrets, parsePatterns } from '../../../src/cache/secrets/patterns.ts';
import type { SecretPattern } from '../../../src/cache/secrets/patterns.ts';
import { scanPath } from '../../../src/cache/secrets/scan.ts';
import { isNarrowError } from '../../../src/errors.ts';
import { formatSecretKey, formatPublicKey, generateKey } from '../../../src/model/signature.ts';
import { directory, file, sample } from '../../contract/sample.ts';
import type { MemoryNode } from '../../../src/format/nar/memory-tree.ts';
import { tempDir } from '../../lab/temp.ts';
import { storeOf } from '../small-caches.ts';

async function scan(
  root: MemoryNode,
  patterns: readonly SecretPattern[] = knownSecrets,
  name = 'thing',
): Promise<string[]> {
  const one = await sample(name, root);
  const found = await scanPath(await storeOf([one]), one.info, patterns);
  return found.map(({ file: where, kind, offset }) => `${where}:${offset} ${kind}`);
}

function sshKey(): string {
  const path = join(tempDir('ssh'), 'key');
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path]);
  return readFileSync(path, 'utf8');
}

const pem = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
  format: 'pem',
  type: 'pkcs8',
}) as string;
const wireguard = randomBytes(32).toString('base64');
const age = `AGE-SECRET-KEY-1${'QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L'.repeat(2).slice(0, 58)}`;
const letters = 'aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hJ6';
const nix = generateKey('cache.example.org-1');

const secrets: Record<string, [text: string, kind: RegExp]> = {
  'ssh key': [sshKey(), /PEM/],
  'TLS key': [pem, /PEM/],
  'TLS key in JSON': [JSON.stringify({ private_key: pem }), /PEM/],
  WireGuard: [`[Interface]\nPrivateKey = ${wireguard}\n`, /WireGuard/],
  age: [`# created\n${age}\n`, /age/],
  'Nix key': [formatSecretKey(nix), /Nix/],
  GitHub: [`token=ghp_${letters}\n`, /GitHub/],
  AWS: [`aws_secret_access_key = ${letters}abcd\n`, /AWS/],
  password: [`root:$6$saltsalt$${'a'.repeat(86)}:1::::::\n`, /password/],
  yescrypt: [`root:$y$j9T$${'a'.repeat(22)}$${'b'.repeat(43)}:1::::::\n`, /password/],
};

for (const [name, [text, kind]] of Object.entries(secrets)) {
  test(`found: ${name}`, async () => {
    const found = await scan(directory({ etc: directory({ conf: file(text), harmless: file('x') }) }));
    assert.equal(found.length, 1, found.join());
    assert.match(found[0]!, /^etc\/conf:/);
    assert.match(found[0]!, kind);
  });
}

test('found behind and across chunks of a large file, with its byte', async () => {
  for (const at of [65_530, 262_100, 700_001, 999_000]) {
    const bytes = Buffer.alloc(1_000_000 + pem.length, 'x');
    bytes.write(pem, at);
    assert.deepEqual(await scan(file(bytes)), [`:${at} private key (PEM: TLS, ssh)`]);
  }
});

test('a bare WireGuard key by the name of its file', async () => {
  assert.equal((await scan(directory({ private: file(`${wireguard}\n`), public: file(`${wireguard}\n`) }))).length, 1);
});

test('not taken for secrets: public keys, names of forms, programs that speak of them', async () => {
  const harmless = [
    formatPublicKey(nix.publicKey),
    `cache.example.org-1:${randomBytes(64).toString('base64')}`,
    '-----BEGIN OPENSSH PRIVATE KEY-----\0-----END OPENSSH PRIVATE KEY-----\0',
    'looks for "-----BEGIN RSA PRIVATE KEY-----" in files',
    'PrivateKey = /run/secrets/wg\n',
    'AGE-SECRET-KEY-1',
    'ghp_short',
    'aws_secret_access_key = $SECRET',
    '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n',
  ];
  for (const text of harmless) assert.deepEqual(await scan(file(text)), [], text);
});

test('patterns of a file', async () => {
  const patterns = parsePatterns('# ours\n\nkey of the door: DOOR-[0-9]{4}\n', 'patterns');
  assert.deepEqual(await scan(file('a DOOR-1234 b'), patterns), [':2 key of the door']);
  for (const bad of ['nonsense', 'kind: (', ': x'])
    assert.throws(
      () => parsePatterns(`# one\n${bad}\n`, 'p'),
      (error) => isNarrowError(error, 'format') && error.message.includes('line 2'),
    );
});
