// Random maps of hash parts, bytes and trees full of them, and trees that are similar to others.

import fc from 'fast-check';
import type { ByteString } from '../../src/bytes/byte-string.ts';
import type { MemoryNode } from '../../src/format/nar/memory-tree.ts';
import { nameFault } from '../../src/format/nar/name.ts';

/** Few, and similar to each other: so they overlap, chain and swap. */
const hashParts: readonly string[] = [
  'a'.repeat(32),
  'b'.repeat(32),
  `${'a'.repeat(31)}b`,
  `b${'a'.repeat(31)}`,
  'ab'.repeat(16),
  'ba'.repeat(16),
  '0123456789abcdfghijklmnpqrsvwxyz',
  'zyxwvsrqpnmlkjihgfdcba9876543210',
  `3210${'a'.repeat(24)}0123`,
];

const pairs = fc.tuple(fc.constantFrom(...hashParts), fc.constantFrom(...hashParts));

/** Some have chains, some swap two, some make one of two. */
export const hashPartMaps: fc.Arbitrary<ReadonlyMap<string, string>> = fc
  .tuple(fc.array(pairs, { maxLength: 5 }), fc.option(pairs, { freq: 2 }))
  .map(([all, swapped]) => new Map(swapped === null ? all : [...all, swapped, [swapped[1], swapped[0]]]));

/** Bytes in which hash parts of `map` stand, also cut short, next to each other and in each other. */
export const soup = (map: ReadonlyMap<string, string>): fc.Arbitrary<Buffer> =>
  fc
    .array(
      fc.oneof(
        fc.constantFrom(...hashParts, ...map.keys()),
        fc.tuple(fc.constantFrom(...hashParts), fc.nat(31)).map(([part, cut]) => part.slice(cut)),
        fc.tuple(fc.constantFrom(...hashParts), fc.nat(31)).map(([part, cut]) => part.slice(0, cut)),
        fc.constantFrom('', 'a', 'b', '/nix/store/', '\n', '\x28\xb5\x2f\xfd', '\x37\xa4\x30\xec'),
        fc.string({ maxLength: 80 }),
      ),
      { maxLength: 12 },
    )
    .map((parts) => Buffer.from(parts.join(''), 'latin1'));

const plainNames: fc.Arbitrary<string> = fc.constantFrom(
  'a',
  'b',
  'bin',
  'lib',
  'lib-1.2',
  'lib-1.3',
  'x.so.1',
  'x.so.2',
  'z',
  '\xff',
);

/** Names, some with hash parts, most of them of `map`: they collide or change places when they are translated. */
export const namesOf = (map: ReadonlyMap<string, string>): fc.Arbitrary<ByteString> =>
  fc
    .oneof(
      { arbitrary: plainNames, weight: 3 },
      fc
        .tuple(
          fc.constantFrom('', '', '.', 'l-'),
          fc.constantFrom(...hashParts, ...[...map].flat(), ...[...map].flat()),
          fc.constantFrom('', '', '-x'),
        )
        .map((p) => p.join('')),
    )
    .map((name) => name as ByteString)
    .filter((name) => nameFault(name) === undefined);

const contents = (map: ReadonlyMap<string, string>): fc.Arbitrary<Buffer> =>
  fc.oneof(
    soup(map),
    fc.constantFrom(Buffer.alloc(0), Buffer.from([0x37, 0xa4, 0x30, 0xec, 1]), Buffer.from([0x28, 0xb5, 0x2f, 0xfd])),
    fc
      .tuple(fc.constantFrom(3_000, 70_000, 300_000), fc.nat(6), soup(map))
      .map(([size, seed, insert]) => Buffer.concat([noise(size, seed), insert, noise(size >> 1, seed + 1)])),
  );

/** Bytes that do not compress, the same for the same seed. */
export function noise(size: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  let state = seed * 2654435761 + 1;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

const emptyFile: MemoryNode = { type: 'regular', executable: false, contents: Buffer.alloc(0) };

/** Two names that may become one, or none. */
const pairOf = (map: ReadonlyMap<string, string>): fc.Arbitrary<readonly ByteString[]> =>
  fc.option(fc.constantFrom(...map, []), { freq: 2 }).map((pair) => (pair ?? []) as readonly ByteString[]);

/** Trees with hash parts everywhere. */
export const treesOf = (map: ReadonlyMap<string, string>): fc.Arbitrary<MemoryNode> =>
  fc.letrec<{ node: MemoryNode }>((tie) => ({
    node: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.record({ type: fc.constant('regular' as const), executable: fc.boolean(), contents: contents(map) }),
      fc.record({
        type: fc.constant('symlink' as const),
        target: soup(map).map((b) => (b.toString('latin1').replaceAll('\0', '') || 'x').slice(0, 4000) as ByteString),
      }),
      fc.tuple(fc.array(fc.tuple(namesOf(map), tie('node')), { maxLength: 7 }), pairOf(map)).map(([entries, pair]) => ({
        type: 'directory' as const,
        entries: new Map([...entries, ...pair.map((name) => [name, emptyFile] as const)]),
      })),
    ),
  })).node;

/** A tree as another version of it may be: contents edited, nodes gone, new, renamed, of another kind. */
export const variantsOf = (tree: MemoryNode, map: ReadonlyMap<string, string>): fc.Arbitrary<MemoryNode> =>
  fc
    .array(fc.tuple(fc.nat(1000), fc.nat(11), fc.nat(), namesOf(map), treesOf(map)), { maxLength: 6 })
    .map((edits) =>
      edits.reduce((node, [at, how, where, name, other]) => edited(node, { at, how, where, name, other }), tree),
    );

interface Edit {
  readonly at: number;
  readonly how: number;
  readonly where: number;
  readonly name: ByteString;
  readonly other: MemoryNode;
}

function edited(node: MemoryNode, edit: Edit): MemoryNode {
  const { at, how, where, name, other } = edit;
  if (node.type === 'directory' && node.entries.size > 0) {
    const keys = [...node.entries.keys()];
    const key = keys[at % keys.length]!;
    const child = node.entries.get(key)!;
    const entries = new Map(node.entries);
    if (how < 6) entries.set(key, edited(child, { ...edit, at: Math.floor(at / keys.length) }));
    else entries.delete(key);
    if (how === 6 || how === 7) entries.set(name, child);
    if (how === 8) entries.set(name, other);
    if (how === 9) entries.set(key, other);
    return { type: 'directory', entries };
  }
  if (node.type !== 'regular' || how >= 10) return other;
  if (how === 5) return { ...node, executable: !node.executable };
  const cut = where % (node.contents.length + 1);
  const insert = how === 4 ? Buffer.alloc(0) : Buffer.from(`edit ${where}`);
  const contents = Buffer.concat([node.contents.subarray(0, cut), insert, node.contents.subarray(cut + (how & 1) * 7)]);
  return { ...node, contents };
}
