import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultRetryPolicy, parseRetryAfter, pause, retryDelay } from '../../src/transport/retry.ts';

test('pauses double, are spread out, and end at the ceiling', () => {
  const delays = (random: number): number[] =>
    [1, 2, 3, 4, 12].map((n) => retryDelay(defaultRetryPolicy, n, {}, random));
  assert.deepEqual(delays(0), [50, 100, 200, 400, 30_000]);
  assert.deepEqual(delays(1), [100, 200, 400, 800, 60_000]);
});

test('a server that is asked too much is left alone for longer, as long as it says', () => {
  assert.equal(retryDelay(defaultRetryPolicy, 1, { rateLimited: true }, 1), 5000);
  assert.equal(retryDelay(defaultRetryPolicy, 1, { retryAfter: 7000 }, 0), 7000);
  assert.equal(retryDelay(defaultRetryPolicy, 1, { retryAfter: 1e9 }, 0), 60_000);
});

test('Retry-After is seconds or a date', () => {
  assert.equal(parseRetryAfter('12'), 12_000);
  assert.equal(parseRetryAfter('Wed, 21 Oct 2026 07:28:00 GMT', Date.UTC(2026, 9, 21, 7, 27, 50)), 10_000);
  assert.equal(parseRetryAfter('Wed, 21 Oct 2026 07:28:00 GMT', Date.UTC(2026, 9, 21, 8)), 0);
  assert.equal(parseRetryAfter('soon'), undefined);
  assert.equal(parseRetryAfter(undefined), undefined);
});

test('a pause ends with the reason of an abort', async () => {
  const controller = new AbortController();
  const paused = pause(60_000, controller.signal);
  controller.abort(new Error('stop it'));
  await assert.rejects(paused, /stop it/);
});
