// Links and profiles on another machine: made there while the paths are held, kept by its collector, or refused beforehand.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { closure } from '../lab/closures.ts';
import type { Hosts } from '../lab/hosts.ts';
import { copies, fails, labels, narrow, schemes, start } from './ssh-lab.ts';

/** Nix's programs on `host`, which collect all garbage before a link is made: the paths must be held by another session. */
function collectingNix(lab: Hosts, host: string): string {
  const dir = join(lab.root(host), 'root/bin');
  mkdirSync(dir);
  const script = `#!/bin/sh
case "$*" in *--add-root*|*--set*) echo x >> /root/collected; nix-store --gc > /dev/null 2>&1;; esac
exec /usr/bin/\${0##*/} "$@"
`;
  writeFileSync(join(dir, 'nix-store'), script);
  chmodSync(join(dir, 'nix-store'), 0o755);
  for (const name of ['nix-env', 'nix-daemon']) symlinkSync('nix-store', join(dir, name));
  return '/root/bin';
}

for (const label of labels) {
  for (const scheme of schemes) {
    test(`Nix ${label}, ${scheme}: a link and a profile are made there while the paths are held, and keep them`, async () => {
      const basic = await closure('basic');
      await using lab = await start({ pi: { nix: label } }, basic);
      const { hello } = basic.named as Record<string, string>;
      const bin = collectingNix(lab, 'pi');
      const program = scheme === 'ssh' ? 'nix-store' : 'nix-daemon';
      const to = `${scheme}://pi?remote-program=${bin}/${program}`;
      const roots = ['--out-link', "it's a $link", '--profile', '/nix/var/nix/profiles/lab'];
      await copies(lab, ['--to', to, ...roots, basic.top]);
      await copies(lab, ['--to', to, '--profile', '/nix/var/nix/profiles/lab', hello!]);
      const home = join(lab.root('pi'), 'root');
      assert.equal(readlinkSync(join(home, "it's a $link")), basic.top);
      assert.equal(readlinkSync(join(lab.root('pi'), 'nix/var/nix/profiles/lab')), 'lab-2-link');
      assert.equal((await lab.exec('pi', ['wc', '-l', '/root/collected'])).stdout.trim(), '3 /root/collected');
      await lab.exec('pi', ['nix-store', '--gc']);
      const { stdout } = await lab.exec('pi', ['nix-store', '-qR', basic.top, hello!]);
      assert.equal(stdout.trim().split('\n').length, basic.paths.length);
    });
  }
}

test('an ordinary user behind a daemon keeps a path in the own home, with csh and with fish', async () => {
  const basic = await closure('basic');
  const users = [
    { name: 'bob', trusted: true, shell: '/usr/bin/fish' },
    { name: 'eve', trusted: true, shell: '/usr/bin/tcsh' },
  ];
  await using lab = await start({ pi: { nix: 'current', daemon: true, readOnlyStore: true, users } }, basic);
  const { hello } = basic.named as Record<string, string>;
  for (const [i, { name }] of users.entries()) {
    const scheme = schemes[i]!;
    const link = 'new dir/a;b~*"$HOME"!x';
    await copies(lab, ['--to', `${scheme}://${name}@pi`, '--out-link', link, '--profile', 'own', hello!]);
    const home = join(lab.root('pi'), 'home', name);
    assert.equal(readlinkSync(join(home, link)), hello);
    assert.equal(readlinkSync(join(home, 'own-1-link')), hello);
  }
  const { stdout } = await lab.exec('pi', ['nix-store', '--gc', '--print-roots']);
  assert.equal(stdout.split('\n').filter((line) => line.includes('/home/')).length, 4);
});

test('?remote-store= has the root, too', async () => {
  const basic = await closure('basic');
  await using lab = await start({ pi: {} }, basic);
  const { hello } = basic.named as Record<string, string>;
  for (const scheme of schemes) {
    const to = `${scheme}://pi?remote-store=${encodeURIComponent(`local?root=/root/${scheme} alt`)}`;
    await copies(lab, ['--to', to, '--out-link', `${scheme}-link`, '--profile', `/root/${scheme}-profile`, hello!]);
    const store = ['nix-store', '--store', `local?root=/root/${scheme} alt`];
    await lab.exec('pi', [...store, '--gc']);
    assert.equal((await lab.exec('pi', [...store, '--check-validity', hello!])).status, 0);
    assert.equal(readlinkSync(join(lab.root('pi'), `root/${scheme}-link`)), hello);
    assert.equal(readlinkSync(join(lab.root('pi'), `root/${scheme}-profile-1-link`)), hello);
  }
});

test('what cannot be a root there is refused before a byte moves, and what fails there is told', async () => {
  const basic = await closure('basic');
  await using lab = await start({ pi: {} }, basic);
  const { hello } = basic.named as Record<string, string>;
  writeFileSync(join(lab.root('pi'), 'root/taken'), 'a file of somebody');
  for (const scheme of schemes) {
    const to = `${scheme}://pi`;
    const drv = ['--from', `local?root=${basic.root}`, '--to', to, '--out-link', 'x', basic.drv];
    assert.match(await fails(lab, drv), /cannot keep \S+\.drv by a link: Nix there would build it/);
    assert.match(await fails(lab, ['--to', to, '--out-link', 'a\nb', hello!], {}, 2), /cannot be passed on/);
    const script = `#!/bin/sh\nexec ${scheme === 'ssh' ? 'nix-store' : 'nix-daemon'} "$@"\n`;
    writeFileSync(join(lab.root('pi'), 'root/mine'), script, { mode: 0o755 });
    const odd = `${scheme}://pi?remote-program=/root/mine`;
    assert.match(await fails(lab, ['--to', odd, '--out-link', 'x', hello!]), /where nix-store is beside \/root\/mine/);
    assert.match(await fails(lab, ['--to', to, '--out-link', 'a', hello!, basic.top], {}, 2), /take one path/);
    assert.equal((await lab.exec('pi', ['nix-store', '--check-validity', hello!], { mayFail: true })).status, 1);
  }
  for (const scheme of schemes) {
    const error = await fails(lab, ['--to', `${scheme}://pi`, '--out-link', 'taken', hello!]);
    assert.match(error, /could not make taken lead to \S+hello-1.0: .*already exists/);
    assert.match(error, /the path is there, and nothing keeps it/);
  }
  const cache = ['copy', '--to', 'file:///root/cache', '--out-link', 'x', hello!];
  assert.match((await narrow(lab, cache)).stderr, /keeps no links: .* the store of a machine/);
});

test('realise links what was built on the machine that built it', async () => {
  const basic = await closure('basic');
  await using lab = await start({ pi: {} }, basic);
  await lab.seed('pi', basic.root, [basic.top]);
  for (const scheme of schemes) {
    const from = ['--from', `local?root=${basic.root}`, '--no-check-sigs'];
    const link = ['--out-link', `results/${scheme}`];
    const result = await narrow(lab, ['realise', ...from, '--store', `${scheme}://pi`, ...link, basic.drv]);
    assert.equal(result.status, 0, result.stderr);
    assert.equal(result.stdout, `${basic.top}\n`);
    assert.equal(readlinkSync(join(lab.root('pi'), `root/results/${scheme}`)), basic.top);
  }
});
