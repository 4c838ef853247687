// Bundles on full disks: told as such, and nothing is half done.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { create, local } from '../e2e/bundles.ts';
import { command, environment } from '../e2e/narrow.ts';
import { closure } from '../lab/closures.ts';
import { run } from '../lab/run.ts';
import type { RunResult } from '../lab/run.ts';
import { tempDir } from '../lab/temp.ts';

/** Runs narrow with a small disk at `dir`, then a script there. */
function onSmallDisk(dir: string, limits: string, args: readonly string[], then: string): Promise<RunResult> {
  mkdirSync(dir, { recursive: true });
  const script = `mount -t tmpfs -o ${limits} tmpfs "${dir}"; "$@"; echo "status $?"; cd "${dir}"; ${then}`;
  const argv = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', command, ...args];
  return run(argv, { env: environment(), mayFail: true });
}

test('no room for the bundle', async () => {
  const { root, top } = await closure('basic');
  const dir = join(tempDir('small'), 'disk');
  const args = ['bundle', 'create', '--store', local(root), '-o', join(dir, 'a.bundle'), top];
  const { stdout, stderr } = await onSmallDisk(dir, 'size=400k', args, 'ls -A');
  assert.match(stderr, /no space left|disk is full/i);
  assert.match(stderr, /hint: /);
  assert.equal(stdout, 'status 1\n');
});

test('no room for what it brings: by its size before anything is written, by its files while it is', async () => {
  const { root, top, paths } = await closure('basic');
  const dir = tempDir('full');
  const [file, disk] = [join(dir, 'a.bundle'), join(dir, 'disk')];
  await create(root, '-o', file, top);
  const apply = ['bundle', 'apply', '--no-check-sigs', '--to', local(disk), file];
  const valid = 'sqlite3 nix/var/nix/db/db.sqlite "select count(*) from ValidPaths" 2> /dev/null || echo 0';
  const early = await onSmallDisk(disk, 'size=1m', apply, valid);
  assert.match(early.stderr, /bytes are needed, and \d+ are free/);
  assert.equal(early.stdout, 'status 1\n0\n');
  const check = `${valid}; nix-store --store "${disk}" --verify --check-contents 2>&1 | grep -c 'modified\\|missing'`;
  const late = await onSmallDisk(disk, 'size=50m,nr_inodes=90', apply, check);
  assert.match(late.stderr, /no space left|disk is full|inodes/i);
  const [status, count, broken] = late.stdout.trim().split('\n');
  assert.equal(status, 'status 1');
  assert.ok(Number(count) < paths.length);
  assert.equal(broken, '0');
});
