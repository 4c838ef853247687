import assert from 'node:assert/strict';
import { test } from 'node:test';
import { S3Pace } from '../../src/transport/s3-pace.ts';
import type { Order } from '../../src/transport/s3-pace.ts';

const always = (): boolean => true;
const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Runs so many tasks; how many there were at once at most. */
async function most(pace: S3Pace, count: number, order?: Order): Promise<number> {
  let [now, seen] = [0, 0];
  const task = async (): Promise<void> => {
    seen = Math.max(seen, ++now);
    await tick();
    now--;
  };
  await Promise.all(Array.from({ length: count }, () => pace.run(task, always, order)));
  return seen;
}

test('the limit grows while it is felt, up to the most', async () => {
  const pace = new S3Pace(100);
  assert.equal(await most(pace, 10), 10);
  assert.equal(pace.limit, 64);
  assert.equal(await most(pace, 1000), 100);
  assert.equal(pace.limit, 100);
});

test('a refusal halves it once, however many were on their way; then it grows slowly', async () => {
  const pace = new S3Pace(64);
  const refuse = async (): Promise<void> => {
    await tick();
    throw new Error('slow down');
  };
  await Promise.allSettled(Array.from({ length: 64 }, () => pace.run(refuse, always)));
  assert.equal(pace.limit, 32);
  await most(pace, 200);
  assert.ok(pace.limit > 32 && pace.limit < 45, `${pace.limit}`);
});

test('what others wait for goes first, what can wait last', async () => {
  const pace = new S3Pace(1);
  const done: string[] = [];
  const run = (name: string, order?: Order): Promise<void> =>
    pace.run(
      async () => {
        await tick();
        done.push(name);
      },
      always,
      order,
    );
  await Promise.all([run('a'), run('d', 'last'), run('c'), run('b', 'first')]);
  assert.deepEqual(done, ['a', 'b', 'c', 'd']);
});

test('what can wait is begun only while few others are on their way', async () => {
  const pace = new S3Pace(256);
  await most(pace, 2000);
  assert.equal(pace.limit, 256);
  assert.equal(await most(pace, 2000, 'last'), 128);
  assert.equal(await most(pace, 2000), 256);
});

test('other failures say nothing of the pace', async () => {
  const pace = new S3Pace(64);
  await assert.rejects(
    pace.run(
      () => Promise.reject(new Error('no')),
      () => false,
    ),
  );
  assert.equal(pace.limit, 64);
});

test('it never falls below one, and nothing is left waiting', async () => {
  const pace = new S3Pace(4);
  for (let i = 0; i < 10; i++) await assert.rejects(pace.run(() => Promise.reject(new Error('no')), always));
  assert.equal(pace.limit, 1);
  assert.ok((await most(pace, 3)) <= 2);
});
