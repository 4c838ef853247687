// Whose signatures count: keys from every place where Nix looks for them. Each case is put to us and to every Nix.

import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { before, test } from 'node:test';
import { closure, keyPair } from '../lab/closures.ts';
import type { KeyPair } from '../lab/closures.ts';
import { baseConf, nixes } from '../lab/nix.ts';
import { tempDir } from '../lab/temp.ts';
import { narrow } from './narrow.ts';

const dir = tempDir('trust');
let key: KeyPair;
let other: KeyPair;
let from: string;
let path: string;

before(async () => {
  [key, other] = [await keyPair('lab-1'), await keyPair('lab-3')];
  const { root, named } = await closure('signed');
  [from, path] = [join(dir, 'cache'), named['libc']!];
  // libc is also signed with lab-2: the cache gets the first key's signature alone
  await narrow(['copy', '--from', `local?root=${root}`, '--to', `file://${from}?compression=none`, path]);
});

interface Case {
  readonly name: string;
  readonly taken: boolean;
  /** Files below the case's own directory. */
  readonly files?: (home: string) => Readonly<Record<string, string>>;
  readonly env?: (home: string) => Readonly<Record<string, string>>;
  readonly said?: RegExp;
}

const trusted = (): string => `trusted-public-keys = ${key.publicKey}\n`;
const cases: readonly Case[] = [
  { name: 'nobody is trusted', taken: false, said: /trusted are cache\.nixos\.org-1/ },
  {
    name: 'another key',
    taken: false,
    files: () => ({ 'etc/nix.conf': `trusted-public-keys = ${other.publicKey}\n` }),
  },
  { name: 'the system', taken: true, files: () => ({ 'etc/nix.conf': trusted() }) },
  { name: 'the user', taken: true, files: () => ({ '.config/nix/nix.conf': trusted() }) },
  {
    name: 'the user, elsewhere',
    taken: true,
    files: () => ({ 'xdg/nix/nix.conf': trusted() }),
    env: (home) => ({ XDG_CONFIG_HOME: join(home, 'xdg') }),
  },
  {
    name: 'files of NIX_USER_CONF_FILES',
    taken: true,
    files: () => ({ 'a.conf': trusted(), 'b.conf': 'trusted-public-keys =\n' }),
    env: (home) => ({ NIX_USER_CONF_FILES: `${home}/a.conf:${home}/b.conf` }),
  },
  {
    name: 'files of NIX_USER_CONF_FILES, the first counts',
    taken: false,
    files: () => ({ 'a.conf': trusted(), 'b.conf': 'trusted-public-keys =\n' }),
    env: (home) => ({ NIX_USER_CONF_FILES: `${home}/b.conf:${home}/a.conf` }),
  },
  { name: 'NIX_CONFIG', taken: true, env: () => ({ NIX_CONFIG: trusted() }) },
  {
    name: 'NIX_CONFIG over the system',
    taken: false,
    files: () => ({ 'etc/nix.conf': trusted() }),
    env: () => ({ NIX_CONFIG: `trusted-public-keys = ${other.publicKey}` }),
  },
  {
    name: 'added by extra-',
    taken: true,
    files: () => ({ 'etc/nix.conf': `trusted-public-keys = ${other.publicKey}\n` }),
    env: () => ({ NIX_CONFIG: `extra-trusted-public-keys = ${key.publicKey}` }),
  },
  {
    name: 'the old name',
    taken: true,
    files: () => ({ 'etc/nix.conf': `binary-cache-public-keys = ${key.publicKey}\n` }),
  },
  {
    name: 'an included file',
    taken: true,
    files: () => ({ 'etc/nix.conf': 'include more.conf\n!include absent.conf\n', 'etc/more.conf': trusted() }),
  },
  {
    name: 'several on a line',
    taken: true,
    files: () => ({ 'etc/nix.conf': `trusted-public-keys = ${other.publicKey} ${key.publicKey} # both\n` }),
  },
  {
    name: 'the public half of a secret key',
    taken: true,
    files: () => ({ 'etc/nix.conf': `secret-key-files = /nonexistent/key ${key.secretFile}\n` }),
  },
  {
    name: 'the public half of another secret key',
    taken: false,
    files: () => ({ 'etc/nix.conf': `secret-key-files = ${other.secretFile}\n` }),
  },
  { name: 'no signatures are asked for', taken: true, files: () => ({ 'etc/nix.conf': 'require-sigs = false\n' }) },
  { name: 'the key of another by the same name', taken: false, files: () => ({ 'etc/nix.conf': sameName() }) },
];

function sameName(): string {
  return `trusted-public-keys = ${key.publicKey.split(':')[0]}:${other.publicKey.split(':')[1]}\n`;
}

function prepare({ name, files, env }: Case): Record<string, string> {
  const home = join(dir, name.replaceAll(/\W/g, '-'));
  const all = { 'etc/nix.conf': '', ...files?.(home) };
  for (const [file, text] of Object.entries(all)) {
    mkdirSync(dirname(join(home, file)), { recursive: true });
    writeFileSync(join(home, file), file === 'etc/nix.conf' ? baseConf + text : text);
  }
  return { HOME: home, NIX_CONF_DIR: join(home, 'etc'), ...env?.(home) };
}

for (const [index, one] of cases.entries()) {
  test(`${one.name}: ${one.taken ? 'taken' : 'refused'}`, async () => {
    const env = prepare(one);
    const ours = join(dir, `ours-${index}`);
    const args = ['copy', '--from', `file://${from}`, '--to', `local?root=${ours}`, path];
    const { status, stderr } = await narrow(args, { env, mayFail: true });
    assert.equal(status, one.taken ? 0 : 1, stderr);
    if (!one.taken) assert.match(stderr, one.said ?? /lacks a valid signature by a trusted key: it is signed by lab-1/);
    for (const nix of nixes()) {
      const theirs = join(dir, `nix-${nix.label}-${index}`);
      const result = await nix.run('nix', ['copy', '--from', `file://${from}`, '--to', theirs, path], {
        env,
        mayFail: true,
      });
      assert.equal(result.status === 0, one.taken, `Nix ${nix.label}: ${result.stderr}`);
      rmSync(theirs, { recursive: true, force: true });
    }
  });
}

test('a key on the command line is trusted, too, and require-sigs may be said of the store', async () => {
  const env = prepare({ name: 'command line', taken: true });
  const to = (name: string): string => `local?root=${join(dir, name)}`;
  await narrow(['copy', '--trusted-public-key', key.publicKey, '--from', `file://${from}`, '--to', to('c1'), path], {
    env,
  });
  await narrow(['copy', '--from', `file://${from}`, '--to', `${to('c2')}&require-sigs=false`, path], { env });
  await narrow(['copy', '--from', `file://${from}?trusted=1`, '--to', to('c3'), path], { env });
  await narrow(['verify', '--store', to('c3'), '--trusted-public-key', key.publicKey, path], { env });
});

test('keys that cannot be read are named, and are no reason to stop', async () => {
  const bad = join(dir, 'bad.sec');
  writeFileSync(bad, 'no key\n');
  chmodSync(bad, 0o600);
  const conf = `trusted-public-keys = nonsense ${key.publicKey}\nsecret-key-files = ${bad}\n`;
  const env = prepare({ name: 'bad keys', taken: true, files: () => ({ 'etc/nix.conf': conf }) });
  const { stderr } = await narrow(
    ['copy', '--from', `file://${from}`, '--to', `local?root=${join(dir, 'bad-keys')}`, path],
    { env },
  );
  assert.match(stderr, /warning: trusted-public-keys: bad public key: expected 'name:base64', got no colon/);
  assert.match(stderr, /warning: secret-key-files: bad secret key in .*bad\.sec: expected 'name:base64', got no colon/);
});
