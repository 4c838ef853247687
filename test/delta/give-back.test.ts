import assert from 'node:assert/strict';
import { test } from 'node:test';
import { giveBack, makeRoom } from '../../src/delta/give-back.ts';

test('large memory goes at once, and with it every view', () => {
  const bytes = Buffer.allocUnsafeSlow(1 << 20);
  const view = bytes.subarray(5, 10);
  giveBack(bytes);
  assert.equal(bytes.length, 0);
  assert.equal(view.length, 0);
});

test('small buffers, which may be parts of a block of others, stay as they are', () => {
  const neighbour = Buffer.from('neighbour');
  const small = Buffer.from('small');
  giveBack(small);
  assert.equal(small.toString(), 'small');
  assert.equal(neighbour.toString(), 'neighbour');
});

test('room is made for what is small and large', () => {
  const kept = Buffer.alloc(1 << 20, 7);
  makeRoom(10);
  makeRoom(1 << 30);
  assert.ok(kept.every((byte) => byte === 7));
});
