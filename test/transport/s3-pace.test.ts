import assert from 'node:assert/strict';
import { test } from 'node:test';
import { S3Pace } from '../../src/transport/s3-pace.ts';

const always = (): boolean => true;
const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Runs so many tasks; how many there were at once at most. */
async function most(pace: S3Pace, count: number): Promise<number> {
  let [now, seen] = [0, 0];
  const task = async (): Promise<void> => {
    seen = Math.max(seen, ++now);
    await tick();
    now--;
  };
  await Promise.all(Array.from({ length: count }, () => pace.run(task, always)));
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

test('what is urgent goes before what waits', async () => {
  const pace = new S3Pace(1);
  const order: string[] = [];
  const task = (name: string) => async (): Promise<void> => {
    await tick();
    order.push(name);
  };
  const run = (name: string, urgent = false): Promise<void> => pace.run(task(name), always, { urgent });
  await Promise.all([run('first'), run('second'), run('third'), run('urgent', true)]);
  assert.deepEqual(order, ['first', 'urgent', 'second', 'third']);
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
