// What the system's ssh is called with: a program of that name that tells it.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { collect } from '../../src/bytes/source.ts';
import type { NarrowError } from '../../src/errors.ts';
import { SshHostConnection } from '../../src/transport/ssh.ts';
import { tempDir } from '../lab/temp.ts';

interface Fake {
  readonly env: NodeJS.ProcessEnv;
  readonly dir: string;
}

/** A PATH whose ssh prints its words, one a line; asked for its configuration (-G), it prints `config`. */
function fakeSsh(config = 'controlpath none', more: NodeJS.ProcessEnv = {}): Fake {
  const dir = tempDir('fake-ssh');
  const script = `#!/bin/sh\n[ "$1" != -G ] || { echo '${config}'; exit 0; }\nprintf '%s\\n' "$@"\n`;
  writeFileSync(join(dir, 'ssh'), script);
  chmodSync(join(dir, 'ssh'), 0o755);
  return { dir, env: { PATH: `${dir}:/usr/bin:/bin`, HOME: dir, XDG_RUNTIME_DIR: dir, ...more } };
}

async function words(place: string, params: Record<string, string>, { env }: Fake): Promise<string[]> {
  using connection = new SshHostConnection({ name: 'ssh', place, params: new URLSearchParams(params), env });
  await using child = connection.start(['nix-store', '--serve', '--store', 'local?root=/a b']);
  const output: Buffer[] = [];
  // the end is unexpected, as for any program that does not wait for its input
  await assert.rejects(async () => {
    for await (const chunk of child.input) output.push(Buffer.from(chunk));
  });
  return Buffer.concat(output).toString().split('\n').slice(0, -1);
}

test('parameters, NIX_SSHOPTS and the command become words in an order in which the user has the last say', async () => {
  const fake = fakeSsh('controlpath none', { NIX_SSHOPTS: "-A -o 'ProxyJump=gate keeper'" });
  const [master, persist, path, ...rest] = await words('me@pi:2222', { 'ssh-key': '/k', compress: 'true' }, fake);
  assert.deepEqual([master, persist], ['-oControlMaster=auto', '-oControlPersist=60']);
  assert.match(path!, new RegExp(`^-oControlPath=${fake.dir}/narrow/[0-9a-f]{20}$`));
  assert.equal(statSync(join(fake.dir, 'narrow')).mode & 0o777, 0o700);
  const ours = '-x -a -T -oPermitLocalCommand=no -oRemoteCommand=none -i /k -C -p 2222'.split(' ');
  const command = 'nix-store --serve --store local\\?root\\=/a\\ b';
  assert.deepEqual(rest, [...ours, '-A', '-o', 'ProxyJump=gate keeper', '--', 'me@pi', command]);
});

test('the connection is not shared where the user shares it, or no short private directory is', async () => {
  const shares = (list: string[]): boolean => list.some((word) => word.includes('ControlPath'));
  assert.equal(shares(await words('pi', {}, fakeSsh())), true);
  assert.equal(shares(await words('pi', {}, fakeSsh('controlpath /home/me/.ssh/%C'))), false);
  const own = fakeSsh('controlpath none', { NIX_SSHOPTS: '-S /tmp/mine' });
  assert.equal(shares(await words('pi', {}, own)), false);
  const long = join(tempDir('long'), 'x'.repeat(100));
  assert.equal(shares(await words('pi', {}, fakeSsh('', { XDG_RUNTIME_DIR: long, HOME: long }))), false);
  const open = fakeSsh();
  mkdirSync(join(open.dir, 'narrow'));
  chmodSync(join(open.dir, 'narrow'), 0o777);
  assert.equal(shares(await words('pi', {}, open)), true);
  assert.equal(statSync(join(open.dir, 'narrow')).mode & 0o777, 0o700);
});

test('a host key in the URL is the only one that counts', async () => {
  const fake = fakeSsh();
  const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4 someone';
  const params = new URLSearchParams({ 'base64-ssh-public-host-key': Buffer.from(key).toString('base64') });
  const option = (await words('pi:2222', Object.fromEntries(params), fake)).filter((w) =>
    /KnownHosts|StrictHost/.test(w),
  );
  assert.equal(option.length, 2);
  assert.equal(option[1], '-oStrictHostKeyChecking=yes');
  const bad = new URLSearchParams({ 'base64-ssh-public-host-key': 'bm9uZQ==' });
  assert.throws(() => new SshHostConnection({ name: 'ssh', place: 'pi', params: bad, env: fake.env }), {
    code: 'usage',
  });
});

test('a machine without ssh is told so', async () => {
  using connection = new SshHostConnection({
    name: 'ssh',
    place: 'pi',
    params: new URLSearchParams(),
    env: { PATH: '/nowhere', HOME: tempDir('home') },
  });
  await using child = connection.start(['true']);
  await assert.rejects(collect(child.input), {
    code: 'unavailable',
    message: /cannot run ssh: there is no such program/,
  });
});

test('a subsystem is asked for by its name, and its absence is told', async () => {
  const { env, dir } = fakeSsh();
  const script = 'printf "%s\\n" "$@" >&2; echo "subsystem request failed on channel 0" >&2; exit 255';
  writeFileSync(join(dir, 'ssh'), `#!/bin/sh\n[ "$1" != -G ] || exit 0\n${script}\n`);
  using connection = new SshHostConnection({ name: 'sftp://pi/x', place: 'pi', params: new URLSearchParams(), env });
  await using child = connection.startSubsystem('sftp');
  await assert.rejects(collect(child.input), (error: NarrowError) => {
    assert.equal(error.code, 'unsupported');
    assert.equal(error.message, 'sshd on pi does not offer sftp to this user');
    assert.match(String(error.data['stderr']), /\n-s\n--\npi\nsftp\n/);
    return true;
  });
});
