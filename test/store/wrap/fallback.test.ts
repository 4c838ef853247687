import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collect } from '../../../src/bytes/source.ts';
import { NarrowError } from '../../../src/errors.ts';
import { hashBytes } from '../../../src/model/hash.ts';
import type { PathInfo } from '../../../src/model/path-info.ts';
import type { StorePath } from '../../../src/model/store-path.ts';
import type { Store } from '../../../src/store/store.ts';
import { fallback } from '../../../src/store/wrap/fallback.ts';
import { path } from '../../closure/graphs.ts';

interface Fake {
  readonly store: Store;
  readonly asked: string[];
  disposed: boolean;
}

const down = (): never => {
  throw new NarrowError('unavailable', 'no answer');
};

/** A store that has `contents` by path; `broken` answers questions but opens nothing, `dead` answers nothing. */
function fake(url: string, contents: ReadonlyMap<StorePath, string>, fault?: 'broken' | 'dead'): Fake {
  const asked: string[] = [];
  const infoOf = (p: StorePath): PathInfo => ({
    path: p,
    narHash: hashBytes(contents.get(p)!),
    narSize: contents.get(p)!.length,
    references: [],
    signatures: [],
  });
  const self: Fake = { store: undefined as unknown as Store, asked, disposed: false };
  const store = {
    url,
    storeDir: '/nix/store',
    abilities: { ranges: true, encodings: false, trusted: false, priority: 0 },
    async pathInfos(paths: Iterable<StorePath>) {
      asked.push(`infos ${[...paths].length}`);
      if (fault === 'dead') down();
      return new Map([...paths].filter((p) => contents.has(p)).map((p) => [p, infoOf(p)]));
    },
    async open({ path: p }: PathInfo) {
      asked.push('open');
      if (fault) down();
      return { encoding: 'none', bytes: [Buffer.from(contents.get(p)!)] };
    },
    async [Symbol.asyncDispose]() {
      self.disposed = true;
    },
  };
  return Object.assign(self, { store: store as unknown as Store });
}

const read = async (store: Store, p: StorePath): Promise<string> => {
  const info = (await store.pathInfos([p])).get(p);
  assert.ok(info, `${p} is there`);
  return (await collect((await store.open(info)).bytes)).toString();
};

test('each path comes from the first source that has it, and nobody is asked for what is found', async () => {
  const first = fake('first:', new Map([[path(1), 'one']]));
  const second = fake(
    'second:',
    new Map([
      [path(1), 'one'],
      [path(2), 'two'],
    ]),
  );
  const store = fallback([first.store, second.store], assert.fail);
  assert.equal(await read(store, path(1)), 'one');
  assert.deepEqual(second.asked, []);
  assert.equal(await read(store, path(2)), 'two');
  assert.equal((await store.pathInfos([path(3)])).size, 0);
});

test('a source that fails to open gives way to one with the same bytes, aloud', async () => {
  const warnings: string[] = [];
  const broken = fake('broken:', new Map([[path(1), 'one']]), 'broken');
  const good = fake('good:', new Map([[path(1), 'one']]));
  assert.equal(
    await read(
      fallback([broken.store, good.store], (text) => warnings.push(text)),
      path(1),
    ),
    'one',
  );
  assert.match(warnings.join(), /no answer; trying the next source/);
});

test('never to one that has other bytes under the same name', async () => {
  const broken = fake('broken:', new Map([[path(1), 'one']]), 'broken');
  const other = fake('other:', new Map([[path(1), 'not one']]));
  await assert.rejects(
    read(
      fallback([broken.store, other.store], () => {}),
      path(1),
    ),
    { code: 'unavailable' },
  );
  assert.ok(!other.asked.includes('open'));
});

test('a dead source is told once and not asked again; when all are dead it is an error', async () => {
  const warnings: string[] = [];
  const dead = fake('dead:', new Map(), 'dead');
  const good = fake(
    'good:',
    new Map([
      [path(1), 'one'],
      [path(2), 'two'],
    ]),
  );
  const store = fallback([dead.store, good.store], (text) => warnings.push(text));
  await read(store, path(1));
  await read(store, path(2));
  assert.deepEqual([dead.asked, warnings], [['infos 1'], ['no answer; going on without dead:']]);
  await assert.rejects(fallback([dead.store, fake('also:', new Map(), 'dead').store], () => {}).pathInfos([path(1)]), {
    code: 'unavailable',
  });
});

test('one is itself, different store directories are refused, all are closed', async () => {
  const [one, two] = [fake('one:', new Map()), fake('two:', new Map())];
  assert.equal(fallback([one.store], assert.fail), one.store);
  assert.throws(() => fallback([one.store, { ...two.store, storeDir: '/gnu/store' } as Store], assert.fail), {
    code: 'refused',
  });
  await fallback([one.store, two.store], assert.fail)[Symbol.asyncDispose]();
  assert.deepEqual([one.disposed, two.disposed], [true, true]);
});
