import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { isNarrowError } from '../../src/errors.ts';
import { BaseClosure, inventoryColumns, readInventory, writeInventory } from '../../src/delta/base-closure.ts';
import { ColumnReader, ColumnWriter } from '../../src/delta/columns.ts';
import type { SentInfo } from '../../src/delta/path-infos.ts';
import { PathInfoReader, PathInfoWriter, infoColumns } from '../../src/delta/path-infos.ts';
import { encodeBase32 } from '../../src/model/base32.ts';
import { encodeBase64 } from '../../src/model/base64.ts';
import { contentAddressedPath } from '../../src/model/content-address.ts';
import { hashBytes } from '../../src/model/hash.ts';
import type { PathInfo } from '../../src/model/path-info.ts';
import { isContentAddressed, sortedUnique } from '../../src/model/path-info.ts';
import type { StorePath } from '../../src/model/store-path.ts';
import { defaultStoreDir, pathName } from '../../src/model/store-path.ts';
import { contentAddress, signature } from '../property/arbitraries.ts';

const options = { storeDir: defaultStoreDir };

function path(id: string): StorePath {
  const name = id.slice(id.indexOf(':') + 1);
  return `${encodeBase32(createHash('sha1').update(id).digest())}-${name}` as StorePath;
}

const signed = (id: string, key = 'cache-1'): string =>
  `${key}:${encodeBase64(createHash('sha512').update(id).digest())}`;

const info = (id: string, references: readonly string[] = [], more: Partial<PathInfo> = {}): PathInfo => ({
  path: path(id),
  narHash: hashBytes(id),
  narSize: 1000,
  references: sortedUnique(references.map(path)),
  signatures: [],
  ...more,
});

interface Told {
  readonly info: PathInfo;
  readonly bases: readonly StorePath[];
}

/** Sends infos in batches of `batch` and reads them. */
function sendAll(base: BaseClosure, told: readonly Told[], batch = told.length): { infos: SentInfo[]; size: number } {
  const writer = new PathInfoWriter(base, options);
  const reader = new PathInfoReader(base);
  const out = new ColumnWriter(infoColumns);
  const infos: SentInfo[] = [];
  let size = 0;
  for (let at = 0; at < told.length; at += batch) {
    const part = told.slice(at, at + batch);
    for (const { info: each, bases } of part) writer.write(each, bases, out);
    size += out.size;
    const input = new ColumnReader(out.take());
    for (const _ of part) infos.push(reader.read(input));
    input.expectEnd();
  }
  return { infos, size };
}

/** What has to arrive. */
function expected(base: BaseClosure, { info: sent, bases }: Told): SentInfo {
  const byPath = sent.ca !== undefined && sent.ca.method !== 'git' && isContentAddressed(defaultStoreDir, sent);
  const bySignature = sent.signatures.some((text) => /^.+:[A-Za-z0-9+/]{86}==$/.test(text));
  return {
    path: sent.path,
    narHash: byPath || bySignature ? undefined : { algo: 'sha256', bytes: Uint8Array.from(sent.narHash.bytes) },
    narSize: sent.narSize,
    references: sent.references,
    deriver: sent.deriver,
    signatures: sent.signatures,
    ca: sent.ca && {
      method: sent.ca.method,
      algo: sent.ca.hash.algo,
      digest: byPath ? undefined : sent.ca.hash.bytes,
    },
    bases: bases.map((each) => base.numberOf(each)).filter((number) => number >= 0),
  };
}

/** Bytes as text, whatever class they are of. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]));
}

function expectSent(base: BaseClosure, told: readonly Told[], batch?: number): number {
  const { infos, size } = sendAll(base, told, batch);
  assert.deepEqual(
    infos.map(plain),
    told.map((each) => plain(expected(base, each))),
  );
  return size;
}

/** A chain of packages with a common library, in a world of hashes. */
function system(world: string, count: number, more: (name: string) => Partial<PathInfo> = () => ({})): PathInfo[] {
  const names = Array.from({ length: count }, (_, n) => `${world}:package${n}-1.${n}`);
  return names.map((id, n) => info(id, [id, names[0]!, names[Math.max(n - 1, 0)]!], more(id)));
}

test('a path that was only rebuilt costs its hash part, its NAR hash and a byte', () => {
  const old = system('old', 50);
  const base = new BaseClosure(old);
  const fresh = new Map(system('new', 50).map((each) => [pathName(each.path), each]));
  const told = base.infos.map((each) => ({ info: fresh.get(pathName(each.path))!, bases: [each.path] }));
  // and once the bit that says that hashes are sent
  assert.equal(expectSent(base, told), 50 * 53 + 1);
  expectSent(base, told, 7);
});

test('a signed path costs a signature in place of the NAR hash, and a new deriver 20 bytes', () => {
  const base = new BaseClosure(system('old', 50));
  const more = (id: string): Partial<PathInfo> => ({ signatures: [signed(id)], deriver: path(`${id}.drv`) });
  const fresh = new Map(system('new', 50, more).map((each) => [pathName(each.path), each]));
  const told = base.infos.map((each) => ({ info: fresh.get(pathName(each.path))!, bases: [each.path] }));
  const size = expectSent(base, told);
  assert.ok(size <= 50 * (20 + 64 + 20 + 1) + 20, `${size}`);
});

test('names, derivers, sizes and references that are not as predicted', () => {
  const base = new BaseClosure([
    info('old:libc-1'),
    info('kept:zlib'),
    info('old:git-2.39.2', ['old:git-2.39.2', 'old:libc-1', 'kept:zlib']),
    info('old:git-2.39.2-doc'),
  ]);
  const told: Told[] = [
    { info: info('new:libc-2', [], { deriver: path('new:libc-2.drv') }), bases: [path('old:libc-1')] },
    {
      info: info('new:git-2.39.5-doc', [], { deriver: path('n:git-2.39.5.drv') }),
      bases: [path('old:git-2.39.2-doc')],
    },
    {
      info: info('new:git-2.39.5', ['new:libc-2', 'kept:zlib', 'far:curl', 'new:git-2.39.5'], {
        deriver: path('n:git-2.39.5.drv'),
        narSize: 7,
      }),
      bases: [path('old:git-2.39.2'), path('old:git-2.39.2-doc')],
    },
    { info: info('new:top', ['far:curl', 'new:git-2.39.5'], { deriver: path('odd:name.drv') }), bases: [] },
    { info: info('new:libc-3', [], { deriver: path('kept:zlib') }), bases: [path('old:libc-1'), path('gone:x')] },
  ];
  expectSent(base, told);
});

test('derivations sent before are derivers at no cost, and prove themselves', () => {
  const hash = hashBytes('text');
  const drv = contentAddressedPath(defaultStoreDir, { method: 'text', hash }, 'a-1.drv', { others: [], self: false });
  const told: Told[] = [
    { info: { ...info('x'), path: drv, ca: { method: 'text', hash } }, bases: [] },
    { info: info('new:a-1', [], { deriver: drv }), bases: [] },
  ];
  const base = new BaseClosure([]);
  expectSent(base, told);
  const { infos } = sendAll(base, told);
  assert.deepEqual([infos[0]!.narHash, infos[0]!.ca?.digest], [undefined, undefined]);
  // an address that does not make the path proves nothing
  const wrong = { info: { ...told[0]!.info, path: path('x:b.drv') }, bases: [] };
  assert.notEqual(sendAll(base, [wrong]).infos[0]!.ca?.digest, undefined);
  expectSent(base, [wrong]);
});

test('the caller says which signatures the receiver trusts', () => {
  const base = new BaseClosure([]);
  const out = new ColumnWriter(infoColumns);
  const each = info('a', [], { signatures: [signed('a', 'stranger')] });
  new PathInfoWriter(base, { ...options, signed: () => false }).write(each, [], out);
  const read = new PathInfoReader(base).read(new ColumnReader(out.take()));
  assert.deepEqual([...read.narHash!.bytes], [...each.narHash.bytes]);
  assert.deepEqual(read.signatures, each.signatures);
});

test('signatures by several keys, again, by none, and text that is none', () => {
  const lists = [[signed('1')], [signed('2')], [signed('3', 'b'), signed('3')], [], ['nonsense', 'k:AAAA', 'ké:'], []];
  const told = [...lists, ...lists].map((signatures, n) => ({
    info: info(`n:${n}`, [], { signatures: sortedUnique(signatures) }),
    bases: [],
  }));
  expectSent(new BaseClosure([]), told, 2);
});

const nodes = fc.record({
  name: fc.constantFrom('a', 'b-1', 'b-2', 'b-1-doc', 'c.drv', 'perl-env'),
  references: fc.uniqueArray(fc.nat(20), { maxLength: 6 }),
  others: fc.uniqueArray(fc.constantFrom('o1:x', 'o2:y'), { maxLength: 2 }),
  narSize: fc.oneof(
    fc.constant(1000),
    fc.maxSafeNat().map((size) => Math.floor(size / 4)),
  ),
  deriver: fc.option(fc.constantFrom('d1:a.drv', 'd2:b-1.drv', 'd3:other.drv', 'd4:c.drv')),
  signatures: fc.array(fc.oneof(signature, fc.constantFrom(signed('p'), 'text')), { maxLength: 3 }),
  ca: fc.option(contentAddress),
  bases: fc.uniqueArray(fc.nat(20), { maxLength: 3 }),
});

type Node = typeof nodes extends fc.Arbitrary<infer T> ? T : never;

function infosOf(world: string, list: readonly Node[], kept: readonly StorePath[] = []): Told[] {
  const ids = list.map(({ name }, n) => `${world}${n}:${name}`);
  return list.map((node, n) => {
    const within = node.references.filter((reference) => reference <= n).map((reference) => path(ids[reference]!));
    const references = [...within, ...node.others.map(path), ...kept.slice(0, node.references.length % 3)];
    const made: PathInfo = {
      path: path(ids[n]!),
      narHash: hashBytes(ids[n]!),
      narSize: node.narSize,
      references: sortedUnique(references),
      signatures: sortedUnique(node.signatures),
      deriver: node.deriver === null ? undefined : path(node.deriver),
      ca: node.ca ?? undefined,
    };
    return { info: made, bases: [] };
  });
}

const scenes = fc.tuple(fc.array(nodes, { maxLength: 15 }), fc.array(nodes, { maxLength: 15 })).map(([a, b]) => {
  const base = new BaseClosure(infosOf('old', a).map((told) => told.info));
  const kept = base.infos.map((each) => each.path);
  const told = infosOf('new', b, kept).map(({ info: each }, n) => ({
    info: each,
    bases: b[n]!.bases.flatMap((number) => base.infos[number]?.path ?? []),
  }));
  return { base, told };
});

test('property: any infos against any base closure arrive', () => {
  fc.assert(
    fc.property(scenes, fc.integer({ min: 1, max: 20 }), ({ base, told }, batch) => void expectSent(base, told, batch)),
    { numRuns: 300 },
  );
});

test('property: columns that a stranger changed are read as infos or refused as malformed', () => {
  const change = fc.record({ column: fc.nat(infoColumns - 1), at: fc.nat(300), value: fc.nat(255), cut: fc.boolean() });
  fc.assert(
    fc.property(scenes, fc.array(change, { minLength: 1, maxLength: 4 }), ({ base, told }, changes) => {
      const out = new ColumnWriter(infoColumns);
      const writer = new PathInfoWriter(base, options);
      for (const each of told) writer.write(each.info, each.bases, out);
      const columns = out.take();
      for (const { column, at, value, cut } of changes) {
        if (cut) columns[column] = columns[column]!.subarray(0, at);
        else if (at < columns[column]!.length) columns[column]![at] = value;
      }
      const reader = new PathInfoReader(base);
      const input = new ColumnReader(columns);
      try {
        for (const _ of told) {
          const read = reader.read(input);
          assert.ok(read.narSize >= 0 && read.bases.every((number) => base.infos[number] !== undefined));
        }
      } catch (error) {
        assert.ok(isNarrowError(error, 'format'), String(error));
      }
    }),
    { numRuns: 500 },
  );
});

test('references that are asked for again and again come to an end', () => {
  const names = Array.from({ length: 3000 }, (_, n) => `old:${n}`);
  const base = new BaseClosure([...names.map((id) => info(id)), info('old:root', names)]);
  const out = new ColumnWriter(infoColumns);
  const writer = new PathInfoWriter(base, options);
  const told = info('new:root', names);
  for (let n = 0; n < 3000; n++) writer.write({ ...told, path: path(`${n}:root`) }, [path('old:root')], out);
  const reader = new PathInfoReader(base);
  const input = new ColumnReader(out.take());
  assert.throws(
    () => {
      for (let n = 0; n < 3000; n++) reader.read(input);
    },
    { code: 'format', message: /at most 8000000 in all/ },
  );
});

test('property: an inventory tells a closure, and digests tell closures apart', () => {
  fc.assert(
    fc.property(fc.array(nodes, { maxLength: 15 }), fc.nat(14), (list, which) => {
      const infos = infosOf('old', list).map((told) => told.info);
      const closure = new BaseClosure(infos);
      const out = new ColumnWriter(inventoryColumns);
      writeInventory(closure, out);
      const read = readInventory(new ColumnReader(out.take()));
      assert.deepEqual(read.infos.map(plain), closure.infos.map(plain));
      assert.deepEqual(read.digest(), closure.digest());
      assert.deepEqual(new BaseClosure([...infos].reverse()).digest(), closure.digest());
      const other = infos.map((each, n) => (n === which ? { ...each, narHash: hashBytes('other') } : each));
      if (which < infos.length) assert.notDeepEqual(new BaseClosure(other).digest(), closure.digest());
    }),
  );
});

test('an inventory that promises more than it holds, or leads forward, is refused', () => {
  const write = (fill: (out: ColumnWriter) => void): ColumnReader => {
    const out = new ColumnWriter(inventoryColumns);
    fill(out);
    return new ColumnReader(out.take());
  };
  assert.throws(() => readInventory(write((out) => out.varint(0, 2 ** 40))), { code: 'format' });
  const forward = write((out) => {
    for (const number of [1, 5]) out.varint(0, number);
    out.bytes(1, new Uint8Array(20));
    out.bytes(2, new Uint8Array(8));
    out.varint(3, 1);
    out.bytes(3, Buffer.from('a'));
    for (const number of [1, 1]) out.varint(4, number);
  });
  assert.throws(() => readInventory(forward), { code: 'format', message: /at most 0 paths back, got 1/ });
});
