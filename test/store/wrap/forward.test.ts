import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Store } from '../../../src/store/store.ts';
import { forward } from '../../../src/store/wrap/forward.ts';

class Counting {
  readonly url = 'memory:';
  #disposed = 0;
  get disposed(): number {
    return this.#disposed;
  }
  open(): string {
    return 'theirs';
  }
  pathByHashPart(part: string): string {
    return `${part} of ${this.disposed}`;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed++;
  }
}

const wrapped = (store: Counting, ours: object): Counting => forward(store as unknown as Store, ours) as never;

test('a wrapped store is disposed by `await using`', async () => {
  const store = new Counting();
  {
    await using outer = wrapped(wrapped(store, {}), {});
    assert.equal(outer.url, 'memory:');
  }
  assert.equal(store.disposed, 1);
});

test('what is ours is taken, the rest is the store’s own, called on the store', () => {
  const store = wrapped(new Counting(), { open: () => 'ours', abilities: { trusted: true } });
  assert.equal(store.open(), 'ours');
  assert.equal(store.pathByHashPart('x'), 'x of 0');
  assert.deepEqual((store as unknown as Store).abilities, { trusted: true });
  assert.equal('pathByHashPart' in store, true);
});
