// Bundles that were changed on the way, and such as no narrow writes: an error of ours, and no more.

import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { createBundle } from '../../../src/bundle/create.ts';
import { collect } from '../../../src/bytes/source.ts';
import { NarrowError } from '../../../src/errors.ts';
import { parseStorePath } from '../../../src/model/store-path.ts';
import { TrustedKeys, generateKey } from '../../../src/model/signature.ts';
import { BundleStore } from '../../../src/store/bundle/bundle-store.ts';
import { Bundle } from '../../../src/store/bundle/bundle.ts';
import { VolumeWriter } from '../../../src/store/bundle/volume-writer.ts';
import { VolumeSet } from '../../../src/store/bundle/volume-set.ts';
import { openStore } from '../../../src/store/open.ts';
import { readNixSettings } from '../../../src/config/nix-conf.ts';
import { closure } from '../../lab/closures.ts';
import { tempDir } from '../../lab/temp.ts';

const key = generateKey('maker-1');
const context = { settings: readNixSettings({}), trustedKeys: new TrustedKeys(), warn: () => {} };

let made: Promise<string> | undefined;

/** A small bundle, whole and signed. */
function bundleFile(): Promise<string> {
  return (made ??= (async () => {
    const { root, named, drvs } = await closure('basic');
    await using source = await openStore(`local?root=${root}`, context);
    const file = join(tempDir('hostile'), 'a.bundle');
    const drv = drvs.findLast((path) => path.endsWith('-hello-1.0.drv'))!;
    const roots = [named['firmware']!, named['odd']!, drv].map((path) => parseStorePath(source.storeDir, path));
    await createBundle({ source, roots, file, keys: [key], level: 'fast', by: 'test' });
    return file;
  })());
}

/** Opens it, checks it, reads all of it: what that throws, and whether damage was told. */
async function fate(file: string): Promise<{ error?: unknown; damaged: boolean; wrong: boolean }> {
  try {
    const bundle = await Bundle.open([file]);
    await using store = new BundleStore(bundle);
    const wrong = bundle.signatures(new TrustedKeys([key.publicKey])).some(({ standing }) => standing !== 'trusted');
    let damaged = false;
    for await (const _ of bundle.volumes.damages()) damaged = true;
    if (!damaged) for (const info of bundle.infos.slice(0, 50)) await collect((await store.open(info)).bytes, 1 << 28);
    return { damaged, wrong };
  } catch (error) {
    return { error, damaged: false, wrong: false };
  }
}

test('whole, it says so', async () => {
  assert.deepEqual(await fate(await bundleFile()), { damaged: false, wrong: false });
});

test('a changed byte is found wherever it is', async () => {
  const bytes = readFileSync(await bundleFile());
  const file = join(tempDir('flip'), 'a.bundle');
  await fc.assert(
    fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
      const changed = Buffer.from(bytes);
      changed[at]! ^= change;
      writeFileSync(file, changed);
      const { error, damaged, wrong } = await fate(file);
      if (error === undefined) assert.ok(damaged || wrong, `byte ${at}`);
      else assert.ok(error instanceof NarrowError, String(error));
    }),
    { numRuns: 120 },
  );
});

test('cut anywhere, and with something behind its end', async () => {
  const bytes = readFileSync(await bundleFile());
  const file = join(tempDir('cut'), 'a.bundle');
  for (const length of [0, 1, 7, 8, 20, 100, bytes.length - 1, bytes.length - 40, bytes.length - 200]) {
    writeFileSync(file, bytes);
    truncateSync(file, length);
    const { error } = await fate(file);
    assert.ok(error instanceof NarrowError && error.code === 'format', `${length}: ${String(error)}`);
    assert.ok(error.message.includes(file));
  }
  writeFileSync(file, bytes);
  appendFileSync(file, 'more');
  assert.match(String((await fate(file)).error), /a bundle that has no end/);
});

test('volumes of two bundles, some that are not there, in any order', async () => {
  const dir = tempDir('mixed');
  const write = async (name: string, bundle: string): Promise<string[]> => {
    await using out = new VolumeWriter(join(dir, name), { bundle, volumeSize: 300_000 });
    await out.write(Buffer.alloc(700_000, name));
    return await out.finish([{ paths: 1, size: 1 }]);
  };
  const [a, b] = [await write('a', 'one'), await write('b', 'two')];
  assert.ok(a.length >= 3);
  await assert.rejects(VolumeSet.open([a[0]!, b[1]!, a[2]!]), /is a volume of another bundle/);
  await assert.rejects(VolumeSet.open(a.slice(0, -1)), /are not there: all after/);
  await assert.rejects(VolumeSet.open(a.slice(1)), /are not there: 1$/);
  await using set = await VolumeSet.open([...a].reverse());
  assert.equal((await collect(set.range(0, set.size))).equals(Buffer.alloc(700_000, 'a')), true);
  assert.equal((await collect(set.range(299_000, 2000))).length, 2000);
});

test('of a volume that is there twice, each block is read where it is sound', async () => {
  const dir = tempDir('twice');
  await using out = new VolumeWriter(join(dir, 'a'), { bundle: 'one' });
  const body = Buffer.alloc(3 << 20, 'some text');
  await out.write(body);
  await out.finish([{ paths: 1, size: 1 }]);
  const sound = readFileSync(join(dir, 'a'));
  const [first, second] = [Buffer.from(sound), Buffer.from(sound)];
  first[100]! ^= 1;
  second[2 << 20]! ^= 1;
  writeFileSync(join(dir, 'a'), first);
  writeFileSync(join(dir, 'b'), second);
  await using set = await VolumeSet.open([join(dir, 'a'), join(dir, 'b')]);
  assert.ok((await collect(set.range(0, set.size))).equals(body));
  for await (const damage of set.damages()) assert.fail(JSON.stringify(damage));
});

test('an index that no narrow writes', async () => {
  const dir = tempDir('index');
  await using whole = await VolumeSet.open([await bundleFile()]);
  const body = await collect(whole.range(0, whole.size));
  const file = join(dir, 'a.bundle');
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(Math.min(body.length, 4000) - 1), fc.integer({ min: 1, max: 255 })), {
        minLength: 1,
        maxLength: 4,
      }),
      fc.constantFrom(0, 1, -1, 1000),
      async (changes, shift) => {
        const changed = Buffer.from(body);
        for (const [at, change] of changes) changed[at]! ^= change;
        await using out = new VolumeWriter(file, { bundle: 'x' });
        await out.write(changed);
        const segments = whole.segments.map((one) => ({ ...one, size: one.size + shift }));
        await out.finish(segments);
        const { error } = await fate(file);
        assert.ok(error === undefined || error instanceof NarrowError, error instanceof Error ? error.stack : '');
        if (shift !== 0) assert.ok(error !== undefined);
      },
    ),
    { numRuns: 40 },
  );
});

test('a beginning that would have others asked, or says what is not so', async () => {
  const file = join(tempDir('beginning'), 'a.bundle');
  await using whole = await VolumeSet.open([await bundleFile()]);
  const body = await collect(whole.range(0, whole.size));
  const end = 4 + body.readUInt32LE(0);
  const about = JSON.parse(body.toString('utf8', 4, end)) as Record<string, unknown>;
  const withChange = async (change: Record<string, unknown>): Promise<unknown> => {
    const text = Buffer.from(JSON.stringify({ ...about, ...change }));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(text.length);
    await using out = new VolumeWriter(file, { bundle: 'x' });
    for (const part of [length, text, body.subarray(end)]) await out.write(part);
    await out.finish(whole.segments);
    return (await fate(file)).error;
  };
  assert.equal(await withChange({}), undefined);
  const urls = [
    'ssh://host',
    'http://a/?trusted=1',
    'https://me:secret@a',
    'local?root=/',
    'file:///a b',
    'sftp://a/b',
  ];
  for (const url of urls)
    assert.match(String(await withChange({ substitutable: [{ url, needs: [] }] })), /bad beginning of a bundle/, url);
  const unneeded = { substitutable: [{ url: 'https://cache.example.org', needs: [1_000_000] }] };
  assert.match(String(await withChange(unneeded)), /to be fetched that is not needed/);
  assert.match(String(await withChange({ roots: ['../../etc/passwd'] })), /bad beginning of a bundle/);
  assert.match(String(await withChange({ roots: [`${'a'.repeat(32)}-elsewhere`] })), /neither brought nor needed/);
  assert.match(String(await withChange({ realisations: ['{"id":"sha256:0!out"}'] })), /realisation/);
});
