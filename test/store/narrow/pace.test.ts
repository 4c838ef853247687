// The level of deltas follows the line: measured with a clock of our own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pace } from '../../../src/store/narrow/pace.ts';

/** Levels before each of forty chunks that take `encoding[level]` milliseconds to make and `line` to be taken. */
async function levels(pace: Pace, clock: { now: number }, line: number): Promise<string[]> {
  const seen: string[] = [];
  const chunks = async function* (): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < 40; i++) {
      seen.push(pace.level());
      clock.now += pace.level() === 'fast' ? 10 : 100;
      yield await Promise.resolve(Buffer.of(i));
    }
  };
  for await (const _ of pace.measured(chunks())) clock.now += line;
  return seen;
}

test('best where the line is waited for, fast where it waits, and back', async () => {
  const clock = { now: 0 };
  const pace = new Pace('auto', () => clock.now);
  const slow = await levels(pace, clock, 800);
  assert.equal(slow[0], 'fast');
  assert.deepEqual(new Set(slow.slice(2)), new Set(['best']));
  const quick = await levels(pace, clock, 0);
  assert.equal(quick.at(-1), 'fast');
  const middling = await levels(pace, clock, 50);
  assert.deepEqual(new Set(middling), new Set(['fast']));
});

test('a level that is asked for stays', async () => {
  for (const level of ['fast', 'best'] as const) {
    const clock = { now: 0 };
    const pace = new Pace(level, () => clock.now);
    assert.deepEqual(new Set(await levels(pace, clock, level === 'fast' ? 5000 : 0)), new Set([level]));
  }
});
