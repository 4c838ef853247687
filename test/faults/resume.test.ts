// Copies that are cut and killed, and the next run: what is there is not fetched again, whole paths anywhere, parts of large
// downloads in the state directory.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { command, environment, narrow } from '../e2e/narrow.ts';
import { startFaultServer } from '../lab/fault-server.ts';
import { generate } from '../lab/generate.ts';
import { freshStore, nix } from '../lab/nix.ts';
import { run } from '../lab/run.ts';
import { tempDir } from '../lab/temp.ts';

const MiB = 2 ** 20;
const size = 24 * MiB;

interface Large {
  /** A cache with one path of 24 MiB that does not compress. */
  readonly cache: string;
  readonly path: string;
  /** Bytes of its file. */
  readonly fileSize: number;
}

let made: Promise<Large> | undefined;
const large = (): Promise<Large> => (made ??= makeLarge());

async function makeLarge(): Promise<Large> {
  const dir = tempDir('large');
  const cache = join(dir, 'cache');
  writeFileSync(join(dir, 'noise'), randomBytes(size));
  const to = `file://${cache}?compression=zstd`;
  const path = (await narrow(['add', '--store', to, join(dir, 'noise')])).stdout.trim();
  const [nar] = readdirSync(join(cache, 'nar'));
  return { cache, path, fileSize: statSync(join(cache, 'nar', nar!)).size };
}

const isNar = /^\/nar\//;
/** One try a request and no waiting, so that a fault is one. */
const once1 = '?retry-attempts=1&retry-delay=1';

function state(): { env: NodeJS.ProcessEnv; downloads: string; parts(): { name: string; size: number }[] } {
  const dir = tempDir('state');
  const downloads = join(dir, 'narrow/downloads');
  const parts = (): { name: string; size: number }[] => {
    try {
      return readdirSync(downloads).map((name) => ({ name, size: statSync(join(downloads, name)).size }));
    } catch {
      return [];
    }
  };
  return { env: { XDG_STATE_HOME: dir }, downloads, parts };
}

const copyArgs = (url: string, store: string, path: string): string[] => {
  return ['copy', '--no-check-sigs', '--from', url, '--to', `local?root=${store}`, path];
};

test('killed in the middle of a download, the next run asks for the rest alone', async () => {
  const { cache, path, fileSize } = await large();
  const { env, parts } = state();
  const store = await freshStore();
  await using server = await startFaultServer(cache, { fault: 'hang-body', match: isNar, after: 13 * MiB });
  const child = spawn(command, copyArgs(server.url, store, path), { env: environment(env), stdio: 'ignore' });
  const ended = once(child, 'close');
  for (let waited = 0; (parts()[0]?.size ?? 0) < 12 * MiB; waited += 20) {
    assert.ok(waited < 20_000 && child.exitCode === null, 'nothing is kept');
    await sleep(20);
  }
  child.kill('SIGKILL');
  await ended;
  const kept = parts()[0]!.size;
  assert.ok(kept >= 12 * MiB && kept <= 13 * MiB);
  server.faults = undefined;
  server.requests.length = 0;
  await narrow(copyArgs(server.url, store, path), { env });
  const nars = server.requests.filter((request) => isNar.test(request.path));
  assert.deepEqual(
    nars.map((request) => request.range),
    [`bytes=${kept}-`],
    `of ${fileSize}`,
  );
  assert.deepEqual(parts(), []);
  assert.equal(await nix('current').complaints(store), undefined);
  assert.ok(readFileSync(join(store, path)).length === size);
});

test('a server that cuts every answer after 5 MiB is read to the end in one run', async () => {
  const { cache, path, fileSize } = await large();
  const { env, parts } = state();
  const store = await freshStore();
  await using server = await startFaultServer(cache, { fault: 'reset', match: isNar, after: 5 * MiB, times: 1 });
  await narrow(copyArgs(server.url, store, path), { env });
  const ranges = server.requests.filter((request) => isNar.test(request.path)).map((request) => request.range);
  assert.equal(ranges.length, 2);
  const [, start] = /^bytes=(\d+)-$/.exec(ranges[1] ?? '') ?? [];
  assert.ok(Number(start) > 0 && Number(start) <= 5 * MiB, `${ranges.join()} of ${fileSize}`);
  assert.deepEqual(parts(), []);
  assert.equal(await nix('2.8').complaints(store), undefined);
});

test('a run that failed keeps its part for the next, which may come from another server', async () => {
  const { cache, path } = await large();
  const { env, parts } = state();
  const store = await freshStore();
  await using bad = await startFaultServer(cache, { fault: 'short', match: isNar, after: 9 * MiB });
  const failed = await narrow(copyArgs(bad.url + once1, store, path), { env, mayFail: true });
  assert.equal(failed.status, 1);
  // the last bytes before a reset may be lost on the way; what came is kept, all of it
  const came = Number(/after (\d+) of \d+ bytes/.exec(failed.stderr)?.[1]);
  assert.ok(came > 8 * MiB && came <= 9 * MiB, failed.stderr);
  const [part] = parts();
  assert.equal(part?.size, came);
  await using good = await startFaultServer(cache);
  await narrow(copyArgs(good.url, store, path), { env });
  const nars = good.requests.filter((request) => isNar.test(request.path));
  assert.deepEqual(
    nars.map((request) => request.range),
    [`bytes=${came}-`],
  );
  assert.deepEqual(parts(), []);
});

test('a part that was changed is found out by its hash, is dropped, and the run after that fetches all', async () => {
  const { cache, path } = await large();
  const { env, downloads, parts } = state();
  const store = await freshStore();
  await using server = await startFaultServer(cache, { fault: 'short', match: isNar, after: 9 * MiB });
  await narrow(copyArgs(server.url + once1, store, path), { env, mayFail: true });
  server.faults = undefined;
  writeFileSync(join(downloads, parts()[0]!.name), Buffer.alloc(4 * MiB, 7));
  const wrong = await narrow(copyArgs(server.url, store, path), { env, mayFail: true });
  assert.equal(wrong.status, 1);
  assert.deepEqual(parts(), []);
  assert.deepEqual(
    readdirSync(join(store, 'nix/store')).filter((name) => name !== '.links'),
    [],
  );
  await narrow(copyArgs(server.url, store, path), { env });
  assert.equal(await nix('2.8').complaints(store), undefined);
});

test('parts that nobody came back for go away with the next large download', async () => {
  const { cache, path } = await large();
  const { env, downloads, parts } = state();
  mkdirSync(downloads, { recursive: true });
  for (const [name, days] of [
    ['old', 15],
    ['young', 13],
  ] as const) {
    writeFileSync(join(downloads, name), 'x');
    const time = Date.now() / 1000 - days * 24 * 3600;
    utimesSync(join(downloads, name), time, time);
  }
  await using server = await startFaultServer(cache);
  await narrow(copyArgs(server.url, await freshStore(), path), { env });
  assert.deepEqual(
    parts().map(({ name }) => name),
    ['young'],
  );
});

test('where nothing can be kept the copy goes on without', async () => {
  const { cache, path } = await large();
  const file = join(tempDir('no-state'), 'file');
  writeFileSync(file, '');
  await using server = await startFaultServer(cache);
  const store = await freshStore();
  await narrow(copyArgs(server.url, store, path), { env: { XDG_STATE_HOME: file } });
  assert.equal(await nix('2.8').complaints(store), undefined);
});

test('where there is no room to keep it the copy goes on without, and what was kept is good', async () => {
  const { cache, path } = await large();
  await using server = await startFaultServer(cache);
  const [disk, store] = [join(tempDir('disk'), 'd'), await freshStore()];
  mkdirSync(disk);
  const script = `mount -t tmpfs -o size=9m tmpfs "${disk}"; exec "$@"`;
  const argv = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', command];
  const env = environment({ XDG_STATE_HOME: disk });
  await run([...argv, ...copyArgs(server.url, store, path)], { env });
  assert.equal(await nix('2.8').complaints(store), undefined);
});

test('a cache in a directory is not copied into the state directory', async () => {
  const { cache, path } = await large();
  const { env, downloads } = state();
  mkdirSync(downloads, { recursive: true });
  writeFileSync(join(downloads, '..', 'seen'), '');
  const before = statSync(downloads).mtimeMs;
  await narrow(copyArgs(`file://${cache}`, await freshStore(), path), { env });
  assert.equal(statSync(downloads).mtimeMs, before);
});

test('a closure that was killed half-way: only the rest is asked for and copied', async () => {
  const from = await freshStore();
  const tops = await generate(from, { paths: 120 });
  const cache = join(tempDir('closure'), 'c');
  await narrow(['copy', '--from', `local?root=${from}`, '--to', `file://${cache}?compression=zstd`, ...tops]);
  const store = await freshStore();
  await using server = await startFaultServer(cache, { fault: 'delay', match: isNar, after: 60 });
  const args = ['copy', '--json', '--no-check-sigs', '--from', server.url, '--to', `local?root=${store}`, ...tops];
  const child = spawn(command, args, { env: environment(), stdio: 'ignore' });
  const ended = once(child, 'close');
  const objects = (): string[] =>
    readdirSync(join(store, 'nix/store')).filter((name) => !/^\.links$|\.lock$/.test(name));
  while (objects().length < 40 && child.exitCode === null) await sleep(5);
  assert.equal(child.exitCode, null, 'too fast to be killed');
  child.kill('SIGKILL');
  await ended;
  const valid = JSON.parse(await nix('2.8').nix('path-info', '--all', '--json', '--store', store)) as unknown[];
  server.faults = undefined;
  server.requests.length = 0;
  const second = JSON.parse((await narrow(args)).stdout) as {
    plan: { total: number; valid: number };
    copied: unknown[];
  };
  assert.equal(second.plan.valid, valid.length);
  assert.equal(second.copied.length, second.plan.total - valid.length);
  assert.ok(valid.length >= 20, `only ${valid.length} were registered`);
  assert.equal(server.requests.filter((request) => isNar.test(request.path)).length, second.copied.length);
  assert.equal(await nix('current').complaints(store), undefined);
});
