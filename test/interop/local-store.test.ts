// Local stores shared with real Nix, of every version there is: what one writes the other finds clean, and locks and
// roots of the one hold against the other.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { tryFlock } from '../../src/fs/libc.ts';
import { parseStorePath } from '../../src/model/store-path.ts';
import { closure } from '../lab/closures.ts';
import { generate } from '../lab/generate.ts';
import { nixes } from '../lab/nix.ts';
import type { Nix } from '../lab/nix.ts';
import { tempDir } from '../lab/temp.ts';
import { addAll, closureInfos, copyAll, itemsOf, openRoot } from '../store/local/stores.ts';

const parse = (path: string) => parseStorePath('/nix/store', path);

/** Waits until `happened`, at most half a minute. */
async function until(what: string, happened: () => boolean): Promise<void> {
  const start = Date.now();
  while (!happened()) {
    if (Date.now() - start > 30_000) throw new Error(`waited in vain until ${what}`);
    await sleep(2);
  }
}

/** Stopped, or waiting for us, when a test fails: they must not outlive it. */
const children = new Set<ChildProcess>();
after(() => children.forEach((child) => child.kill('SIGKILL')));

function start(which: Nix, args: readonly string[]) {
  const child = spawn(join(which.bin, 'nix'), args, { env: which.env(), stdio: ['ignore', 'ignore', 'pipe'] });
  children.add(child);
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const ended = once(child, 'close').then(([status]) => assert.equal(status, 0, errors));
  return { child, ended };
}

function openFiles(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return '';
    }
  });
}

const lockIn = (root: string) =>
  existsSync(join(root, 'nix/store')) && readdirSync(join(root, 'nix/store')).some((n) => n.endsWith('.lock'));

for (const name of ['basic', 'ca'] as const) {
  test(`every Nix finds a new store that we filled clean and complete: ${name}`, async () => {
    const { root, paths, drvs } = await closure(name);
    const copy = tempDir('filled');
    await using source = await openRoot(root, { mode: 'read' });
    {
      await using store = await openRoot(copy);
      const outcomes = await copyAll(source, store, [...paths, ...drvs].map(parse));
      assert.deepEqual(
        outcomes.filter((o) => o.status !== 'added'),
        [],
      );
    }
    for (const which of nixes()) {
      assert.equal(await which.complaints(copy), undefined, which.label);
      for (const top of [paths.at(-1)!, drvs.at(-1)!]) {
        const [ours, theirs] = await Promise.all([copy, root].map((r) => which.store(r, '-qR', top)));
        assert.equal(ours, theirs);
      }
      if (name === 'ca') continue; // outputs of floating derivations are not known beforehand
      const outputs = await Promise.all([copy, root].map((r) => which.store(r, '-q', '--outputs', ...drvs)));
      assert.equal(outputs[0], outputs[1]);
    }
  });
}

test('what each Nix makes we read, and add to', async () => {
  const { root, paths } = await closure('basic');
  for (const which of nixes()) {
    const copy = tempDir('theirs');
    const [some, rest] = [paths.slice(0, 10), paths];
    await which.nix('copy', '--no-check-sigs', '--from', root, '--to', copy, ...some);
    await using source = await openRoot(root, { mode: 'read' });
    await using store = await openRoot(copy);
    const there = await store.allPaths();
    const [ours, theirs] = await Promise.all([store, source].map((s) => s.pathInfos(there)));
    const facts = (infos: typeof ours) =>
      [...infos!.values()]
        .map(({ path, narHash, narSize, references }) => ({ path, narHash, narSize, references }))
        .sort((a, b) => (a.path < b.path ? -1 : 1));
    assert.deepEqual(facts(ours), facts(theirs));
    const outcomes = await copyAll(source, store, rest.map(parse));
    assert.equal(outcomes.filter((o) => o.status === 'valid').length, there.length);
    assert.equal(await which.complaints(copy), undefined, which.label);
  }
});

test('the collector of every Nix spares what is held, and deletes it afterwards', async () => {
  const { root, paths } = await closure('basic');
  for (const which of nixes()) {
    const copy = tempDir('held');
    await using source = await openRoot(root, { mode: 'read' });
    await using store = await openRoot(copy);
    await copyAll(source, store, paths.map(parse));
    // what was added is held by the store for as long as it is open
    await which.store(copy, '--gc');
    assert.equal((await store.allPaths()).length, paths.length);
    await store[Symbol.asyncDispose]();
    {
      await using reader = await openRoot(copy, { mode: 'read' });
      await using held = await reader.hold([parse(paths.at(-1)!)]);
      void held;
      const kept = await closureInfos(reader, [parse(paths.at(-1)!)]);
      await which.store(copy, '--gc');
      assert.deepEqual(new Set(await reader.allPaths()), new Set(kept.keys()));
    }
    await which.store(copy, '--gc');
    await using reader = await openRoot(copy, { mode: 'read' });
    assert.deepEqual(await reader.allPaths(), []);
    assert.deepEqual(readdirSync(join(copy, 'nix/var/nix/temproots')), []);
  }
});

test('a root told to a running collector is spared by it', async () => {
  for (const which of nixes()) {
    const root = tempDir('collecting');
    await generate(root, { paths: 1500, references: 0 });
    await using store = await openRoot(root);
    const gc = start(which, ['store', 'gc', '--store', root]);
    const store_ = join(root, 'nix/store');
    // in the middle of deleting: it holds gc.lock and listens on its socket
    await until('paths are deleted', () => readdirSync(store_).length < 1400);
    gc.child.kill('SIGSTOP');
    const left = (await store.allPaths()).filter((path) => existsSync(join(store_, path)));
    assert.ok(left.length > 10, `${left.length} left`);
    let held: AsyncDisposable | undefined;
    const holding = store.hold(left).then((h) => (held = h));
    await sleep(150);
    assert.equal(held, undefined, 'it waits for the answer');
    gc.child.kill('SIGCONT');
    await holding;
    const spared = (await store.pathInfos(left)).size;
    assert.ok(spared > 0, 'some are still there');
    await gc.ended;
    assert.equal((await store.pathInfos(left)).size, spared, which.label);
    await held![Symbol.asyncDispose]();
    assert.equal(await which.complaints(root), undefined);
  }
  assert.ok(nixes().length > 0);
});

/** A lock file that is there may be held not yet, or not any more. */
function lockIsHeld(root: string): boolean {
  const name = readdirSync(join(root, 'nix/store')).find((n) => n.endsWith('.lock'));
  if (name === undefined) return false;
  const fd = openSync(join(root, 'nix/store', name), 'r');
  try {
    return !tryFlock(fd, 'exclusive');
  } finally {
    closeSync(fd);
  }
}

/** A Nix that copies into a new store, stopped while it holds the lock of a path. */
async function stoppedWhileAdding(which: Nix, from: string, paths: readonly string[]) {
  for (let attempt = 0; attempt < 10; attempt++) {
    const to = tempDir('waiting');
    await which.store(to, '--init');
    const copy = start(which, ['copy', '--no-check-sigs', '--from', from, '--to', to, ...paths]);
    await until('it has a lock', () => lockIn(to) || copy.child.exitCode !== null);
    copy.child.kill('SIGSTOP');
    await sleep(20);
    if (lockIsHeld(to)) return { to, copy };
    copy.child.kill('SIGCONT');
  }
  throw new Error('it was always faster');
}

test('we wait for the path that a Nix is just adding', async () => {
  const from = tempDir('big');
  const paths = await generate(from, { paths: 1, bytes: 60_000_000 });
  for (const which of nixes()) {
    const { to, copy } = await stoppedWhileAdding(which, from, paths);
    await using source = await openRoot(from, { mode: 'read' });
    const warnings: string[] = [];
    await using store = await openRoot(to, { warnings });
    const adding = copyAll(source, store, paths.map(parse));
    await until('we say that we wait', () => warnings.length > 0);
    assert.match(warnings.join(), /waiting for the lock on .*package/);
    copy.child.kill('SIGCONT');
    assert.deepEqual(
      (await adding).map((o) => o.status),
      ['valid'],
    );
    await copy.ended;
    assert.equal(lockIn(to), false);
  }
});

test('a Nix waits for the path that we are just adding', async () => {
  const { root, paths } = await closure('basic');
  for (const which of nixes()) {
    const to = tempDir('slow');
    // else it would wait for the whole store, to bring the schema up to date
    await which.store(to, '--init');
    await using source = await openRoot(root, { mode: 'read' });
    await using store = await openRoot(to);
    const infos = await closureInfos(source, paths.map(parse));
    const last = [...infos.keys()].at(-1)!;
    const items = await itemsOf(source, infos.values());
    const go = Promise.withResolvers<void>();
    const slowed = items.map((item) =>
      item.info.path !== last
        ? item
        : { ...item, open: (options?: object) => go.promise.then(() => item.open(options)) },
    );
    const adding = addAll(store, slowed);
    await until('we hold the lock', () => existsSync(join(to, 'nix/store', `${last}.lock`)));
    const copy = start(which, ['copy', '--no-check-sigs', '--from', root, '--to', to, `/nix/store/${last}`]);
    await until('it has opened the lock', () =>
      openFiles(copy.child.pid!).some((file) => file.endsWith(`${last}.lock`)),
    );
    await sleep(100);
    assert.equal(copy.child.exitCode, null);
    go.resolve();
    assert.deepEqual(new Set((await adding).map((o) => o.status)), new Set(['added']));
    await copy.ended;
    await store[Symbol.asyncDispose]();
    assert.equal(await which.complaints(to), undefined);
    assert.equal(lockIn(to), false);
  }
});

test('two of us and a Nix fill one store at once', async () => {
  const { root, paths } = await closure('basic');
  for (const which of nixes()) {
    const to = tempDir('three');
    await using source = await openRoot(root, { mode: 'read' });
    {
      await using one = await openRoot(to);
      await using two = await openRoot(to);
      const third = start(which, ['copy', '--no-check-sigs', '--from', root, '--to', to, ...paths]);
      const both = await Promise.all([one, two].map((store) => copyAll(source, store, paths.map(parse))));
      for (const outcome of both.flat())
        assert.ok(outcome.status === 'added' || outcome.status === 'valid', JSON.stringify(outcome));
      await third.ended;
    }
    assert.equal(await which.complaints(to), undefined);
    assert.equal(lockIn(to), false);
  }
});

test('a profile is what nix-env --set makes, also after a rollback', async () => {
  const { root, paths } = await closure('basic');
  const [first, second] = [paths[0]!, paths[1]!];
  for (const which of nixes()) {
    const shapes: string[][] = [];
    for (const ours of [false, true]) {
      const to = tempDir('profile');
      await which.nix('copy', '--no-check-sigs', '--from', root, '--to', to, ...paths);
      const profile = join(to, 'nix/var/nix/profiles/system');
      const env = (...args: string[]) => which.run('nix-env', ['-p', profile, ...args], { store: to });
      const set = async (path: string): Promise<void> => {
        if (!ours) return void (await env('--set', path));
        await using store = await openRoot(to);
        await store.setProfile(profile, parse(path));
      };
      await set(first);
      await set(first);
      await set(second);
      await env('--rollback');
      await set(second);
      await env('--rollback');
      await set(first);
      const names = readdirSync(join(to, 'nix/var/nix/profiles'))
        .filter((n) => n.startsWith('system'))
        .sort();
      shapes.push(names.map((n) => `${n} -> ${readlinkSync(join(to, 'nix/var/nix/profiles', n))}`));
      await which.store(to, '--gc');
      await using store = await openRoot(to, { mode: 'read' });
      assert.equal((await store.pathInfos([first, second].map(parse))).size, 2);
    }
    assert.deepEqual(shapes[1], shapes[0], which.label);
    assert.equal(shapes[0]?.length, 4);
  }
});

test('a root keeps its closure through a collection, until it is removed', async () => {
  const { root, paths, top } = await closure('basic');
  for (const which of nixes()) {
    const to = tempDir('rooted');
    const links = tempDir('links');
    await using source = await openRoot(root, { mode: 'read' });
    {
      await using store = await openRoot(to);
      await copyAll(source, store, paths.map(parse));
      await store.addRoot(join(links, 'result'), parse(top));
    }
    const kept = await closureInfos(source, [parse(top)]);
    await which.store(to, '--gc');
    await using store = await openRoot(to, { mode: 'read' });
    assert.deepEqual(new Set(await store.allPaths()), new Set(kept.keys()));
    assert.match(await which.store(to, '-q', '--roots', top), /result/);
  }
});
