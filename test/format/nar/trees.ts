// Random trees with names and targets of any bytes, and what several NAR tests do with NARs.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import type { ByteString } from '../../../src/bytes/byte-string.ts';
import { collect } from '../../../src/bytes/source.ts';
import { MemorySink, memoryTree } from '../../../src/format/nar/memory-tree.ts';
import type { MemoryNode } from '../../../src/format/nar/memory-tree.ts';
import { packNar } from '../../../src/format/nar/pack.ts';
import { unpackNar } from '../../../src/format/nar/unpack.ts';
import { nameFault } from '../../../src/format/nar/name.ts';

const latin1 = (bytes: Uint8Array): ByteString => Buffer.from(bytes).toString('latin1') as ByteString;

// Short alphabets make collisions of prefixes, which is where an order goes wrong; bytes above 0x7f make it wrong otherwise.
export const names: fc.Arbitrary<ByteString> = fc
  .oneof(
    fc.uint8Array({ minLength: 1, maxLength: 6 }).map(latin1),
    fc.string({ unit: fc.constantFrom('a', 'b', '.', '-', '\xff', '\x01'), minLength: 1, maxLength: 4 }),
    fc.string({ unit: fc.constantFrom('x', '\xc3'), minLength: 250, maxLength: 255 }),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 }).map((s) => latin1(Buffer.from(s))),
  )
  .map((name) => name as ByteString)
  .filter((name) => nameFault(name) === undefined);

const targets: fc.Arbitrary<ByteString> = fc
  .oneof(fc.uint8Array({ minLength: 1, maxLength: 20 }), fc.uint8Array({ minLength: 4090, maxLength: 4095 }))
  .map((bytes) => latin1(bytes).replaceAll('\0', '0') as ByteString);

const files = fc.record({
  type: fc.constant('regular' as const),
  executable: fc.boolean(),
  contents: fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.tuple(fc.integer({ min: 0, max: 300_000 }), fc.nat(255)).map(([size, fill]) => new Uint8Array(size).fill(fill)),
  ),
});

/** A tree of any kind, a few levels deep. */
export const trees: fc.Arbitrary<MemoryNode> = fc.letrec<{ node: MemoryNode }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    files,
    fc.record({ type: fc.constant('symlink' as const), target: targets }),
    fc.array(fc.tuple(names, tie('node')), { maxLength: 6 }).map((entries) => ({
      type: 'directory' as const,
      entries: new Map(entries),
    })),
  ),
})).node;

export const packed = (tree: MemoryNode): Promise<Buffer> => collect(packNar(memoryTree(tree)));

/** The tree in a NAR, which is the bytes that `source` yields. */
export async function unpacked(source: Iterable<Uint8Array>): Promise<MemoryNode> {
  const sink = new MemorySink();
  await unpackNar(source, sink);
  return sink.root!;
}

export const goldenDir: string = join(import.meta.dirname, '../../golden/nar');

export const golden = (name: string): Buffer => readFileSync(join(goldenDir, name));

export interface Expectation {
  readonly file: string;
  readonly size: number;
  readonly sha256: string;
  readonly nix28: 'accept' | 'reject';
  readonly current: 'accept' | 'reject';
}

export const expectations: readonly Expectation[] = JSON.parse(golden('expect.json').toString()) as Expectation[];
