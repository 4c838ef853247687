import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { isNarrowError } from '../../../src/errors.ts';
import {
  expandMember,
  memberKind,
  openMember,
  packMember,
  packingTools,
} from '../../../src/delta/recompress/member.ts';
import { samples } from './samples.ts';

const directory = mkdtempSync(join(tmpdir(), 'narrow-member-'));
after(() => rmSync(directory, { recursive: true }));

/** What a program packs: from a file where `{}` is among the arguments, else from a pipe. */
function packed(command: string, args: readonly string[], contents: Uint8Array): Buffer {
  const file = join(directory, 'page.1');
  writeFileSync(file, contents);
  utimesSync(file, 1_700_000_000, 1_700_000_000);
  const { stdout, status, stderr } = spawnSync(
    command,
    args.map((word) => (word === '{}' ? file : word)),
    { ...(!args.includes('{}') && { input: contents }), maxBuffer: 2 ** 28 },
  );
  assert.equal(status, 0, stderr.toString());
  return stdout;
}

/** Opens, packs again, and returns what opened. */
function expectExact(bytes: Uint8Array, contents: Uint8Array, what: string): string {
  const opened = openMember(bytes);
  assert.ok(opened, `${what} cannot be packed again`);
  assert.equal(Buffer.compare(opened.contents, contents), 0);
  assert.equal(Buffer.compare(expandMember(bytes)!, contents), 0);
  assert.equal(Buffer.compare(packMember(opened.recipe, opened.contents, bytes.length), bytes), 0, what);
  assert.ok(packingTools().includes(opened.tool));
  assert.ok(opened.recipe.length <= 30);
  return opened.kind;
}

test('.gz by GNU gzip: with and without a name, from a file and from a pipe', () => {
  for (const contents of [samples.get('text')!, samples.get('a line')!, samples.get('nothing')!])
    for (const args of [['-9', '-n'], ['-1'], ['-6'], ['-9', '-n', '-c', '{}'], ['-6', '-c', '{}'], ['-1', '-c', '{}']])
      assert.equal(expectExact(packed('gzip', args, contents), contents, args.join(' ')), 'gzip');
});

test('.xz by xz: presets, the dictionary of kernel modules, checks, threads', () => {
  const contents = samples.get('a mixture')!;
  const ways = [
    ['-0'],
    ['-3'],
    ['-6'],
    ['-9'],
    ['-6e'],
    ['--check=crc32', '--lzma2=dict=1MiB'],
    ['--check=sha256'],
    ['-T2'],
  ];
  for (const args of ways)
    assert.equal(expectExact(packed('xz', ['-c', ...args], contents), contents, args.join(' ')), 'xz');
  for (const name of ['nothing', 'one byte', 'noise'])
    expectExactOrNone(packed('xz', ['-c'], samples.get(name)!), samples.get(name)!, name);
});

/** A file without contents has no block in .xz: that may be left alone. */
function expectExactOrNone(bytes: Uint8Array, contents: Uint8Array, what: string): void {
  if (contents.length > 0) expectExact(bytes, contents, what);
  else assert.equal(openMember(bytes), undefined);
}

test('.xz with more to remember than can be afforded', () => {
  const bytes = packed('xz', ['-c', '-0', '--lzma2=preset=0,dict=64MiB'], samples.get('text')!);
  const { recipe } = openMember(packed('xz', ['-c', '-9'], samples.get('text')!))!;
  assert.ok(expandMember(bytes));
  assert.throws(() => packMember(recipe, Buffer.alloc(9_000_000), 1_000_000), { code: 'format' });
});

test('.zst by zstd: levels, from a file and from a pipe, one thread, no checksum, long distances', () => {
  const contents = samples.get('a mixture')!;
  const pipe = [['-1'], ['-3'], ['-10', '-T1'], ['-19']];
  const file = [['-3'], ['-19'], ['-19', '--long'], ['--single-thread', '-6'], ['--no-check'], ['--ultra', '-22']];
  for (const args of [...pipe, ...file.map((each) => [...each, '{}'])])
    assert.equal(expectExact(packed('zstd', ['-q', '-c', ...args], contents), contents, args.join(' ')), 'zstd');
  for (const name of ['nothing', 'one byte', 'noise', 'a period of 32 KiB'])
    expectExact(packed('zstd', ['-q', '-c', '-10'], samples.get(name)!), samples.get(name)!, name);
});

test('an archive of several jobs of zstd', () => {
  const contents = Buffer.concat(Array.from({ length: 50 }, () => samples.get('text')!));
  assert.equal(expectExact(packed('zstd', ['-q', '-c', '-1', '-T1'], contents), contents, 'zstd -1'), 'zstd');
});

test("Node's own packers", () => {
  const contents = samples.get('text')!;
  expectExact(zstdCompressSync(contents), contents, 'zstd');
});

test('only what the other side can pack with is used', () => {
  const gz = packed('gzip', ['-9'], samples.get('text')!);
  const zst = packed('zstd', ['-q', '-c'], samples.get('text')!);
  assert.equal(openMember(gz, { tools: new Set(['xz/5.4']) }), undefined);
  assert.equal(openMember(zst, { tools: new Set(['zstd/0.1.0', 'gzip/1']) }), undefined);
  assert.equal(openMember(gz, { tools: new Set(['gzip/1']) })?.tool, 'gzip/1');
  const { recipe, contents } = openMember(zst)!;
  const elsewhere = Uint8Array.from(recipe).fill(99, 1, 4);
  assert.throws(() => packMember(elsewhere, contents, zst.length), { code: 'unsupported', message: /zstd 99.99.99/ });
});

test('what cannot be packed again, or is no member, is left alone', () => {
  const contents = samples.get('text')!;
  const gz = packed('gzip', ['-9'], contents);
  const strange = gzipSync(contents, { level: 9, memLevel: 3 });
  for (const bytes of [Buffer.concat([gz, gz]), Buffer.concat([gz, Buffer.from('x')]), strange, gz.subarray(0, -9)])
    assert.equal(openMember(bytes), undefined);
  for (const bytes of [
    Buffer.alloc(0),
    Buffer.from('plain'),
    Buffer.from([0x1f, 0x8b, 8]),
    Buffer.from('\x28\xb5\x2f\xfd'),
  ]) {
    assert.equal(openMember(bytes), undefined);
    assert.equal(expandMember(bytes), undefined);
  }
  const two = packed('zstd', ['-q', '-c'], contents);
  assert.equal(openMember(Buffer.concat([two, two])), undefined);
});

test('kinds are told by six bytes', () => {
  assert.equal(memberKind(packed('gzip', [], Buffer.from('x')).subarray(0, 6)), 'gzip');
  assert.equal(memberKind(packed('xz', ['-c'], Buffer.from('x')).subarray(0, 6)), 'xz');
  assert.equal(memberKind(packed('zstd', ['-q', '-c'], Buffer.from('x')).subarray(0, 6)), 'zstd');
  assert.equal(memberKind(Buffer.from('#!/bin')), undefined);
  assert.equal(memberKind(Buffer.alloc(0)), undefined);
});

test('what would expand beyond the limit is not expanded', () => {
  const contents = samples.get('text')!;
  const { length } = contents;
  for (const [command, args] of [
    ['gzip', ['-9']],
    ['xz', ['-c', '-0']],
    ['zstd', ['-q', '-c']],
  ] as const) {
    const member = packed(command, args, contents);
    assert.equal(expandMember(member, length - 1), undefined);
    assert.equal(openMember(member, { limit: length - 1 }), undefined);
    assert.equal(expandMember(member, length)?.length, length);
    // no file of a package is a hundredth of its contents
    const bomb = packed(command, args, Buffer.alloc(20_000_000));
    assert.deepEqual([expandMember(bomb), openMember(bomb)], [undefined, undefined]);
    const { recipe } = openMember(member)!;
    assert.throws(() => packMember(recipe, Buffer.alloc(20_000_000), bomb.length), {
      code: 'format',
      message: /100 times/,
    });
  }
});

test('a recipe makes as many bytes as the file has, or is refused', () => {
  for (const bytes of [
    packed('gzip', ['-9'], samples.get('text')!),
    packed('xz', ['-c'], samples.get('text')!),
    packed('zstd', ['-q', '-c'], samples.get('text')!),
  ]) {
    const { recipe, contents } = openMember(bytes)!;
    for (const size of [0, 5, bytes.length - 1, bytes.length + 1, 2 ** 40])
      assert.throws(() => packMember(recipe, contents, size), { code: 'format' });
  }
});

test('no recipe makes zstd take tables for more than the contents', () => {
  const contents = samples.get('text')!;
  const level = 4;
  // from a pipe: the size comes too late for the tables to be smaller
  const ultra = openMember(packed('zstd', ['-q', '-c', '--ultra', '-22'], contents));
  assert.ok(ultra === undefined || ultra.recipe[level]! <= 128 + 19);
  const piped = packed('zstd', ['-q', '-c', '-19'], contents);
  const { recipe } = openMember(piped)!;
  assert.equal(recipe[level], 128 + 19);
  assert.throws(() => packMember(recipe.with(level, 128 + 22), contents, piped.length), { code: 'format' });
});

test('property: any recipe packs or is refused', () => {
  const contents = samples.get('a line')!;
  const recipe = fc
    .tuple(fc.nat(3), fc.uint8Array({ maxLength: 12 }))
    .map(([kind, rest]) => Uint8Array.of(kind, ...rest));
  const zstd = openMember(packed('zstd', ['-q', '-c'], contents))!.recipe;
  const close = fc.tuple(fc.nat(6), fc.nat(255)).map(([at, value]) => Uint8Array.from(zstd).fill(value, at, at + 1));
  fc.assert(
    fc.property(fc.oneof(recipe, close), fc.nat(100), (bytes, size) => {
      try {
        assert.equal(packMember(bytes, contents, size).length, size);
      } catch (error) {
        assert.ok(isNarrowError(error, 'format') || isNarrowError(error, 'unsupported'), String(error));
      }
    }),
  );
});

test('property: damaged members expand to something or to nothing', () => {
  const text = samples.get('text')!.subarray(0, 5000);
  const members = [packed('gzip', [], text), packed('xz', ['-c'], text), packed('zstd', ['-q', '-c'], text)];
  const change = fc.record({ at: fc.nat(3000), value: fc.nat(255) });
  fc.assert(
    fc.property(
      fc.constantFrom(...members),
      fc.array(change, { minLength: 1, maxLength: 4 }),
      fc.nat(3000),
      (member, changes, cut) => {
        const bytes = Uint8Array.from(member);
        for (const { at, value } of changes) if (at < bytes.length) bytes[at] = value;
        const damaged = cut % 3 === 0 ? bytes.subarray(0, cut) : bytes;
        const contents = expandMember(damaged, 10_000);
        assert.ok(contents === undefined || contents.length <= 10_000);
        const opened = openMember(damaged, { limit: 10_000 });
        if (opened)
          assert.equal(Buffer.compare(packMember(opened.recipe, opened.contents, damaged.length), damaged), 0);
      },
    ),
    { numRuns: 200 },
  );
});
