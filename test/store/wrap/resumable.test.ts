import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { collect } from '../../../src/bytes/source.ts';
import { NarrowError } from '../../../src/errors.ts';
import { encodeHash, hashBytes } from '../../../src/model/hash.ts';
import type { PathInfo } from '../../../src/model/path-info.ts';
import { parseBaseName } from '../../../src/model/store-path.ts';
import type { OpenOptions, Store } from '../../../src/store/store.ts';
import { resumable } from '../../../src/store/wrap/resumable.ts';

const root = mkdtempSync(join(tmpdir(), 'narrow-resumable-'));
after(() => rmSync(root, { recursive: true }));
const MiB = 1024 * 1024;
const whole = randomBytes(9 * MiB);
const hash = hashBytes(whole);

const info = (size: number = whole.length): PathInfo => ({
  path: parseBaseName('y9v4w1kf41c10q7fdxlbz10s0adiximd-dep-1.0'),
  narHash: hash,
  narSize: whole.length,
  references: [],
  signatures: [],
  file: { url: 'nar/x', compression: 'none', hash, size },
});

/** A store that serves `bytes`, fails after `cut` of them, and notes the offsets it was asked for. */
function source(bytes: Uint8Array, cut = Infinity, ranges = true): { store: Store; offsets: number[] } {
  const offsets: number[] = [];
  const open = (_: PathInfo, { offset = 0 }: OpenOptions = {}) => {
    offsets.push(offset);
    const chunks = (function* () {
      for (let at = offset; at < bytes.length; at += MiB) {
        if (at - offset >= cut) throw new NarrowError('unavailable', 'the line was cut');
        yield bytes.subarray(at, Math.min(at + MiB, bytes.length));
      }
    })();
    return Promise.resolve({ encoding: 'none', bytes: chunks });
  };
  const abilities = { ranges, encodings: false, trusted: false, priority: 40 };
  return { store: { url: 'test:', abilities, open } as unknown as Store, offsets };
}

const read = async (store: Store, directory: string, options?: OpenOptions): Promise<Buffer> =>
  collect((await resumable(store, directory).open(info(), options)).bytes);

test('a cut download goes on from where it was, and what was kept is removed at the end', async () => {
  const directory = join(root, 'cut');
  const first = source(whole, 4 * MiB);
  await assert.rejects(read(first.store, directory), { code: 'unavailable' });
  assert.equal(statSync(join(directory, encodeHash(hash, 'base32'))).size, 4 * MiB);
  const second = source(whole);
  assert.ok((await read(second.store, directory)).equals(whole));
  assert.deepEqual(second.offsets, [4 * MiB]);
  assert.deepEqual(readdirSync(directory), []);
});

test('a kept part that is damaged fails by its hash and is not kept again', async () => {
  const directory = join(root, 'damaged');
  await assert.rejects(read(source(whole, 4 * MiB).store, directory));
  writeFileSync(join(directory, encodeHash(hash, 'base32')), randomBytes(2 * MiB));
  await assert.rejects(read(source(whole).store, directory), { code: 'integrity' });
  assert.ok((await read(source(whole).store, directory)).equals(whole));
});

test('a reader that finds the bytes wrong and leaves does not make the next run fail', async () => {
  const directory = join(root, 'left');
  for await (const chunk of (await resumable(source(whole).store, directory).open(info())).bytes) {
    assert.ok(chunk.length > 0);
    break;
  }
  assert.deepEqual(readdirSync(directory), []);
});

test('a stop asked for keeps what is there', async () => {
  const directory = join(root, 'stopped');
  const abort = new AbortController();
  const { bytes } = await resumable(source(whole).store, directory).open(info(), { signal: abort.signal });
  let got = 0;
  for await (const chunk of bytes) {
    got += chunk.length;
    if (got < 3 * MiB) continue;
    abort.abort();
    break;
  }
  const next = source(whole);
  assert.ok((await read(next.store, directory)).equals(whole));
  assert.deepEqual(next.offsets, [3 * MiB]);
});

test('a short file is told, and small files, stores without ranges are left alone', async () => {
  await assert.rejects(read(source(whole.subarray(0, 8.5 * MiB)).store, join(root, 'short')), {
    code: 'unavailable',
    message: /sent 8912896 of the 9437184 bytes/,
  });
  const directory = join(root, 'untouched');
  await resumable(source(whole, Infinity, false).store, directory).open(info());
  await resumable(source(whole).store, directory).open(info(MiB));
  assert.ok(!existsSync(directory));
});

test('parts nobody came back for are removed', async () => {
  const directory = join(root, 'old');
  await assert.rejects(read(source(whole, MiB).store, directory));
  const old = join(directory, 'old');
  writeFileSync(old, 'x');
  utimesSync(old, 0, 0);
  await read(source(whole).store, directory);
  assert.ok(!existsSync(old));
});

test('two at once do not disturb each other', async () => {
  const directory = join(root, 'two');
  const all = await Promise.all([read(source(whole).store, directory), read(source(whole).store, directory)]);
  for (const one of all) assert.ok(one.equals(whole));
});
