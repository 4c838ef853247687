// What is written into a cache: names, modes, order, bytes that pass through untouched, and what a broken source leaves behind.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { collect } from '../../../src/bytes/source.ts';
import { isNarrowError } from '../../../src/errors.ts';
import { encode } from '../../../src/format/compression.ts';
import { formatHash, hashBytes, encodeHash } from '../../../src/model/hash.ts';
import { fingerprint } from '../../../src/model/path-info.ts';
import { TrustedKeys, formatSecretKey, generateKey } from '../../../src/model/signature.ts';
import { hashPart } from '../../../src/model/store-path.ts';
import type { CacheStore } from '../../../src/store/cache/cache-store.ts';
import { openFileCache } from '../../../src/store/file.ts';
import type { Item, Outcome } from '../../../src/store/store.ts';
import { tempDir } from '../../lab/temp.ts';
import { testContext } from '../../contract/context.ts';
import { directory, file, itemOf, later, sample, sampleClosure } from '../../contract/sample.ts';

const open = (dir: string, text = 'compression=none', mode: 'read' | 'write' = 'write'): Promise<CacheStore> =>
  openFileCache(dir, new URLSearchParams(text), testContext(), mode);

const add = (store: CacheStore, ...items: Item[]): Promise<Outcome[]> => Array.fromAsync(store.add(later(items)));

function errorOf(outcome: Outcome | undefined): Error {
  assert.ok(outcome && 'error' in outcome, outcome?.status);
  return outcome.error;
}

const temporary = (dir: string): string[] =>
  readdirSync(dir, { recursive: true })
    .map(String)
    .filter((name) => name.includes('.tmp.'));

test('nothing is made before something is added; then it is as Nix lays it out', async () => {
  const dir = join(tempDir('cache'), 'new');
  const [a, b] = await sampleClosure();
  {
    await using store = await open(dir);
    await store.check([a.info]);
    assert.ok(!existsSync(dir));
    await add(store, itemOf(a), itemOf(b));
  }
  assert.equal(
    readFileSync(join(dir, 'nix-cache-info'), 'utf8'),
    'StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n',
  );
  const name = encodeHash(hashBytes(a.nar), 'base32');
  assert.deepEqual(readFileSync(join(dir, `nar/${name}.nar`)), a.nar);
  assert.equal(
    readFileSync(join(dir, `${hashPart(a.info.path)}.narinfo`), 'utf8'),
    `StorePath: /nix/store/${a.info.path}\nURL: nar/${name}.nar\nCompression: none\nFileHash: ${formatHash(hashBytes(a.nar))}\n` +
      `FileSize: ${a.nar.length}\nNarHash: ${formatHash(hashBytes(a.nar))}\nNarSize: ${a.nar.length}\nReferences: \nSig: k-1:c2lnbmF0dXJl\n`,
  );
  const modes = readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => statSync(join(entry.parentPath, entry.name)).mode & 0o777);
  assert.deepEqual(new Set(modes), new Set([0o644]));
});

test('parameters of the URL make the new cache, and its files', async () => {
  const dir = tempDir('cache');
  const text =
    'compression=zstd&compression-level=9&priority=7&want-mass-query=0&store=/other/store&write-nar-listing=1';
  await using store = await open(join(dir, 'c'), text);
  assert.deepEqual([store.storeDir, store.abilities.priority], ['/other/store', 7]);
  const [a] = await sampleClosure();
  await add(store, itemOf(a));
  assert.equal(
    readFileSync(join(dir, 'c/nix-cache-info'), 'utf8'),
    'StoreDir: /other/store\nWantMassQuery: 0\nPriority: 7\n',
  );
  assert.match(
    readFileSync(join(dir, `c/${hashPart(a.info.path)}.ls`), 'utf8'),
    /^\{"version":1,"root":\{"type":"regular","size":12,"narOffset":96\}\}$/,
  );
  await assert.rejects(open(join(dir, 'c'), 'store=/nix/store'), /is for the store directory \/other\/store/);
});

test('wrong parameters are refused', async () => {
  const dir = tempDir('cache');
  for (const [text, message] of [
    ['compression=lzop', /cannot write compression 'lzop'/],
    ['compression=xz&compression-level=12', /bad compression level 12 for xz/],
    ['compression-level=high', /compression-level=high/],
    ['parallel-compression=yes', /expected true, false, 1 or 0/],
    ['secret-key=/nowhere/key', /cannot read the secret key \/nowhere\/key: no such file/],
  ] as const)
    await assert.rejects(open(dir, text), message);
});

test('every narinfo is signed with the keys of the URL', async () => {
  const dir = tempDir('cache');
  const keys = [generateKey('first-1'), generateKey('second-1')];
  keys.forEach((key, i) => writeFileSync(join(dir, `key${i}`), formatSecretKey(key)));
  await using store = await open(join(dir, 'c'), `compression=none&secret-keys=${dir}/key0,${dir}/key1`);
  const [a] = await sampleClosure();
  await add(store, itemOf(a));
  const info = (await store.pathInfos([a.info.path])).get(a.info.path)!;
  const trusted = new TrustedKeys(keys.map((key) => key.publicKey));
  assert.deepEqual(info.signatures.filter((s) => trusted.verifies(fingerprint('/nix/store', info), s)).length, 2);
});

test('debug files are indexed', async () => {
  const dir = tempDir('cache');
  await using store = await open(dir, 'compression=none&index-debug-info=true');
  const id = '0123456789abcdef0123456789abcdef01234567';
  const ids = directory({
    [id.slice(0, 2)]: directory({ [`${id.slice(2)}.debug`]: file('ELF'), 'x.debug': file('') }),
  });
  const debug = await sample('debug', directory({ lib: directory({ debug: directory({ '.build-id': ids }) }) }));
  await add(store, itemOf(debug));
  const url = (await store.pathInfos([debug.info.path])).get(debug.info.path)!.file!.url;
  assert.deepEqual(readdirSync(join(dir, 'debuginfo')), [`${id}.debug`]);
  assert.deepEqual(JSON.parse(readFileSync(join(dir, `debuginfo/${id}.debug`), 'utf8')), {
    archive: `../${url}`,
    member: `lib/debug/.build-id/01/${id.slice(2)}.debug`,
  });
});

/** A cache with the sample closure, and items out of it that count how their NARs were opened. */
async function source(text: string): Promise<{ store: CacheStore; items: Item[]; dir: string; encodings: string[] }> {
  const dir = tempDir('source');
  const store = await open(dir, text);
  const closure = await sampleClosure();
  await add(store, ...closure.map((s) => itemOf(s)));
  const infos = await store.pathInfos(closure.map((s) => s.info.path));
  const encodings: string[] = [];
  const items = [...infos.values()].map((info): Item => ({
    info,
    open: async (options) => {
      const opened = await store.open(info, options);
      encodings.push(opened.encoding);
      return opened;
    },
  }));
  return { store, items, dir, encodings };
}

const nars = (dir: string): Map<string, string> =>
  new Map(
    readdirSync(join(dir, 'nar'))
      .sort()
      .map((name) => [name, readFileSync(join(dir, 'nar', name)).toString('base64')]),
  );

for (const compression of ['zstd', 'xz', 'none']) {
  test(`cache to cache: ${compression} passes through untouched`, async () => {
    const from = await source(`compression=${compression}`);
    const dir = tempDir('target');
    await using to = await open(dir, '');
    assert.deepEqual(
      (await add(to, ...from.items)).map((o) => o.status),
      ['added', 'added', 'added'],
    );
    assert.deepEqual(new Set(from.encodings), new Set([compression]));
    assert.deepEqual(nars(dir), nars(from.dir));
    for (const { info } of from.items) {
      const name = `${hashPart(info.path)}.narinfo`;
      assert.equal(readFileSync(join(dir, name), 'utf8'), readFileSync(join(from.dir, name), 'utf8'));
    }
  });
}

test('cache to cache: another compression is made only when it is asked for', async () => {
  const from = await source('compression=zstd');
  const dir = tempDir('target');
  await using to = await open(dir, 'compression=xz&compression-level=1');
  await add(to, ...from.items);
  assert.deepEqual(new Set(from.encodings), new Set(['none']));
  assert.ok([...nars(dir).keys()].every((name) => name.endsWith('.nar.xz')));
  const [first] = from.items;
  const info = (await to.pathInfos([first!.info.path])).get(first!.info.path)!;
  assert.deepEqual(await collect((await to.open(info)).bytes), (await sampleClosure())[0].nar);
});

test('even compressions that are not written here pass through; without FileHash they are decoded on the way', async () => {
  const dir = tempDir('target');
  await using to = await open(dir, '');
  const [a] = await sampleClosure();
  const bytes = gzipSync(a.nar);
  const info = { ...a.info, file: { url: 'nar/a.nar', compression: 'gzip' } };
  const item = (data: Uint8Array): Item => ({ info, open: () => Promise.resolve({ encoding: 'gzip', bytes: [data] }) });
  const [bad] = await add(to, item(gzipSync(Buffer.concat([a.nar.subarray(0, -8), Buffer.from('12345678')]))));
  assert.ok(isNarrowError(errorOf(bad)));
  assert.deepEqual([...nars(dir).keys()], []);
  assert.equal((await add(to, item(bytes)))[0]?.status, 'added');
  const written = (await to.pathInfos([a.info.path])).get(a.info.path)!;
  assert.equal(written.file?.compression, 'gzip');
  assert.deepEqual(readFileSync(join(dir, written.file!.url)), bytes);
});

test('cache to cache: a file that is not what its narinfo says is not taken', async () => {
  const changes: [string, (file: string) => void, RegExp][] = [
    [
      'flipped',
      (path) =>
        writeFileSync(
          path,
          readFileSync(path).map((byte, i) => (i === 30 ? byte ^ 1 : byte)),
        ),
      /is not what its narinfo says: expected sha256:/,
    ],
    ['cut', (path) => truncateSync(path, statSync(path).size - 5), /expected \d+ bytes, got \d+/],
    ['longer', (path) => writeFileSync(path, 'more', { flag: 'a' }), /expected \d+ bytes, got \d+/],
    ['gone', (path) => rmSync(path), /has the narinfo of .*-a-1\.0, but not its NAR/],
  ];
  for (const [what, change, message] of changes) {
    const from = await source('compression=zstd');
    change(join(from.dir, from.items[0]!.info.file!.url));
    const dir = tempDir('target');
    await using to = await open(dir, '');
    const outcomes = await add(to, ...from.items);
    const first = outcomes.find((o) => o.path === from.items[0]!.info.path);
    assert.match(errorOf(first).message, message, what);
    assert.deepEqual(await to.pathInfos(from.items.map((i) => i.info.path)), new Map(), what);
    assert.deepEqual(temporary(dir), []);
    assert.ok(!existsSync(join(dir, from.items[0]!.info.file!.url)));
  }
});

test('a NAR file that is there already is not written again, several narinfos share it', async () => {
  const dir = tempDir('cache');
  await using store = await open(dir);
  const [x, y] = [await sample('same-x', file('same')), await sample('same-y', file('same'))];
  const first = await add(store, itemOf(x));
  const second = await add(store, itemOf(y));
  assert.deepEqual([first[0]!.bytes, second[0]!.bytes], [x.nar.length, 0]);
  assert.equal(readdirSync(join(dir, 'nar')).length, 1);
});

test('a narinfo whose NAR is gone or cut short is made good', async () => {
  const dir = tempDir('cache');
  const [a] = await sampleClosure();
  await using store = await open(dir);
  await add(store, itemOf(a));
  const nar = join(dir, 'nar', readdirSync(join(dir, 'nar'))[0]!);
  for (const harm of [() => rmSync(nar), () => truncateSync(nar, 10)]) {
    harm();
    assert.equal((await store.check([a.info])).get(a.info.path)?.status, 'missing');
    assert.equal((await add(store, itemOf(a)))[0]?.status, 'added');
    assert.deepEqual(readFileSync(nar), a.nar);
  }
});

test('another path under the same hash part is not overwritten', async () => {
  const dir = tempDir('cache');
  const [a] = await sampleClosure();
  await using store = await open(dir);
  await add(store, itemOf(a));
  const other = { ...a, info: { ...a.info, path: a.info.path.replace('a-1.0', 'z-9') as typeof a.info.path } };
  const verdict = (await store.check([other.info])).get(other.info.path);
  assert.equal(verdict?.status, 'differs');
  assert.equal((await add(store, itemOf(other)))[0]?.status, 'differs');
  writeFileSync(join(dir, `${hashPart(a.info.path)}.narinfo`), 'StorePath: broken\n');
  assert.equal((await store.check([a.info])).get(a.info.path)?.status, 'refused');
});

test('no temporary file stays behind a failure; those of killed processes go after an hour', async () => {
  const dir = tempDir('cache');
  const [a] = await sampleClosure();
  const dead = spawnSync('true').pid;
  mkdirSync(join(dir, 'nar'));
  for (const name of [`stage.tmp.${dead}.0`, `stage.tmp.${dead}.1`, `stage.tmp.${process.ppid}.0`])
    writeFileSync(join(dir, 'nar', name), '');
  const old = new Date(Date.now() - 2 * 3600 * 1000);
  for (const name of [`stage.tmp.${dead}.0`, `stage.tmp.${process.ppid}.0`])
    utimesSync(join(dir, 'nar', name), old, old);
  await using store = await open(dir);
  const outcomes = await add(store, itemOf(a, a.nar.subarray(0, 50)));
  assert.equal(outcomes[0]?.status, 'failed');
  assert.deepEqual(readdirSync(join(dir, 'nar')).sort(), [`stage.tmp.${dead}.1`, `stage.tmp.${process.ppid}.0`].sort());
});

test('what cannot be written is said by name', async () => {
  const dir = tempDir('cache');
  writeFileSync(join(dir, 'nix-cache-info'), 'StoreDir: /nix/store\n');
  writeFileSync(join(dir, 'nar'), 'a file, not a directory');
  const [a] = await sampleClosure();
  await using store = await open(dir);
  const [outcome] = await add(store, itemOf(a));
  assert.match(
    errorOf(outcome).message,
    /cannot create .*\/nar\/stage\.tmp\..*: (a part of the path is not a directory|it exists already)/,
  );
});

test('large paths cost no more memory than small ones', async () => {
  const dir = tempDir('cache');
  const nar = await sample('large', file(Buffer.alloc(40_000_000, 'some text that compresses well ')));
  const stored = await collect(encode('zstd', [nar.nar]));
  await using store = await open(dir, '');
  const hash = hashBytes(stored);
  const info = { ...nar.info, file: { url: 'nar/x', compression: 'zstd', hash, size: stored.length } };
  const item: Item = {
    info,
    open: () => Promise.resolve({ encoding: 'zstd', hash, size: stored.length, bytes: [stored] }),
  };
  assert.equal((await add(store, item))[0]?.status, 'added');
  const tree = await store.tree((await store.pathInfos([info.path])).get(info.path)!);
  assert.equal((await collect(tree.read([], { offset: 39_999_990, length: 10 }))).length, 10);
});
