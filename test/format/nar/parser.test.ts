import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NarParser } from '../../../src/format/nar/parser.ts';
import type { NarVisitor } from '../../../src/format/nar/tree.ts';
import { isNarrowError } from '../../../src/errors.ts';
import { scribbling } from '../../bytes/scribble.ts';
import { expectations, golden, packed, trees, unpacked } from './trees.ts';

/** All events as text, contents joined, so that it does not matter how the input was cut. */
class Recorder implements NarVisitor {
  readonly events: string[] = [];
  directory(name: string): void {
    this.events.push(`directory ${name}`);
  }
  leave(): void {
    this.events.push('leave');
  }
  regular(name: string, executable: boolean, size: number, offset: number): void {
    this.events.push(`regular ${name} ${executable} ${size} ${offset}`, '');
  }
  contents(chunk: Uint8Array): void {
    assert.ok(chunk.length > 0);
    this.events[this.events.length - 1] += Buffer.from(chunk).toString('latin1');
  }
  closeRegular(): void {
    this.events.push('close');
  }
  symlink(name: string, target: string): void {
    this.events.push(`symlink ${name} ${target}`);
  }
}

/** Events and outcome of a whole input, cut into pieces of `size`. */
function outcome(bytes: Uint8Array, size: number, slack = 0): string[] {
  const recorder = new Recorder();
  const parser = new NarParser(recorder);
  try {
    for (const chunk of scribbling(bytes, size)) if (parser.push(chunk) < chunk.length) break;
    parser.end();
    recorder.events.push(`done at ${parser.position + slack}`);
  } catch (error) {
    assert.ok(isNarrowError(error, 'format'), String(error));
    recorder.events.push(error.message);
  }
  return recorder.events;
}

test('goldens: accepts and refuses as the current Nix', () => {
  for (const { file, current } of expectations) {
    const last = outcome(golden(file), 1 << 20).at(-1)!;
    assert.equal(last.startsWith('done') ? 'accept' : 'reject', current, `${file}: ${last}`);
    if (current === 'reject') assert.match(last, / at offset \d+: expected .*, got /, file);
  }
});

test('what is no NAR is told by its first bytes', () => {
  for (const size of [1, 5, 1 << 20]) {
    const told = outcome(Buffer.from('root:x:0:0:root:/root:/bin/sh\n'), size);
    assert.deepEqual(told, ['no NAR at offset 0: expected "nix-archive-1", got "root:x:0"']);
    const other = Buffer.from('0d000000000000006e69782d617263686976652d32000000', 'hex');
    assert.deepEqual(outcome(other, size), ['no NAR at offset 0: expected "nix-archive-1", got "nix-archive-2"']);
  }
});

test('goldens: the same whatever the chunks are', () => {
  for (const { file } of expectations) {
    const bytes = golden(file);
    const whole = outcome(bytes, 1 << 20);
    for (let size = 1; size <= Math.min(bytes.length, 700); size++) {
      if (bytes.length < 2000 || size % 97 === 1) assert.deepEqual(outcome(bytes, size), whole, `${file} by ${size}`);
    }
  }
});

test('one cut at every place of a NAR gives the same events', async () => {
  const bytes = golden('self-2.0.nar');
  const whole = outcome(bytes, bytes.length);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const recorder = new Recorder();
    const parser = new NarParser(recorder);
    assert.equal(parser.push(Buffer.from(bytes.subarray(0, cut))), cut);
    assert.equal(parser.push(Buffer.from(bytes.subarray(cut))), bytes.length - cut);
    assert.deepEqual([...recorder.events, `done at ${parser.position}`], whole);
  }
});

test('every truncation is refused at its end', () => {
  const bytes = golden('self-2.0.nar');
  for (let size = 0; size < bytes.length; size++) {
    const last = outcome(bytes.subarray(0, size), 64).at(-1)!;
    assert.match(last, new RegExp(`^unexpected end of NAR at offset ${size}: expected `));
  }
});

test('random trees: packed, parsed in pieces, the same again', async () => {
  const chunk = fc.integer({ min: 1, max: 5000 });
  await fc.assert(
    fc.asyncProperty(trees, chunk, async (tree, size) => {
      const bytes = await packed(tree);
      const again = await unpacked(scribbling(bytes, size));
      assert.deepEqual(await packed(again), bytes);
      assert.deepEqual(sorted(again), sorted(tree));
    }),
    { numRuns: 150, interruptAfterTimeLimit: 3000 },
  );
});

function sorted(value: unknown): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([k, v]) => [`/${k}`, sorted(v)]));
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1');
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, sorted(v)]));
  }
  return value;
}

test('stops at the root’s end and says how much it took', () => {
  const bytes = golden('ok-regular.nar');
  for (const size of [1, 7, 200]) {
    const parser = new NarParser(new Recorder());
    let taken = 0;
    for (const chunk of scribbling(Buffer.concat([bytes, Buffer.alloc(50, 1)]), size)) taken += parser.push(chunk);
    assert.equal(taken, 120);
    assert.ok(parser.done);
    assert.equal(parser.position, 120);
  }
});

test('offsets are those of the contents', () => {
  const bytes = golden('self-2.0.nar');
  assert.ok(outcome(bytes, 1 << 20).includes('regular run true 18 648'));
  const at = new NarParser(new Recorder(), 'x.export', 1000);
  assert.throws(() => at.push(golden('bad-magic.nar')), /at offset 1000 of x.export/);
});

test('lengths up to 2^64-1 are refused at once, with nothing allocated', () => {
  const before = process.memoryUsage().arrayBuffers;
  for (const [file, at] of [
    ['ok-regular.nar', 88],
    ['ok-symlink.nar', 88],
    ['ok-name-255.nar', 128],
    ['ok-regular.nar', 24],
  ] as const) {
    for (const length of [0xff_ffff_ffff_ffffn, 2n ** 64n - 1n, 2n ** 53n, 2n ** 32n + 6n]) {
      const bytes = Buffer.from(golden(file));
      bytes.writeBigUInt64LE(length, at);
      const last = outcome(bytes.subarray(0, at + 8), 64).at(-1)!;
      if (at === 88 && file === 'ok-regular.nar' && length < 2n ** 53n) assert.match(last, /unexpected end of NAR/);
      else assert.match(last, new RegExp(`is too long at offset ${at}: expected at most \\d+ bytes, got ${length}`));
    }
  }
  assert.ok(process.memoryUsage().arrayBuffers - before < 4e6);
});
