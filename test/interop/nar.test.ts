// Against real Nix, old and current: the same NAR of the same tree, and the rule that whatever we accept, every Nix accepts
// and dumps again identically. The fuzzer changes NARs where they are most easily misunderstood: at their strings.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { collect } from '../../src/bytes/source.ts';
import { ByteWriter } from '../../src/bytes/writer.ts';
import { u64At } from '../../src/bytes/u64.ts';
import { NarParser } from '../../src/format/nar/parser.ts';
import { packNar } from '../../src/format/nar/pack.ts';
import { unpackNar } from '../../src/format/nar/unpack.ts';
import { isNarrowError } from '../../src/errors.ts';
import { directorySink } from '../../src/fs/directory-sink.ts';
import { removeTree } from '../../src/fs/remove.ts';
import { localTree } from '../../src/fs/tree.ts';
import { expectations, golden, packed, trees } from '../format/nar/trees.ts';
import { nixes } from '../lab/nix.ts';
import type { Nix } from '../lab/nix.ts';
import { tempDir } from '../lab/temp.ts';

const dir = tempDir('nar');
let count = 0;
const fresh = (): string => join(dir, `t${count++}`);

function nixStore(
  nix: Nix,
  args: readonly string[],
  input: Uint8Array = Buffer.alloc(0),
): { ok: boolean; stdout: Buffer } {
  const options = { input, env: nix.env(), maxBuffer: 1 << 28, timeout: 20_000 };
  const { status, stdout } = spawnSync(join(nix.bin, 'nix-store'), args, options);
  return { ok: status === 0, stdout };
}

/** What Nix makes of a NAR: the dump of what it restored, or undefined when it refused. */
function redumped(nix: Nix, nar: Uint8Array): Buffer | undefined {
  const root = fresh();
  try {
    return nixStore(nix, ['--restore', root], nar).ok ? nixStore(nix, ['--dump', root]).stdout : undefined;
  } finally {
    removeTree(root);
  }
}

const ignore = { directory() {}, leave() {}, regular() {}, contents() {}, closeRegular() {}, symlink() {} };

function accepts(nar: Uint8Array): boolean {
  try {
    const parser = new NarParser(ignore);
    const taken = parser.push(nar);
    parser.end();
    return taken === nar.length;
  } catch (error) {
    assert.ok(isNarrowError(error, 'format'), String(error));
    return false;
  }
}

/** False for a NAR that ends before its bytes do. */
function isWhole(nar: Uint8Array): boolean {
  try {
    return new NarParser(ignore).push(nar) === nar.length;
  } catch {
    return true;
  }
}

for (const nix of nixes()) {
  test(`random trees: the NAR is that of nix-store --dump ${nix.label}, and it restores ours`, async () => {
    await fc.assert(
      fc.asyncProperty(trees, async (tree) => {
        const nar = await packed(tree);
        const root = fresh();
        await unpackNar([nar], directorySink(root, { canonical: false }));
        assert.ok(nixStore(nix, ['--dump', root]).stdout.equals(nar));
        assert.ok((await collect(packNar(localTree(root)))).equals(nar));
        assert.ok(redumped(nix, nar)?.equals(nar));
        removeTree(root);
      }),
      { numRuns: 25, interruptAfterTimeLimit: 4000 },
    );
  });

  test(`goldens: what we accept Nix ${nix.label} accepts`, () => {
    for (const { file } of expectations) {
      const nar = golden(file);
      if (accepts(nar)) assert.ok(redumped(nix, nar)?.equals(nar), file);
      else if (nix.label === '2.8' && !file.startsWith('bad-huge'))
        assert.equal(redumped(nix, nar) === undefined, rejectedByOld(file), file);
    }
  });

  test(`fuzz: what we accept Nix ${nix.label} accepts and dumps identically`, () => {
    let accepted = 0;
    let refused = 0;
    const strict = Number(nix.label.split('.')[1]) >= 34;
    fc.assert(
      fc.property(fc.constantFrom(...seeds), mutations, (seed, list) => {
        const nar = list.reduce((bytes, mutate) => mutate(bytes), seed);
        const ours = accepts(nar);
        if (ours) accepted++;
        // The current Nix and we agree on everything but bytes after the end; older ones accept more (stricter.md).
        if (!ours && (!strict || !isWhole(nar) || ++refused % 4 > 0)) return;
        assert.equal(redumped(nix, nar)?.equals(nar), ours ? true : undefined);
      }),
      { numRuns: 20_000, interruptAfterTimeLimit: 4000 },
    );
    assert.ok(accepted > 0, 'the fuzzer made nothing that is valid');
  });
}

function rejectedByOld(file: string): boolean {
  return expectations.find((expectation) => expectation.file === file)?.nix28 === 'reject';
}

type Mutation = (nar: Buffer) => Buffer;

const seeds = expectations
  .filter(({ file, size }) => size < 2000 && !file.startsWith('bad-huge'))
  .map(({ file }) => golden(file));

/** The strings of a NAR, as far as it can be read as such. */
function strings(nar: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at + 8 <= nar.length;) {
    const length = u64At(nar, at);
    if (length > nar.length - at - 8) break;
    found.push(nar.subarray(at + 8, at + 8 + length));
    at += 8 + Math.ceil(length / 8) * 8;
  }
  return found;
}

function encode(list: readonly Buffer[]): Buffer {
  const writer = new ByteWriter();
  for (const text of list) writer.string(text);
  return writer.take();
}

const words = [
  '(',
  ')',
  'type',
  'regular',
  'executable',
  '',
  'contents',
  'directory',
  'entry',
  'name',
  'node',
  'symlink',
  'target',
  'a',
  'b',
  '.',
  '..',
  'a/b',
  'a\0',
  'nix-archive-1',
];
const word = fc.oneof(
  fc.constantFrom(...words).map((w) => Buffer.from(w)),
  fc.uint8Array({ maxLength: 9 }).map((b) => Buffer.from(b)),
);
const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const at = (where: number, length: number): number => Math.floor(where * length);

const onStrings =
  (change: (list: Buffer[]) => Buffer[]): Mutation =>
  (nar) =>
    encode(change(strings(nar)));

/** Puts another name, target or contents in the place of one: what is left may well be valid. */
function replaceFree(list: Buffer[], where: number, text: Buffer): Buffer[] {
  const keys = ['name', 'target', 'contents'];
  const free = list.flatMap((_, i) => (keys.includes(String(list[i - 1])) ? [i] : []));
  return free.length === 0 ? list : list.with(free[at(where, free.length)]!, text);
}

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(place, word).map(([w, text]) => onStrings((list) => replaceFree(list, w, text))),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(place, word)
      .map(([w, text]) => onStrings((list) => list.toSpliced(at(w, list.length), 1, text))),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(place, word)
      .map(([w, text]) => onStrings((list) => list.toSpliced(at(w, list.length), 0, text))),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(place, fc.nat(6)).map(([w, n]) => onStrings((list) => list.toSpliced(at(w, list.length), n))),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(place, place, fc.nat(12))
      .map(([from, to, n]) =>
        onStrings((list) =>
          list.toSpliced(at(to, list.length), 0, ...list.slice(at(from, list.length), at(from, list.length) + n)),
        ),
      ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(place, fc.nat(255)).map(
      ([w, byte]): Mutation =>
        (nar) =>
          nar.length === 0 ? nar : Buffer.from(nar.with(at(w, nar.length), byte)),
    ),
  },
  {
    weight: 1,
    arbitrary: place.map(
      (w): Mutation =>
        (nar) =>
          nar.subarray(0, at(w, nar.length)),
    ),
  },
);

const mutations = fc.array(mutation, { minLength: 1, maxLength: 3 });
