// One delta stream of each kind of path: small trees, and what they are made of.

import { execFileSync } from 'node:child_process';
import type { ByteString } from '../../../src/bytes/byte-string.ts';
import { translated } from '../../../src/delta/translated-tree.ts';
import { memoryTree } from '../../../src/format/nar/memory-tree.ts';
import type { MemoryNode } from '../../../src/format/nar/memory-tree.ts';
import { noise } from '../arbitraries.ts';
import { bytes, directory, file } from '../nodes.ts';
import type { TestPath } from '../round-trip.ts';
import { filePairs } from './files.ts';

export interface StreamKind {
  readonly name: string;
  readonly weight: number;
  readonly paths: readonly TestPath[];
}

const link = (target: string): MemoryNode => ({ type: 'symlink', target: target as ByteString });
const path = (fresh: MemoryNode, ...bases: MemoryNode[]): TestPath => ({
  name: 'x',
  fresh: memoryTree(fresh),
  bases: bases.map((base) => memoryTree(base)),
});

const hash = (digit: string): string => digit.repeat(32);
export const small: MemoryNode = directory({
  [`a-${hash('a')}`]: file(`refers to ${hash('a')}`),
  bin: directory({ x: file('#!/bin/sh'), y: link(`../lib/${hash('b')}`) }),
  d: directory({ e: directory({ f: file('f'), g: file('g') }), h: bytes(noise(300, 1)) }),
  z: file(''),
});
const changed = directory({
  [`a-${hash('c')}`]: file(`refers to ${hash('c')}`),
  bin: directory({ x: file('#!/bin/sh -e'), y: link(`../lib/${hash('c')}-more`), z: link('y') }),
  d: directory({ e: directory({ g: file('g'), n: directory({}) }), h: bytes(noise(310, 1)) }),
  moved: bytes(noise(300, 1)),
});
const map = new Map([
  [hash('a'), hash('c')],
  [hash('b'), hash('a')],
]);
const words = (seed: number): Buffer =>
  Buffer.from(Array.from({ length: 400 }, (_, i) => `word ${(i * seed) % 97}\n`).join(''));
const packed = (command: string, contents: Buffer): Buffer => execFileSync(command, ['-c', '-6'], { input: contents });

const old = directory(Object.fromEntries(filePairs.map(({ name, old: from }) => [name, bytes(from)])));
const twins = directory({ a: bytes(noise(900, 3)), b: bytes(noise(900, 3)), c: file('c') });
const onTranslated: TestPath = {
  name: 'x',
  fresh: memoryTree(changed),
  bases: [translated(memoryTree(small), map), memoryTree(changed)],
};

const one = (name: string, weight: number, fresh: MemoryNode, ...bases: MemoryNode[]): StreamKind => ({
  name,
  weight,
  paths: [path(fresh, ...bases)],
});

function compressed(command: string): StreamKind[] {
  const base = directory({ f: bytes(packed(command, words(7))) });
  const fresh = directory({ f: bytes(packed(command, Buffer.concat([words(7), words(5)]))) });
  return [one(`repacked ${command}`, 2, fresh, base), one(`packed ${command}`, 2, fresh)];
}

export const streamKinds: readonly StreamKind[] = [
  { name: 'same', weight: 3, paths: Array.from({ length: 4 }, (_, i) => path(i === 2 ? changed : small, small)) },
  { name: 'tree', weight: 16, paths: [onTranslated, path(small, changed)] },
  one('tree without a base', 4, changed),
  one(
    'moved',
    6,
    directory({ m: bytes(noise(500, 1)), n: link('m') }),
    directory({ o: bytes(noise(500, 1)), p: file('p') }),
  ),
  one('copies', 6, twins),
  one('fresh', 6, directory({ a: bytes(filePairs[2]!.fresh), b: bytes(words(7)) })),
  {
    name: 'parts',
    weight: 1,
    paths: [path(directory({ a: bytes(noise(140_000, 1)), b: file('b') }), small), path(small)],
  },
  ...filePairs.map(({ name, fresh }) =>
    one(`similar ${name}`, name === 'dump' ? 1 : 6, directory({ [name]: bytes(fresh) }), old),
  ),
  ...['gzip', 'xz', 'zstd'].flatMap(compressed),
];
