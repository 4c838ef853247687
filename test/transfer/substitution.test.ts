import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashBytes } from '../../src/model/hash.ts';
import type { PathInfo } from '../../src/model/path-info.ts';
import { parseBaseName } from '../../src/model/store-path.ts';
import { memoryStore } from '../../src/store/memory.ts';
import type { SubstituteOptions, SubstitutingStore } from '../../src/store/substituting.ts';
import type { TransferEvent } from '../../src/transfer/events.ts';
import { substitute } from '../../src/transfer/substitution.ts';

const info = (name: string, narSize: number): PathInfo => ({
  path: parseBaseName(`${'0'.repeat(32)}-${name}`),
  narHash: hashBytes(name),
  narSize,
  references: [],
  signatures: [],
});

/** A store whose caches do what `fetch` does. */
function withCaches(fetch: (options: SubstituteOptions) => Promise<void>, tellsProgress = true): SubstitutingStore {
  return Object.assign(memoryStore(), {
    tellsProgress,
    substitutable: () => Promise.resolve([]),
    fetchSubstitutes: (_paths: unknown, options: SubstituteOptions = {}) => fetch(options),
  });
}

/** Rejects when the signal says so. */
function silence({ signal }: SubstituteOptions): Promise<void> {
  const { promise, reject } = Promise.withResolvers<void>();
  signal?.addEventListener('abort', () => reject(signal.reason as Error));
  return promise;
}

const warnings = (events: readonly TransferEvent[]): string[] =>
  events.flatMap((event) => (event.type === 'warning' ? [event.text] : []));

test('caches that say nothing are given up, and a warning tells', async () => {
  const events: TransferEvent[] = [];
  const destination = withCaches(silence);
  const asked = { destination, missing: [info('a', 1)], patience: 20, onEvent: (e: TransferEvent) => events.push(e) };
  assert.equal(await substitute(asked), true);
  assert.deepEqual(warnings(events), [
    'the caches of the destination say nothing any more; what its caches did not give is copied',
  ]);
});

test('a large download takes its time where only its beginning is told', async () => {
  const line = `copying path '/nix/store/${'0'.repeat(32)}-big' from 'http://cache'...`;
  for (const [tells, given] of [
    [false, 0],
    [true, 1],
  ] as const) {
    const events: TransferEvent[] = [];
    const destination = withCaches(async (options) => {
      options.onLine?.(line);
      const timer = Promise.withResolvers<void>();
      setTimeout(timer.resolve, 200);
      await Promise.race([timer.promise, silence(options)]);
    }, tells);
    await substitute({ destination, missing: [info('big', 1e6)], patience: 20, onEvent: (e) => events.push(e) });
    assert.equal(warnings(events).length, given);
  }
});

test('what goes wrong with caches is a warning, an abort is not; without caches nothing is asked', async () => {
  const events: TransferEvent[] = [];
  const onEvent = (event: TransferEvent): void => void events.push(event);
  const missing = [info('a', 1)];
  const broken = withCaches((options) => {
    options.onLine?.('warning: unable to download');
    return Promise.reject(new Error('they are down'));
  });
  assert.equal(await substitute({ destination: broken, missing, onEvent }), true);
  assert.equal(await substitute({ destination: broken, missing: [], onEvent }), false);
  assert.equal(await substitute({ destination: memoryStore(), missing, onEvent }), false);
  assert.deepEqual(warnings(events), [
    'they are down; what its caches did not give is copied',
    'memory: has no caches of its own to ask: everything is copied',
  ]);
  assert.ok(events.some((event) => event.type === 'said' && event.text === 'unable to download'));
  const abort = AbortSignal.abort(new Error('stopped'));
  await assert.rejects(substitute({ destination: broken, missing, onEvent, signal: abort }), /stopped/);
});
