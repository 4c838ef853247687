// What a collection keeps and removes, and how it stands beside pushes.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { planGc, runGc } from '../../src/cache/gc.ts';
import type { GcRequest } from '../../src/cache/gc-survey.ts';
import { addGeneration, newestGeneration } from '../../src/cache/generations.ts';
import { takeInventory } from '../../src/cache/inventory.ts';
import { addPin, addPush } from '../../src/cache/roots.ts';
import { isNarrowError } from '../../src/errors.ts';
import { verifyCache } from '../../src/cache/verify.ts';
import { hashPart, parseBaseName } from '../../src/model/store-path.ts';
import type { StorePath } from '../../src/model/store-path.ts';
import { DirectoryFiles } from '../../src/store/cache/directory-files.ts';
import { collectorMark } from '../../src/store/cache/leases.ts';
import { directory, file, itemOf, later, sample } from '../contract/sample.ts';
import type { Sample } from '../contract/sample.ts';
import { tempDir } from '../lab/temp.ts';
import { age, cacheIn, expectWhole, has, narinfos } from './small-caches.ts';

const hour = 3_600_000;
const day = 24 * hour;

/** lib <- app, other <- tool (both other and lib), lone; twin has the contents of lone. */
async function graph(): Promise<Record<'lib' | 'app' | 'other' | 'tool' | 'lone' | 'twin', Sample>> {
  const lib = await sample('lib-1', file('lib'));
  const app = await sample('app-1', file('app'), [lib.info.path]);
  const other = await sample('other-1', file('other'));
  const tool = await sample('tool-1', file('tool'), [lib.info.path, other.info.path]);
  const lone = await sample('lone-1', directory({ same: file('same') }));
  const twin = await sample('twin-1', directory({ same: file('same') }));
  return { lib, app, other, tool, lone, twin };
}

async function filled(): Promise<{ dir: string; all: Awaited<ReturnType<typeof graph>> }> {
  const dir = join(tempDir('gc'), 'cache');
  const all = await graph();
  await fill(dir, Object.values(all));
  return { dir, all };
}

async function fill(dir: string, samples: readonly Sample[]): Promise<void> {
  await using cache = await cacheIn(dir, 'compression=none&write-nar-listing=1');
  for await (const outcome of cache.add(later(samples.map((one) => itemOf(one))))) assert.ok(!('error' in outcome));
}

type Policy = Partial<Omit<GcRequest, 'store'>>;

async function gc(dir: string, policy: Policy): Promise<Awaited<ReturnType<typeof runGc>>> {
  await using store = await cacheIn(dir);
  const result = await runGc({ store, keepGenerations: 1, grace: hour, ...policy });
  expectWhole(dir, JSON.stringify(policy));
  return result;
}

const left = (dir: string, all: Record<string, Sample>): string =>
  Object.entries(all)
    .filter(([, one]) => has(dir, one))
    .map(([name]) => name)
    .join(' ');

const nars = (dir: string): number => readdirSync(join(dir, 'nar')).length;

test('pins and generations keep what they need, and everything else goes', async () => {
  const { dir, all } = await filled();
  {
    await using cache = await cacheIn(dir);
    await addPin(cache, 'keep', [all.app.info.path]);
    await addGeneration(cache, 'n', [all.lone.info.path], []);
    await addGeneration(cache, 'n', [all.other.info.path], []);
  }
  assert.equal((await gc(dir, { keepGenerations: 2 })).plan.steps.length, 0, 'all is new');
  age(dir, 2 * hour);
  await gc(dir, { keepGenerations: 2 });
  assert.equal(left(dir, all), 'lib app other lone');
  assert.equal(nars(dir), 4, 'the NAR of twin is that of lone');
  const found = await gc(dir, {});
  assert.equal(left(dir, all), 'lib app other');
  assert.deepEqual(found.records, ['narrow/names/n/1']);
  assert.equal(nars(dir), 3);
  assert.equal(readdirSync(dir).filter((name) => name.endsWith('.ls')).length, 3);
  assert.ok(!existsSync(join(dir, collectorMark)));
});

test('a pointer that was left behind by pushes that were killed is not left to what goes', async () => {
  const { dir, all } = await filled();
  await using cache = await cacheIn(dir);
  for (const one of [all.app, all.other, all.lone]) await addGeneration(cache, 'n', [one.info.path], []);
  writeFileSync(join(dir, 'narrow/names/n/latest'), readFileSync(join(dir, 'narrow/names/n/1')));
  assert.equal((await newestGeneration(cache, 'n'))?.generation, 3, 'the numbers between lead to it');
  age(dir, 2 * hour);
  await gc(dir, {});
  assert.deepEqual(readdirSync(join(dir, 'narrow/names/n')).sort(), ['3', 'latest']);
  assert.equal((await newestGeneration(cache, 'n'))?.generation, 3);
  assert.equal((await addGeneration(cache, 'n', [all.lone.info.path], [])).generation, 4);
});

test('a plan changes nothing, and says what the run then does', async () => {
  const { dir, all } = await filled();
  age(dir, 2 * hour);
  const before = readdirSync(dir, { recursive: true }).sort();
  await using store = await cacheIn(dir);
  const plan = await planGc({ store, keepGenerations: 1, grace: hour });
  assert.deepEqual(readdirSync(dir, { recursive: true }).sort(), before);
  const size = (): Promise<number> => takeInventory(store).then((inventory) => inventory.size);
  const full = await size();
  const run = await gc(dir, {});
  rmSync(join(dir, 'narrow/index'), { force: true });
  assert.equal(plan.bytes, full - (await size()));
  assert.deepEqual([run.bytes, run.files], [plan.bytes, plan.files]);
  assert.equal(left(dir, all), '');
});

test('by age: what was pushed again, and what that needs, stays', async () => {
  const { dir, all } = await filled();
  age(dir, 20 * day);
  {
    await using cache = await cacheIn(dir);
    await addPush(cache, [all.tool.info.path]);
  }
  age(dir, 2 * day);
  await gc(dir, { olderThan: 14 * day });
  assert.equal(left(dir, all), 'lib other tool');
  age(dir, 13 * day);
  await gc(dir, { olderThan: 14 * day });
  assert.equal(left(dir, all), '');
  assert.deepEqual(readdirSync(join(dir, 'narrow/pushes')), []);
});

test('by age with a log: what was fetched stays; before its first line a log tells nothing', async () => {
  const { dir, all } = await filled();
  age(dir, 20 * day);
  const now = Date.now();
  const times = new Map([[hashPart(all.app.info.path), now - day]]);
  await gc(dir, { olderThan: 14 * day, logged: { times, from: now - 3 * day, to: now } });
  assert.equal(left(dir, all), 'lib app other tool lone twin');
  await gc(dir, { olderThan: 14 * day, logged: { times, from: now - 30 * day, to: now } });
  assert.equal(left(dir, all), 'lib app');
});

test('by age with times of reading', async () => {
  const { dir, all } = await filled();
  age(dir, 20 * day);
  const url = /^URL: (.*)$/m.exec(readFileSync(join(dir, `${hashPart(all.tool.info.path)}.narinfo`), 'utf8'))![1]!;
  utimesSync(join(dir, url), new Date(), new Date(Date.now() - 20 * day));
  await gc(dir, { olderThan: 14 * day, accessTimes: true });
  assert.equal(left(dir, all), 'lib other tool');
});

test('by size: what was used longest ago goes first, whole from the top', async () => {
  const { dir, all } = await filled();
  age(dir, 2 * hour);
  const old = new Date(Date.now() - 10 * day);
  utimesSync(join(dir, `${hashPart(all.tool.info.path)}.narinfo`), old, old);
  await using store = await cacheIn(dir);
  await gc(dir, { maxSize: (await takeInventory(store)).size });
  assert.equal(left(dir, all), 'lib app other tool lone twin');
  await gc(dir, { maxSize: (await takeInventory(store)).size - 1 });
  assert.equal(left(dir, all), 'lib app other lone twin');
  await gc(dir, { maxSize: 0 });
  assert.equal(left(dir, all), '');
});

test('what a running push relies on stays, and NARs stay while it runs', async () => {
  const { dir, all } = await filled();
  age(dir, 2 * hour);
  await using pusher = await cacheIn(dir);
  const held = await pusher.hold([all.tool.info.path]);
  const found = await gc(dir, {});
  assert.equal(left(dir, all), 'lib other tool');
  assert.ok(found.narsStay);
  assert.equal(nars(dir), 5, 'it may be about to name any of them');
  await held[Symbol.asyncDispose]();
  await gc(dir, {});
  assert.equal(nars(dir), 0);
});

test('who wants to push waits for a collector, and for a dead one does not', { timeout: 20_000 }, async () => {
  const { dir, all } = await filled();
  mkdirSync(join(dir, 'narrow'), { recursive: true });
  const mark = join(dir, collectorMark);
  writeFileSync(mark, `${JSON.stringify({ host: 'elsewhere', pid: 1, space: 'another' })}\n`);
  await using cache = await cacheIn(dir);
  let got = false;
  const holding = cache.hold([all.app.info.path]).then(async (held) => {
    got = true;
    await held[Symbol.asyncDispose]();
  });
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.ok(!got, 'it waits');
  await assert.rejects(gc(dir, {}), (error) => isNarrowError(error, 'unavailable'));
  const past = new Date(Date.now() - 10 * 60_000);
  utimesSync(mark, past, past);
  await holding;
  await gc(dir, {});
  assert.ok(!existsSync(mark));
});

test('a lease of a process that has ended, and one that is silent, is dead', async () => {
  const { dir, all } = await filled();
  age(dir, 2 * hour);
  const leases = join(dir, 'narrow/leases');
  mkdirSync(leases, { recursive: true });
  writeFileSync(join(leases, 'a'), `{"host":"x","pid":1,"space":"y"}\n${hashPart(all.app.info.path)}\n`);
  const past = new Date(Date.now() - 2 * hour);
  utimesSync(join(leases, 'a'), past, past);
  await gc(dir, {});
  assert.equal(left(dir, all), '');
  assert.deepEqual(readdirSync(leases), []);
});

test('NARs that nothing names and unfinished files go when they are old', async () => {
  const { dir } = await filled();
  age(dir, 2 * hour);
  await using store = await cacheIn(dir);
  await addPin(
    store,
    'all',
    (await takeInventory(store)).rows.map(({ path }) => path),
  );
  for (const name of ['nar/left.nar.xz', 'nar/stage.tmp.1.2', 'x.narinfo.tmp.1.3']) writeFileSync(join(dir, name), 'x');
  await gc(dir, {});
  assert.ok(existsSync(join(dir, 'nar/left.nar.xz')));
  age(dir, 2 * hour);
  const found = await gc(dir, {});
  assert.equal(found.strays.length, 3);
  assert.ok(!existsSync(join(dir, 'nar/left.nar.xz')) && !existsSync(join(dir, 'x.narinfo.tmp.1.3')));
  assert.equal(narinfos(dir).length, 6);
});

test('what cannot be read: a narinfo keeps all NARs, a pin ends it before anything is removed', async () => {
  const { dir, all } = await filled();
  const name = `${'0'.repeat(32)}.narinfo`;
  writeFileSync(join(dir, name), 'StorePath: nonsense\n');
  writeFileSync(join(dir, 'nar/left.nar.xz'), 'x');
  age(dir, 2 * hour);
  const { inventory } = await gc(dir, {});
  assert.deepEqual(
    inventory.damaged.map(({ reference }) => reference),
    [name],
  );
  assert.ok(existsSync(join(dir, 'nar/left.nar.xz')) && existsSync(join(dir, name)));
  assert.equal(left(dir, all), '');
  mkdirSync(join(dir, 'narrow/pins'), { recursive: true });
  writeFileSync(join(dir, 'narrow/pins/bad'), 'Path: nonsense\n');
  await fill(dir, [all.lib]);
  age(dir, 2 * hour);
  await assert.rejects(gc(dir, {}), (error) => isNarrowError(error, 'format'));
  assert.equal(left(dir, all), 'lib');
});

test('a NAR that a narinfo names which came while narinfos were removed stays', async () => {
  const { dir, all } = await filled();
  age(dir, 2 * hour);
  const text = readFileSync(join(dir, `${hashPart(all.lone.info.path)}.narinfo`), 'utf8');
  const late = await sample('late-1', directory({ same: file('same') }));
  const files = new DirectoryFiles(dir);
  let removed = 0;
  const store = {
    storeDir: '/nix/store',
    files: new Proxy(files, {
      get(target, key) {
        const value: unknown = Reflect.get(target, key, target);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]): unknown => {
          // somebody without a lease, such as Nix
          if (key === 'remove' && removed++ === 2)
            writeFileSync(
              join(dir, `${hashPart(late.info.path)}.narinfo`),
              text.replace(/^StorePath: .*$/m, `StorePath: /nix/store/${late.info.path}`),
            );
          return Reflect.apply(value, target, args);
        };
      },
    }),
  };
  await runGc({ store, keepGenerations: 1, grace: hour });
  assert.ok(has(dir, late));
  expectWhole(dir, 'late');
});

test('the index is a hint: what was written again since is read, what is nonsense is not believed', async () => {
  const { dir, all } = await filled();
  age(dir, 2 * hour);
  await using store = await cacheIn(dir);
  await addPin(
    store,
    'all',
    (await takeInventory(store)).rows.map(({ path }) => path),
  );
  await gc(dir, {});
  const again = await takeInventory(store);
  assert.deepEqual([again.rows.length, again.read], [6, 0]);
  assert.deepEqual(again.rows.find(({ path }) => path === all.tool.info.path)?.references, all.tool.info.references);
  const narinfo = join(dir, `${hashPart(all.app.info.path)}.narinfo`);
  const text = readFileSync(narinfo, 'utf8');
  rmSync(narinfo);
  writeFileSync(narinfo, text.replace(/^References: .*$/m, `References: ${all.other.info.path}`));
  const third = await takeInventory(store);
  assert.equal(third.read, 1);
  assert.deepEqual(third.rows.find(({ path }) => path === all.app.info.path)?.references, [all.other.info.path]);
  const index = readFileSync(join(dir, 'narrow/index'));
  for (const bad of [
    Buffer.from('nonsense'),
    index.subarray(0, 200),
    Buffer.from(`${index.toString().split('\n')[0]}\nx\n`),
  ]) {
    writeFileSync(join(dir, 'narrow/index'), bad);
    assert.equal((await takeInventory(store)).rows.length, 6);
  }
});

/** `name-1` in two outputs, and what else may be called so. */
async function logged(): Promise<{ dir: string; drv: StorePath; write: (drv: string) => void; logs: () => string[] }> {
  const dir = join(tempDir('logs'), 'cache');
  mkdirSync(join(dir, 'log'), { recursive: true });
  return {
    dir,
    drv: drvNamed('name-1'),
    write: (drv) => writeFileSync(join(dir, 'log', drv), `log of ${drv}`),
    logs: () => readdirSync(join(dir, 'log')).sort(),
  };
}

const drvNamed = (name: string): StorePath => parseBaseName(`${'0'.repeat(31)}1-${name}.drv`);

test('a build log goes with the last of what it is found by', async () => {
  const { dir, drv, write, logs } = await logged();
  const out = await sample('name-1', file('out'), [], { deriver: drv });
  const doc = await sample('name-1-doc', file('doc'), [], { deriver: drv });
  const again = await sample('name-1-doc-2', file('another'), [], { deriver: drvNamed('name-1-doc-2') });
  const recipe = await sample('recipe-1.drv', file('Derive(…)'));
  await fill(dir, [out, doc, again, recipe]);
  const other = drv.replace('1-', '2-');
  for (const one of [drv, other, recipe.info.path, 'notes.txt']) write(one);
  const pin = async (...pins: Sample[]): Promise<void> => {
    await using cache = await cacheIn(dir);
    await addPin(
      cache,
      'keep',
      pins.map(({ info }) => info.path),
    );
  };
  await pin(doc, again, recipe);
  const young = await gc(dir, {});
  assert.deepEqual(young.strays, [], 'all is new');
  age(dir, 2 * hour);
  {
    await using store = await cacheIn(dir);
    const problems: unknown[] = [];
    const rest = { upstreams: [], contents: true, trustedKeys: undefined };
    const { leftovers } = await verifyCache({ store, ...rest, onProblem: (problem) => problems.push(problem) });
    assert.deepEqual([problems, leftovers.files], [[], 1]);
  }
  const first = await gc(dir, {});
  assert.deepEqual(
    first.strays.map(({ reference }) => reference),
    [`log/${other}`],
  );
  assert.ok(!has(dir, out));
  assert.deepEqual(logs(), [drv, recipe.info.path, 'notes.txt'].sort(), 'one output is left');
  await pin(again);
  await gc(dir, {});
  assert.deepEqual([has(dir, doc), has(dir, recipe), has(dir, again)], [false, false, true]);
  assert.deepEqual(logs(), ['notes.txt'], 'what is left is called so, and was not made by it');
});

test('of narinfos that cannot be read the logs stay', async () => {
  const { dir, drv, write, logs } = await logged();
  await fill(dir, [await sample('lone-1', file('lone'))]);
  write(drv);
  writeFileSync(join(dir, `${'1'.repeat(32)}.narinfo`), 'nonsense\n');
  age(dir, 2 * hour);
  await gc(dir, {});
  assert.deepEqual(logs(), [drv]);
});
