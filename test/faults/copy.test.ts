// Copies that are stopped, starved and lied to: nothing half done is ever visible, and the next run goes on.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { command, environment, fails, narrow } from '../e2e/narrow.ts';
import { closure } from '../lab/closures.ts';
import { generate } from '../lab/generate.ts';
import { freshStore, nix, nixes } from '../lab/nix.ts';
import { run } from '../lab/run.ts';
import { tempDir } from '../lab/temp.ts';

const local = (root: string): string => `local?root=${root}`;
const objects = (root: string): string[] =>
  existsSync(join(root, 'nix/store')) ? readdirSync(join(root, 'nix/store')).filter((name) => name !== '.links') : [];

/** A store of many paths, so that a copy takes a while. */
async function manyPaths(paths: number): Promise<{ root: string; tops: string[] }> {
  const root = await freshStore();
  return { root, tops: await generate(root, { paths }) };
}

/** Starts a copy and waits until some of it is there. */
async function startCopy(args: readonly string[], store: string, enough: number) {
  const child = spawn(command, args, { env: environment(), stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (text: Buffer) => (said += text.toString()));
  const ended = once(child, 'close') as Promise<[number | null, string | null]>;
  while (objects(store).length < enough && child.exitCode === null) await sleep(2);
  return { child, ended, said: () => said };
}

for (const which of nixes()) {
  test(`stopped half-way, collected by Nix ${which.label}, continued: it completes and is clean`, async () => {
    const { root, tops } = await manyPaths(400);
    const store = await freshStore();
    const { child, ended, said } = await startCopy(
      ['copy', '--no-check-sigs', '--from', local(root), '--to', local(store), ...tops],
      store,
      40,
    );
    assert.equal(child.exitCode, null, `too fast to be stopped: ${said()}`);
    child.kill('SIGSTOP');
    await which.run('nix-store', ['--gc'], { store });
    child.kill('SIGCONT');
    const [status] = await ended;
    assert.equal(status, 0, said());
    for (const judge of nixes()) assert.equal(await judge.complaints(store), undefined, judge.label);
    for (const top of tops) await which.store(store, '--check-validity', top);
  });
}

test('killed at random moments, the next run goes on from there', async () => {
  const { root, tops } = await manyPaths(300);
  const store = await freshStore();
  const args = ['copy', '--no-check-sigs', '--from', local(root), '--to', local(store), ...tops];
  for (let round = 1; round <= 5; round++) {
    const { child, ended } = await startCopy(args, store, objects(store).length + 10 * round);
    child.kill('SIGKILL');
    await ended;
    assert.equal(
      await nix('2.8')
        .complaints(store)
        .then((text) => text?.replaceAll(/.*(disappeared|is not valid).*/g, '')),
      undefined,
    );
  }
  await narrow(args);
  for (const judge of nixes()) assert.equal(await judge.complaints(store), undefined, judge.label);
});

test('SIGINT ends with 130, leaves no lock or half path behind, and says so', async () => {
  const { root, tops } = await manyPaths(400);
  const store = await freshStore();
  const args = ['copy', '--no-check-sigs', '--from', local(root), '--to', local(store), ...tops];
  const { child, ended, said } = await startCopy(args, store, 20);
  child.kill('SIGINT');
  const [status] = await ended;
  assert.equal(status, 130, said());
  assert.match(said(), /interrupted/);
  assert.deepEqual(
    objects(store).filter((name) => name.endsWith('.lock')),
    [],
  );
  const valid = await nix('2.8').run('nix-store', ['--verify', '--check-contents'], { store });
  assert.doesNotMatch(valid.stderr, /modified|missing|error/);
  const infos = JSON.parse(await nix('2.8').nix('path-info', '--all', '--json', '--store', store)) as unknown[];
  assert.equal(infos.length, objects(store).length, 'what is on disk is registered');
  await narrow(args);
});

test('two of us and one nix copy into one store at once', async () => {
  const { root, tops } = await manyPaths(200);
  const store = await freshStore();
  const ours = ['copy', '--no-check-sigs', '--from', local(root), '--to', local(store), ...tops];
  const theirs = nix('current').run('nix', ['copy', '--no-check-sigs', '--from', root, '--to', store, ...tops]);
  await Promise.all([narrow(ours), narrow(ours), theirs]);
  for (const judge of nixes()) assert.equal(await judge.complaints(store), undefined, judge.label);
  assert.deepEqual(
    objects(store).filter((name) => name.endsWith('.lock')),
    [],
  );
});

test('64 file descriptors are enough', async () => {
  const { root, top } = await closure('basic');
  const [cache, store] = [join(tempDir('few'), 'c'), await freshStore()];
  const limited = (...args: string[]) =>
    run(['sh', '-c', 'ulimit -n 64; exec "$@"', 'sh', command, ...args], { env: environment() });
  await limited('copy', '--from', local(root), '--to', `file://${cache}?compression=zstd`, top);
  await limited('copy', '--no-check-sigs', '--from', `file://${cache}`, '--to', local(store), top);
  assert.equal(await nix('2.8').complaints(store), undefined);
});

/** Runs a script with a tmpfs of 20 MB and 150 files at the given directory, in a mount namespace of its own. */
function onSmallDisk(dir: string, script: string, ...args: string[]) {
  mkdirSync(dir, { recursive: true });
  const setup = `mount -t tmpfs -o size=20m,nr_inodes=150 tmpfs "${dir}"; ${script}`;
  return run(['unshare', '--mount', '--propagation', 'private', 'sh', '-c', setup, 'sh', ...args], {
    env: environment(),
    mayFail: true,
  });
}

test('a full disk: told as such, nothing half done, and with more room the same command completes', async () => {
  const { root, tops } = await manyPaths(10);
  // few bytes, more files than the disk takes: no preflight sees that
  const big = join(tempDir('big'), 'noise');
  mkdirSync(big);
  for (let i = 0; i < 300; i++) writeFileSync(join(big, `file-${i}`), String(i));
  const added = (await narrow(['add', '--store', root, big])).stdout.trim();
  const disk = join(tempDir('disk'), 'd');
  const { stdout, stderr } = await onSmallDisk(
    disk,
    `"$1" copy --no-check-sigs --from "local?root=$2" --to "local?root=${disk}" "$3" "$4" >&2; echo "status $?"
     nix-store --store ${disk} --verify --check-contents >&2; echo "verify $?"
     ls ${disk}/nix/store
     mount -o remount,size=100m,nr_inodes=5000 ${disk}
     "$1" copy --no-check-sigs --from "local?root=$2" --to "local?root=${disk}" "$3" "$4" >&2; echo "again $?"
     nix-store --store ${disk} --verify --check-contents >&2; echo "verify $?"`,
    command,
    root,
    added,
    tops[0]!,
  );
  assert.match(stderr, /no space left on the device/);
  assert.match(stderr, /free some space/);
  assert.match(stdout, /^status 1\nverify 0\n/);
  assert.ok(!stdout.split('again')[0]!.includes('noise'), 'the half path was left behind');
  assert.match(stdout, /again 0\nverify 0\n$/);
});

test('too little room is told before the first byte, in a store and in a cache that does not compress', async () => {
  const { root } = await manyPaths(10);
  const big = join(tempDir('big'), 'noise');
  writeFileSync(big, Buffer.alloc(40 * 1024 * 1024, 7));
  const added = (await narrow(['add', '--store', root, big])).stdout.trim();
  const disk = join(tempDir('disk'), 'd');
  for (const to of [`local?root=${disk}`, `file://${disk}/c?compression=none`]) {
    const { stdout, stderr } = await onSmallDisk(
      disk,
      `"$1" copy --no-check-sigs --from "local?root=$2" --to "$4" "$3" >&2; echo "status $?"
       "$1" copy --dry-run --no-check-sigs --from "local?root=$2" --to "$4" "$3" >&2; echo "dry $?"; find ${disk} -type f`,
      command,
      root,
      added,
      to,
    );
    assert.match(stderr, /cannot take the copy: 41\.9 MB are needed, and only 2\d\.\d MB are free in/);
    assert.match(stderr, /hint: make room/);
    assert.match(stderr, /  error: 41\.9 MB are needed/);
    assert.equal(stdout, 'status 1\ndry 3\n');
  }
});

test('a full disk under a cache leaves no narinfo without its NAR', async () => {
  const { root } = await manyPaths(10);
  const big = join(tempDir('big'), 'noise');
  await run(['sh', '-c', 'head -c 40M /dev/urandom > "$0"', big]);
  const added = (await narrow(['add', '--store', root, big])).stdout.trim();
  const disk = join(tempDir('disk'), 'd');
  const { stdout, stderr } = await onSmallDisk(
    disk,
    `"$1" copy --from "local?root=$2" --to "file://${disk}/c?compression=zstd" "$3" >&2; echo "status $?"; find ${disk} -type f`,
    command,
    root,
    added,
  );
  assert.match(stderr, /no space left on the device/);
  assert.deepEqual(
    stdout
      .trim()
      .split('\n')
      .filter((line) => !line.endsWith('nix-cache-info')),
    ['status 1'],
  );
});

test('one NAR replaced by the valid NAR of another path: that path is refused by its hash, and nothing of it stays', async () => {
  const { root, top, named } = await closure('signed');
  const dir = tempDir('swapped');
  const cache = join(dir, 'c');
  await narrow(['copy', '--from', local(root), '--to', `file://${cache}?compression=none`, top]);
  const narinfo = (path: string): string =>
    join(cache, `${path.slice('/nix/store/'.length, '/nix/store/'.length + 32)}.narinfo`);
  const urlOf = (path: string): string => /^URL: (.*)$/m.exec(readFileSync(narinfo(path), 'utf8'))![1]!;
  const paths = Object.values(named).filter((path) => existsSync(narinfo(path)));
  const [victim, other] = [paths.find((p) => p.includes('-libc-'))!, paths.find((p) => p.includes('-odd-names-'))!];
  cpSync(join(cache, urlOf(other)), join(cache, urlOf(victim)));
  const store = await freshStore();
  const said = await fails(1, ['copy', '--no-check-sigs', '--from', `file://${cache}`, '--to', local(store), top]);
  assert.match(said, /libc/);
  assert.match(said, /expected|longer than announced/);
  assert.deepEqual(
    objects(store).filter((name) => name.includes('-libc-') || name.endsWith('.lock')),
    [],
  );
  assert.equal(await nix('2.8').complaints(store), undefined);
  const second = join(dir, 'second');
  assert.match(await fails(1, ['copy', '--from', `file://${cache}`, '--to', `file://${second}`, top]), /libc/);
  assert.ok(!existsSync(narinfo(victim).replace(cache, second)));
});
