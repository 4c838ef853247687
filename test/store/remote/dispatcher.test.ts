// Items over several lanes: whatever fails and ends when, each gets one outcome, and nothing is sent before its references.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseStorePath } from '../../../src/model/store-path.ts';
import type { StorePath } from '../../../src/model/store-path.ts';
import type { AddLane, LaneEvents } from '../../../src/store/remote/dispatcher.ts';
import { Dispatcher, bytesPerLane } from '../../../src/store/remote/dispatcher.ts';
import type { Item, Outcome } from '../../../src/store/store.ts';

const path = (i: number): StorePath =>
  parseStorePath('/nix/store', `/nix/store/${String(i).padStart(32, '0').replaceAll('e', '0')}-p${i}`);

function itemOf(i: number, references: readonly number[], narSize: number): Item {
  const narHash = { algo: 'sha256', bytes: new Uint8Array(32) } as const;
  const info = { path: path(i), narHash, narSize, references: references.map(path), signatures: [] };
  return { info, open: () => Promise.reject(new Error('nobody reads here')) };
}

/** The other side: what is there, and what it will not take. */
class Receiver {
  readonly valid = new Set<StorePath>();
  readonly bad: ReadonlySet<StorePath>;
  /** Ends a session at a bad path, as the serve protocol does. */
  readonly ends: boolean;
  readonly refused = new Set<StorePath>();
  sessions = 0;

  constructor(bad: ReadonlySet<StorePath>, ends: boolean) {
    this.bad = bad;
    this.ends = ends;
  }

  lane(events: LaneEvents, pause: () => number): AddLane {
    let line: Promise<void> = Promise.resolve();
    let sent: Item[] = [];
    let broken = false;
    const settle = async (): Promise<void> => {
      const mine = sent;
      await line;
      if (mine !== sent || !broken) return;
      const [first, ...rest] = sent;
      sent = [];
      broken = false;
      events.returned(rest);
      events.failed(first!, new Error('bad'));
    };
    const answer = async (item: Item): Promise<void> => {
      for (let i = pause(); i > 0; i--) await new Promise(setImmediate);
      if (broken) return;
      const needed = item.info.references.filter((r) => r !== item.info.path && !this.valid.has(r));
      assert.ok(
        needed.every((r) => this.refused.has(r)),
        `${item.info.path} before ${needed.join(', ')}`,
      );
      if (this.bad.has(item.info.path) && this.ends) {
        broken = true;
        events.ended();
        return;
      }
      sent.splice(sent.indexOf(item), 1);
      if (this.bad.has(item.info.path) || needed.length > 0) {
        this.refused.add(item.info.path);
        return events.failed(item, new Error('bad'));
      }
      this.valid.add(item.info.path);
      events.taken(item);
    };
    this.sessions++;
    return {
      settle,
      async send({ item }) {
        if (broken) {
          await settle();
          return events.returned([item]);
        }
        sent.push(item);
        line = line.then(() => answer(item));
        for (let i = pause(); i > 0; i--) await new Promise(setImmediate);
      },
    };
  }
}

const graphs = fc.array(fc.array(fc.nat(), { maxLength: 4 }), { minLength: 1, maxLength: 40 });

test('each item has one outcome, after its references, whatever fails', async () => {
  const bads = fc.array(fc.nat({ max: 39 }), { maxLength: 3 });
  const input = fc.tuple(graphs, bads, fc.boolean(), fc.integer({ min: 1, max: 4 }), fc.infiniteStream(fc.nat(4)));
  await fc.assert(
    fc.asyncProperty(input, async ([graph, bad, ends, maxLanes, pauses]) => {
      const receiver = new Receiver(new Set(bad.map(path)), ends);
      const outcomes = new Map<StorePath, Outcome>();
      const items = graph.map((refs, i) =>
        itemOf(i, i === 0 ? [] : [...new Set([...refs.map((r) => r % i), i])], 1 + bytesPerLane / 4),
      );
      const dispatcher = new Dispatcher({
        maxLanes,
        openLane: (events) => receiver.lane(events, () => pauses.next().value),
        tell(outcome) {
          assert.ok(!outcomes.has(outcome.path), `two outcomes of ${outcome.path}`);
          outcomes.set(outcome.path, outcome);
        },
      });
      await dispatcher.add(items.slice(0, items.length >> 1));
      await dispatcher.add(items.slice(items.length >> 1));
      await dispatcher.settle();
      assert.equal(outcomes.size, items.length);
      for (const { info } of items) {
        const lost = info.references.some((r) => r !== info.path && outcomes.get(r)?.status !== 'added');
        const expected = receiver.bad.has(info.path) || lost ? 'failed' : 'added';
        const outcome = outcomes.get(info.path)!;
        // after three failures in a row the rest is not tried
        if ('error' in outcome && /was not sent: bad/.test(outcome.error.message)) continue;
        assert.equal(outcome.status, expected, `${info.path}: ${'error' in outcome ? outcome.error.message : ''}`);
      }
    }),
    { numRuns: 2000 },
  );
});

test('many bytes take several lanes, few take one', async () => {
  for (const [size, lanes] of [
    [1000, 1],
    [bytesPerLane / 2, 3],
  ] as const) {
    const receiver = new Receiver(new Set(), true);
    const told: Outcome[] = [];
    const dispatcher = new Dispatcher({
      maxLanes: 3,
      openLane: (events) => receiver.lane(events, () => 1),
      tell: (outcome) => told.push(outcome),
    });
    await dispatcher.add(Array.from({ length: 8 }, (_, i) => itemOf(i, [], size)));
    await dispatcher.settle();
    assert.equal(receiver.sessions, lanes);
    assert.equal(told.length, 8);
  }
});

test('a lane that cannot go on ends the others, too', async () => {
  const lost = new Error('the line is cut');
  const dispatcher = new Dispatcher({
    maxLanes: 3,
    openLane: (events) => ({
      async send() {
        await new Promise(setImmediate);
        events.ended();
      },
      settle: () => Promise.reject(lost),
    }),
    tell: () => assert.fail('nothing was added'),
  });
  const items = Array.from({ length: 20 }, (_, i) => itemOf(i, i === 0 ? [] : [i - 1], bytesPerLane));
  await assert.rejects(async () => {
    await dispatcher.add(items);
    await dispatcher.settle();
  }, lost);
});
