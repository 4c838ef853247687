import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { readNixSettings } from '../../src/config/nix-conf.ts';

const dir = mkdtempSync(join(tmpdir(), 'narrow-conf-'));
after(() => rmSync(dir, { recursive: true }));
const file = (name: string, text: string): string => {
  mkdirSync(join(dir, name, '..'), { recursive: true });
  writeFileSync(join(dir, name), text);
  return join(dir, name);
};
const env = (more: Record<string, string> = {}): Record<string, string> => ({
  NIX_CONF_DIR: join(dir, 'etc'),
  HOME: join(dir, 'home'),
  ...more,
});

test('nothing configured: Nix knows cache.nixos.org', () => {
  const settings = readNixSettings({ NIX_CONF_DIR: join(dir, 'none'), HOME: join(dir, 'none') });
  assert.deepEqual(settings.list('trusted-public-keys'), [
    'cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=',
  ]);
  assert.equal(settings.get('netrc-file'), undefined);
});

test('system, user and $NIX_CONFIG in this order; extra- adds, comments and old names are read', () => {
  file('etc/nix.conf', 'trusted-public-keys = a:1 # the first\n\nrequire-sigs = true\nbinary-caches = http://old\n');
  file('home/.config/nix/nix.conf', 'extra-trusted-public-keys = b:2\nrequire-sigs = false\n');
  const settings = readNixSettings(env({ NIX_CONFIG: 'extra-trusted-public-keys = c:3\nnetrc-file = /n' }));
  assert.deepEqual(settings.list('trusted-public-keys'), ['a:1', 'b:2', 'c:3']);
  assert.equal(settings.flag('require-sigs'), false);
  assert.deepEqual(settings.list('substituters'), ['http://old']);
  assert.equal(settings.get('netrc-file'), '/n');
});

test('extra- without a base adds to the built-in value', () => {
  const settings = readNixSettings(
    env({ NIX_CONF_DIR: join(dir, 'none'), HOME: '/nonexistent', NIX_CONFIG: 'extra-substituters = http://mine' }),
  );
  assert.deepEqual(settings.list('substituters'), ['https://cache.nixos.org/', 'http://mine']);
});

test('NIX_USER_CONF_FILES replaces the user files, the first winning', () => {
  const first = file('one.conf', 'netrc-file = /one\n');
  const second = file('two.conf', 'netrc-file = /two\nssl-cert-file = /two.pem\n');
  const settings = readNixSettings(env({ NIX_USER_CONF_FILES: `${first}:${second}` }));
  assert.equal(settings.get('netrc-file'), '/one');
  assert.equal(settings.get('ssl-cert-file'), '/two.pem');
});

test('include must be there, !include need not, both are relative to their file', () => {
  file('inc/more.conf', 'netrc-file = /included\n');
  file('inc/nix.conf', 'include more.conf\n!include absent.conf\n');
  assert.equal(readNixSettings(env({ NIX_CONF_DIR: join(dir, 'inc') })).get('netrc-file'), '/included');
  file('bad/nix.conf', 'include absent.conf\n');
  assert.throws(() => readNixSettings(env({ NIX_CONF_DIR: join(dir, 'bad') })), {
    code: 'io',
    message: /absent\.conf: no such file/,
  });
  file('loop/nix.conf', 'include nix.conf\n');
  assert.throws(() => readNixSettings(env({ NIX_CONF_DIR: join(dir, 'loop') })), /includes itself/);
});

test('a bad line is named with file and number', () => {
  file('broken/nix.conf', 'cores = 2\nthis is nothing\n');
  assert.throws(() => readNixSettings(env({ NIX_CONF_DIR: join(dir, 'broken') })), {
    code: 'format',
    message: /bad setting in line 2 of .*broken\/nix\.conf: expected 'name = value', got 'this is nothing'/,
  });
  assert.throws(
    () => readNixSettings(env({ NIX_CONFIG: 'require-sigs = maybe' })).flag('require-sigs'),
    /true or false, got 'maybe'/,
  );
});
