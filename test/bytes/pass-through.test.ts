import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { counted } from '../../src/bytes/count.ts';
import { hashOf, hashing } from '../../src/bytes/hash.ts';
import { limited } from '../../src/bytes/limit.ts';
import { collect } from '../../src/bytes/source.ts';
import { scribbling } from './scribble.ts';

const text = Buffer.from('the quick brown fox jumps over the lazy dog');
const sha256 = createHash('sha256').update(text).digest();

test('hashing and counting change nothing and know size and digest', async () => {
  const seen: number[] = [];
  const count = counted(scribbling(text, 10), (n) => seen.push(n));
  const hash = hashing(count, 'sha256');
  assert.deepEqual(await collect(hash), text);
  assert.deepEqual(hash.digest(), sha256);
  assert.deepEqual(hash.digest(), sha256);
  assert.deepEqual([hash.size, count.size, seen], [43, 43, [10, 10, 10, 10, 3]]);
  assert.deepEqual(await hashOf(scribbling(text, 7)), { digest: sha256, size: 43 });
});

test('a source longer than promised stops at the promise', async () => {
  let pulled = 0;
  function* bomb(): Generator<Uint8Array, void, undefined> {
    for (;;) {
      pulled++;
      yield Buffer.alloc(10);
    }
  }
  await assert.rejects(collect(limited(bomb(), 35, 'the NAR')), {
    code: 'integrity',
    message: 'the NAR is longer than promised: expected 35 bytes, got more',
  });
  assert.equal(pulled, 4);
});

test('a shorter one is an error only where the size is exact', async () => {
  assert.equal((await collect(limited([text], 50, 'it'))).length, 43);
  assert.equal((await collect(limited([text], 43, 'it', { exact: true }))).length, 43);
  await assert.rejects(
    collect(limited([text], 50, 'it', { exact: true })),
    /it is shorter than promised: expected 50 bytes, got 43/,
  );
});
