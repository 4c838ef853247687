// Small scripts in which a process is killed at every single file operation: at no moment is a narinfo without its NAR or what it
// refers to, nothing that is to stay is lost, and whoever comes next ends where an undisturbed run would have.

import assert from 'node:assert/strict';
import { cpSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runGc } from '../../src/cache/gc.ts';
import type { GcRequest } from '../../src/cache/gc-survey.ts';
import { push } from '../../src/cache/push.ts';
import { addPin, readRoots } from '../../src/cache/roots.ts';
import { signCache } from '../../src/cache/sign.ts';
import { generateKey, TrustedKeys } from '../../src/model/signature.ts';
import { parseBaseName } from '../../src/model/store-path.ts';
import type { CacheStore } from '../../src/store/cache/cache-store.ts';
import { DirectoryFiles } from '../../src/store/cache/directory-files.ts';
import { directory, file, sample } from '../contract/sample.ts';
import type { Sample } from '../contract/sample.ts';
import { tempDir } from '../lab/temp.ts';
import { isDeath, mortalFiles } from './mortal-files.ts';
import { age, cacheIn, cacheOver, closureIn, expectWhole, has, storeOf } from './small-caches.ts';

// some ten thousand small files
if (existsSync('/dev/shm')) process.env['TMPDIR'] = '/dev/shm';

const hour = 3_600_000;
const deriver = parseBaseName(`${'0'.repeat(31)}1-app-1.drv`);

// lib <- app <- top; twin has the contents of app under another path; next follows top
const lib = await sample('lib-1', file('lib'));
const app = await sample('app-1', directory({ same: file('same') }), [lib.info.path], { deriver });
const top = await sample('top-1', file('top'), [app.info.path, lib.info.path]);
const twin = await sample('twin-1', directory({ same: file('same') }));
const next = await sample('top-2', file('next'), [twin.info.path, lib.info.path]);
const all = [lib, app, top, twin, next];
const source = await storeOf(all);
const key = generateKey('home-1');

type Action = (cache: CacheStore) => Promise<unknown>;

const pushing =
  (root: Sample, name?: string): Action =>
  (cache) =>
    push({
      source,
      cache,
      roots: [root.info.path],
      name,
      upstreams: [],
      trustedKeys: new TrustedKeys(),
      secrets: { patterns: [], allowed: new Set(), ownKeys: new Set() },
    });
const collecting =
  (policy: Partial<GcRequest> = {}): Action =>
  (store) =>
    runGc({ store, keepGenerations: 1, grace: hour, ...policy });
const signing: Action = (store) => signCache({ store, keys: [key] });
const pinning =
  (root: Sample): Action =>
  (cache) =>
    addPin(cache, 'pin', [root.info.path]);

const logging: Action = ({ files }) => files.write(`log/${deriver}`, Buffer.from('it was built'), 'text/plain');

const search = 'compression=none&write-nar-listing=1';

async function undisturbed(dir: string, ...actions: readonly Action[]): Promise<void> {
  for (const action of actions) {
    await using cache = await cacheIn(dir, search);
    await action(cache);
  }
}

/** True when it came to its end within so many operations. */
async function within(dir: string, lives: number, action: Action): Promise<boolean> {
  try {
    await using cache = await cacheOver(mortalFiles(dir, { lives, reading: true }), 'write', search);
    await action(cache);
    return true;
  } catch (error) {
    if (isDeath(error)) return false;
    throw error;
  }
}

/** What there is, but for what changes from run to run. */
function contents(dir: string): string[] {
  const names = existsSync(dir) ? readdirSync(dir, { recursive: true, encoding: 'utf8' }) : [];
  return names.filter((name) => !/^narrow(\/(index|pushes.*|paths.*|leases))?$/.test(name)).sort();
}

/** Everything that pins and the newest generations need is there. */
async function expectRoots(dir: string): Promise<void> {
  const { pins, names } = await readRoots({ files: new DirectoryFiles(dir), storeDir: '/nix/store' });
  for (const record of [...pins, ...[...names.values()].map(([newest]) => newest!)])
    for (const root of record.paths)
      for (const path of closureIn(all, root))
        assert.ok(
          has(
            dir,
            all.find(({ info }) => info.path === path)!,
          ),
          `${record.reference} has lost ${path}`,
        );
}

const place = (): string => join(tempDir('crash-points'), 'cache');

interface Killing {
  /** Where it runs. */
  readonly dir: string;
  readonly action: Action;
  readonly after: (dir: string) => Promise<void>;
}

/** Copies `before`, and kills `action` at operation after operation until a run comes to its end; how many there were. */
async function atEvery(before: string, { dir, action, after }: Killing): Promise<number> {
  for (let lives = 0; ; lives++) {
    rmSync(dir, { recursive: true, force: true });
    if (existsSync(before)) cpSync(before, dir, { recursive: true, preserveTimestamps: true });
    const done = await within(dir, lives, action);
    expectWhole(dir, `killed at ${lives}`);
    if (existsSync(dir)) await expectRoots(dir);
    await after(dir);
    if (done) return lives;
  }
}

/** An hour later: what the dead have left is old. */
const later = (dir: string): void => age(dir, 2 * hour);

async function prepared(...actions: readonly Action[]): Promise<string> {
  const dir = join(tempDir('prepared'), 'cache');
  for (const action of actions) await undisturbed(dir, action);
  if (existsSync(dir)) later(dir);
  return dir;
}

/** What is left when all of it is done, and old, and collected. */
async function settled(dir: string, ...actions: readonly Action[]): Promise<string[]> {
  await undisturbed(dir, ...actions);
  later(dir);
  await undisturbed(dir, collecting());
  expectWhole(dir, 'in the end');
  await expectRoots(dir);
  return contents(dir);
}

async function expectedOf(before: string, ...actions: readonly Action[]): Promise<string[]> {
  const dir = join(tempDir('expected'), 'cache');
  if (existsSync(before)) cpSync(before, dir, { recursive: true, preserveTimestamps: true });
  return settled(dir, ...actions);
}

/** Before, what is killed, and who comes next. */
const scripts: Record<string, () => Promise<[string, Action, readonly Action[]]>> = {
  'a first push, and again': async () => [await prepared(), pushing(top, 'n'), [pushing(top, 'n')]],
  'a push of a next generation, and again': async () => [
    await prepared(pushing(top, 'n')),
    pushing(next, 'n'),
    [pushing(next, 'n')],
  ],
  'a push that brings back what is about to go, and a collection': async () => [
    await prepared(pushing(top, 'n'), pushing(next, 'n')),
    pushing(top),
    [collecting(), pushing(top, 'n')],
  ],
  'a collection, and again': async () => [
    await prepared(pushing(top, 'n'), pushing(next, 'n'), logging),
    collecting(),
    [collecting()],
  ],
  'a collection, and a push of what went': async () => [
    await prepared(pushing(top, 'n'), pushing(next, 'n'), pinning(twin)),
    collecting({ keepGenerations: 1 }),
    [pushing(top, 'n')],
  ],
  'a collection by size, and a push': async () => [
    await prepared(pushing(top), pushing(next), pinning(lib)),
    collecting({ maxSize: 1200 }),
    [pushing(next, 'n')],
  ],
  'signing everything, and again': async () => [await prepared(pushing(top, 'n')), signing, [signing]],
};

for (const [name, script] of Object.entries(scripts))
  test(`${name}, whenever the first is killed`, async () => {
    const [before, action, following] = await script();
    const expected = await expectedOf(before, action, ...following);
    const after = async (dir: string): Promise<void> => assert.deepEqual(await settled(dir, ...following), expected);
    const points = await atEvery(before, { dir: place(), action, after });
    assert.ok(points > 10, `${points} operations`);
  });

test('a push and then a collection, both killed, at every pair of operations', async () => {
  const before = await prepared(pushing(lib), pushing(twin, 'n'));
  const again = pushing(app);
  const expected = await expectedOf(before, again, collecting(), again);
  const inner: Killing = {
    dir: place(),
    action: collecting(),
    after: async (dir) => assert.deepEqual(await settled(dir, again), expected),
  };
  let pairs = 0;
  await atEvery(before, {
    dir: place(),
    action: again,
    async after(dir) {
      later(dir);
      pairs += await atEvery(dir, inner);
    },
  });
  assert.ok(pairs > 400, `${pairs} pairs`);
});
