import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, lstatSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { NarrowError, isNarrowError } from '../../../src/errors.ts';
import { collect } from '../../../src/bytes/source.ts';
import { encode } from '../../../src/format/compression.ts';
import { memoryTree } from '../../../src/format/nar/memory-tree.ts';
import { packNar } from '../../../src/format/nar/pack.ts';
import { packError, unpackError } from '../../../src/fs/crossing-error.ts';
import { hashBytes } from '../../../src/model/hash.ts';
import { parseStorePath } from '../../../src/model/store-path.ts';
import { UnpackPool, poolSize } from '../../../src/store/local/unpack-pool.ts';
import type { Item } from '../../../src/store/store.ts';
import { tempDir } from '../../lab/temp.ts';

const chunk = 100_000;

/** An item with one file of `contents`, sent in pieces. */
async function itemOf(index: number, contents: Uint8Array, encoding = 'none'): Promise<Item> {
  const nar = await collect(packNar(memoryTree({ type: 'regular', contents, executable: false })));
  const sent = await collect(encode(encoding, [nar]));
  const path = parseStorePath('/nix/store', `/nix/store/${String(index).padStart(32, '0')}-file`);
  const info = { path, narHash: hashBytes(nar), narSize: nar.length, references: [], signatures: [] };
  const pieces = function* (): Generator<Uint8Array> {
    for (let at = 0; at < sent.length; at += chunk) yield sent.subarray(at, at + chunk);
  };
  return { info, open: async () => ({ encoding, bytes: pieces() }) };
}

/** A pool of one thread that takes jobs; whatever comes first goes there. */
async function startedPool(realDir: string): Promise<UnpackPool> {
  const pool = new UnpackPool(1, 0);
  await pool.unpack(await itemOf(9999, Buffer.from('first')), { realDir, optimise: false });
  while (pool.ready === 0) await setTimeout(5);
  return pool;
}

const random = (size: number, seed: number): Buffer => {
  const bytes = Buffer.allocUnsafe(size);
  for (let i = 0, x = seed + 1; i < size; i++) bytes[i] = x = (x * 75 + 74) % 65537;
  return bytes;
};

test('objects unpacked by a thread are those unpacked here, whatever their size and encoding', async () => {
  const realDir = tempDir('pool');
  await using pool = await startedPool(realDir);
  const sizes = [0, 1, 100, 300_000, 5_000_000];
  const items = await Promise.all(
    sizes.flatMap((size, i) => [itemOf(2 * i, random(size, i)), itemOf(2 * i + 1, random(size, i), 'zstd')]),
  );
  let bytes = 0;
  const options = { realDir, optimise: false, onBytes: (count: number) => (bytes += count) };
  const intakes = await Promise.all(items.map((item) => pool.unpack(item, options)));
  for (const [i, { info }] of items.entries()) {
    assert.equal(intakes[i]!.narSize, info.narSize);
    assert.deepEqual(readFileSync(join(realDir, info.path)), random(sizes[i >> 1]!, i >> 1));
    assert.equal(lstatSync(join(realDir, info.path)).mode & 0o777, 0o444);
    assert.equal(lstatSync(join(realDir, info.path)).mtimeMs, 1000);
  }
  assert.equal(
    bytes,
    intakes.reduce((sum, intake) => sum + intake.encodedSize, 0),
  );
});

test('what is wrong with a NAR comes back as the same error, and nothing is left of it', async () => {
  const realDir = tempDir('pool');
  await using pool = await startedPool(realDir);
  const good = await itemOf(1, random(4_000_000, 1));
  const other = { ...good.info, narHash: hashBytes('another') };
  const damaged: Item = { info: other, open: good.open };
  await assert.rejects(pool.unpack(damaged, { realDir, optimise: false }), (error: unknown) => {
    assert.ok(isNarrowError(error, 'integrity') && error instanceof NarrowError);
    assert.match(error.message, /is not what was promised/);
    assert.match(error.hint ?? '', /take this path from another one/);
    assert.equal(error.data['path'], other.path);
    return true;
  });
  assert.equal(existsSync(join(realDir, other.path)), false);
  // a NAR that goes on for ever is given up while it is being sent
  const endless: Item = {
    info: { ...good.info, narSize: 500_000 },
    open: async () => ({ encoding: 'none', bytes: (await good.open()).bytes }),
  };
  await assert.rejects(pool.unpack(endless, { realDir, optimise: false }), /longer than announced/);
  // the thread and its slots are as before
  await pool.unpack(good, { realDir, optimise: false });
});

test("a source's failure and an abort are told as they are, and what was written is gone", async () => {
  const realDir = tempDir('pool');
  await using pool = await startedPool(realDir);
  const good = await itemOf(1, random(4_000_000, 1));
  const failure = new NarrowError('unavailable', 'the line is cut', { hint: 'wait' });
  const cut = async function* (): AsyncGenerator<Uint8Array> {
    let count = 0;
    for await (const piece of (await good.open()).bytes) {
      if (++count > 10) throw failure;
      yield piece;
    }
  };
  const broken: Item = { info: good.info, open: async () => ({ encoding: 'none', bytes: cut() }) };
  await assert.rejects(pool.unpack(broken, { realDir, optimise: false }), (error) => error === failure);
  assert.equal(existsSync(join(realDir, good.info.path)), false);
  const closed: Item = { info: good.info, open: () => Promise.reject(failure) };
  await assert.rejects(pool.unpack(closed, { realDir, optimise: false }), (error) => error === failure);
  const abort = new AbortController();
  const onBytes = (): void => abort.abort(failure);
  await assert.rejects(
    pool.unpack(good, { realDir, optimise: false, signal: abort.signal, onBytes }),
    (error) => error === failure,
  );
  assert.equal(existsSync(join(realDir, good.info.path)), false);
  await pool.unpack(good, { realDir, optimise: false });
});

test('this thread unpacks too when there is much, but not where it makes the NARs', async () => {
  for (const made of [undefined, true]) {
    const realDir = tempDir('pool');
    await using pool = await startedPool(realDir);
    const items = await Promise.all(Array.from({ length: 9 }, (_, i) => itemOf(i, random(1000, i))));
    const here: boolean[] = [];
    const unpacked = items.map((item) => {
      // what an earlier attempt left is removed at once by the thread that is asked, later by another
      writeFileSync(join(realDir, item.info.path), '');
      const intake = pool.unpack({ ...item, made }, { realDir, optimise: false });
      here.push(!existsSync(join(realDir, item.info.path)));
      return intake;
    });
    assert.equal(here.includes(true), made === undefined);
    await Promise.all(unpacked);
    for (const [i, { info }] of items.entries())
      assert.deepEqual(readFileSync(join(realDir, info.path)), random(1000, i));
  }
});

/** The item, as it lies in a file. */
async function inFile(item: Item, file: string): Promise<Item> {
  const { encoding, bytes } = await item.open();
  const sent = await collect(bytes);
  writeFileSync(file, Buffer.concat([Buffer.from('before'), sent, Buffer.from('behind')]));
  const local = { path: file, name: 'the file', offset: 6, length: sent.length };
  return { info: item.info, open: async () => ({ encoding, bytes: [], local }) };
}

test('what lies in a file is read by the thread, and by this one', async () => {
  const dir = tempDir('pool');
  const items: Item[] = [];
  for (const [i, encoding] of ['none', 'zstd', 'xz', 'none', 'zstd'].entries())
    items.push(await inFile(await itemOf(i, random(3_000_000, i), encoding), join(dir, `file-${i}`)));
  for (const size of [0, 1]) {
    const realDir = tempDir('pool');
    await using pool = size === 0 ? new UnpackPool(0) : await startedPool(realDir);
    let bytes = 0;
    const options = { realDir, optimise: false, onBytes: (count: number) => (bytes += count) };
    const intakes = await Promise.all(items.map((item) => pool.unpack(item, options)));
    for (const [i, { info }] of items.entries())
      assert.deepEqual(readFileSync(join(realDir, info.path)), random(3_000_000, i));
    assert.equal(
      bytes,
      intakes.reduce((sum, intake) => sum + intake.encodedSize, 0),
    );
  }
});

test('a file that is cut, gone, or not wanted any more', async () => {
  const realDir = tempDir('pool');
  await using pool = await startedPool(realDir);
  const file = join(realDir, 'file');
  // so much that the thread is not done before it hears that it shall stop
  const item = await inFile(await itemOf(1, randomBytes(48_000_000), 'zstd'), file);
  const early = AbortSignal.abort(new Error('too early'));
  await assert.rejects(pool.unpack(item, { realDir, optimise: false, signal: early }), /too early/);
  const abort = new AbortController();
  const stop = { signal: abort.signal, onBytes: () => abort.abort(new Error('enough')) };
  await assert.rejects(pool.unpack(item, { realDir, optimise: false, ...stop }), /enough/);
  assert.equal(existsSync(join(realDir, item.info.path)), false);
  truncateSync(file, 100_000);
  await assert.rejects(
    pool.unpack(item, { realDir, optimise: false }),
    (error) => isNarrowError(error, 'format') && /zstd data ends too early at offset 99994/.test(error.message),
  );
  rmSync(file);
  await assert.rejects(
    pool.unpack(item, { realDir, optimise: false }),
    (error) => isNarrowError(error, 'io') && error.message === 'cannot open the file: no such file or directory',
  );
  assert.equal(existsSync(join(realDir, item.info.path)), false);
});

test('an object that cannot be written is an io error with its errno', async () => {
  const realDir = tempDir('pool');
  await using pool = await startedPool(realDir);
  const file = join(realDir, 'file');
  writeFileSync(file, '');
  const item = await itemOf(1, random(1_000_000, 1));
  await assert.rejects(pool.unpack(item, { realDir: file, optimise: false }), (error: unknown) => {
    assert.ok(isNarrowError(error, 'io'));
    assert.equal(error.data['errno'], 'ENOTDIR');
    return true;
  });
});

test('errors that are no NarrowErrors cross as they can', () => {
  const bug = new TypeError('x is not a function');
  assert.equal(unpackError(structuredClone(packError(bug))) instanceof TypeError, true);
  const error = new NarrowError('io', 'full', { data: { errno: 'ENOSPC' }, cause: new Error('ENOSPC') });
  const crossed = unpackError(structuredClone(packError(error)));
  assert.ok(crossed instanceof NarrowError);
  assert.deepEqual({ ...crossed.toJSON() }, { ...error.toJSON() });
  assert.equal((crossed.cause as Error).message, 'ENOSPC');
  assert.equal(crossed.stack, error.stack);
});

test('a process with few descriptors gets no threads', () => {
  assert.equal(poolSize(64), 0);
});
