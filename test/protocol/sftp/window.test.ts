// How many bytes are let onto a line, on a line made of a clock that the test turns.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FlowWindow } from '../../../src/protocol/sftp/window.ts';
import type { Sent } from '../../../src/protocol/sftp/window.ts';

const packet = 32 * 1024;

/** Sends packets over a line of so many bytes a millisecond for some time; how much of it was used, and the longest wait. */
function drive(window: FlowWindow, clock: { now: number }, line: { rate: number; way: number }, duration: number) {
  const onTheWay: { sent: Sent; due: number }[] = [];
  let free = clock.now;
  let delivered = 0;
  let longest = 0;
  const end = clock.now + duration;
  while (clock.now < end) {
    for (let sent = window.tryTake(packet); sent; sent = window.tryTake(packet)) {
      free = Math.max(free, clock.now) + packet / line.rate;
      onTheWay.push({ sent, due: free + line.way });
    }
    const next = onTheWay.shift()!;
    clock.now = next.due;
    longest = Math.max(longest, next.due - next.sent.at);
    delivered += packet;
    window.done(next.sent);
  }
  for (const { sent, due } of onTheWay) {
    clock.now = due;
    window.done(sent);
  }
  return { share: delivered / duration / line.rate, longest };
}

test('a long line is filled, and its queue stays short', () => {
  for (const [rate, way] of [
    [125, 100],
    [1250, 100],
    [12_500, 100],
    [12_500, 10],
    [60_000, 100],
  ] as const) {
    const clock = { now: 0 };
    const window = new FlowWindow(() => clock.now);
    drive(window, clock, { rate, way }, 3000);
    const { share, longest } = drive(window, clock, { rate, way }, 10_000);
    assert.ok(share > 0.97, `${rate} bytes/ms, ${way} ms: ${share}`);
    // twice the way, and what a few packets take where the line is slow
    assert.ok(longest < 3 * way + (4 * packet) / rate, `${rate} bytes/ms, ${way} ms: waited ${longest} ms`);
  }
});

test('a line that becomes slower gets a shorter queue', () => {
  const clock = { now: 0 };
  const window = new FlowWindow(() => clock.now);
  drive(window, clock, { rate: 12_500, way: 100 }, 5000);
  const before = window.size;
  drive(window, clock, { rate: 1250, way: 100 }, 20_000);
  assert.ok(window.size < before / 4, `${before} before, ${window.size} after`);
});

test('who waits is served in order, and one that is larger than the window goes alone', async () => {
  const window = new FlowWindow(() => 0);
  const first = await window.take(window.size);
  const order: string[] = [];
  const huge = window.take(64 * 1024 * 1024).then((sent) => (order.push('huge'), sent));
  const small = window.take(1).then((sent) => (order.push('small'), sent));
  assert.equal(window.tryTake(1), undefined);
  window.done(first, false);
  window.done(await huge, false);
  await small;
  assert.deepEqual(order, ['huge', 'small']);
});
