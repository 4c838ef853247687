// Paths for the suites over all stores: made up in memory, no Nix needed.
import { createHash } from 'node:crypto';
import { byteStringOf } from '../../src/bytes/byte-string.ts';
import { bytesOf, collect } from '../../src/bytes/source.ts';
import { memoryTree } from '../../src/format/nar/memory-tree.ts';
import type { MemoryNode } from '../../src/format/nar/memory-tree.ts';
import { packNar } from '../../src/format/nar/pack.ts';
import { encodeBase32 } from '../../src/model/base32.ts';
import { hashBytes } from '../../src/model/hash.ts';
import type { PathInfo } from '../../src/model/path-info.ts';
import { sortedUnique } from '../../src/model/path-info.ts';
import { parseBaseName } from '../../src/model/store-path.ts';
import type { StorePath } from '../../src/model/store-path.ts';
import type { Item } from '../../src/store/store.ts';

export interface Sample {
  readonly info: PathInfo;
  readonly nar: Buffer;
  readonly root: MemoryNode;
}

/** A store path whose hash part is made of its name. */
export function samplePath(name: string): StorePath {
  const digest = createHash('sha256').update(name).digest().subarray(0, 20);
  return parseBaseName(`${encodeBase32(digest)}-${name}`);
}

export function file(contents: string | Uint8Array, executable = false): MemoryNode {
  return { type: 'regular', executable, contents: Buffer.from(contents as string) };
}

export function directory(entries: Readonly<Record<string, MemoryNode>>): MemoryNode {
  return { type: 'directory', entries: new Map(Object.entries(entries).map(([k, v]) => [byteStringOf(k), v])) };
}

export function symlink(target: string): MemoryNode {
  return { type: 'symlink', target: byteStringOf(target) };
}

/** A path with these files and references. */
export async function sample(
  name: string,
  root: MemoryNode,
  references: readonly StorePath[] = [],
  more: Partial<PathInfo> = {},
): Promise<Sample> {
  const nar = await collect(packNar(memoryTree(root)));
  const info: PathInfo = {
    path: samplePath(name),
    narHash: hashBytes(nar),
    narSize: nar.length,
    references: sortedUnique(references),
    deriver: undefined,
    signatures: [],
    ca: undefined,
    ...more,
  };
  return { info, nar, root };
}

/** Three paths, references first; the last refers to itself, too. */
export async function sampleClosure(prefix = ''): Promise<[Sample, Sample, Sample]> {
  const tree = directory({
    bin: directory({ tool: file('#!/bin/sh\necho tool\n', true), other: symlink('tool') }),
    empty: directory({}),
    'file with space': file('contents'),
    large: file(Buffer.alloc(700_000, 'abcdefgh')),
  });
  const a = await sample(`${prefix}a-1.0`, file('just a file\n'), [], { signatures: ['k-1:c2lnbmF0dXJl'] });
  const b = await sample(`${prefix}b-1.0`, tree, [a.info.path], { deriver: parseBaseName(`${samplePath('b')}.drv`) });
  const path = samplePath(`${prefix}c-1.0`);
  const c = await sample(`${prefix}c-1.0`, directory({ link: symlink(`/nix/store/${path}/x`) }), [b.info.path, path]);
  return [a, b, c];
}

export function itemOf({ info, nar }: Sample, bytes: Uint8Array = nar): Item {
  return { info, open: () => Promise.resolve({ encoding: 'none', size: bytes.length, bytes: bytesOf(bytes) }) };
}

// eslint-disable-next-line require-await
export async function* later<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items;
}
