// One suite for every store that can be written: what the interface promises, whatever the place.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { bytesFrom, byteStringOf } from '../../src/bytes/byte-string.ts';
import { bytesOf, collect } from '../../src/bytes/source.ts';
import { isNarrowError } from '../../src/errors.ts';
import type { ErrorCode } from '../../src/errors.ts';
import { decode } from '../../src/format/compression.ts';
import { contentAddressedPath } from '../../src/model/content-address.ts';
import { hashBytes } from '../../src/model/hash.ts';
import type { PathInfo } from '../../src/model/path-info.ts';
import { hashPart } from '../../src/model/store-path.ts';
import type { Item, Outcome, WritableStore } from '../../src/store/store.ts';
import { directory, file, itemOf, later, sample, sampleClosure, samplePath } from './sample.ts';
import type { Sample } from './sample.ts';

export interface Subject {
  /** An empty store. `checkSignatures` is always off. */
  open(): Promise<WritableStore>;
  /** What this place cannot tell or keep, each with its reason. */
  readonly without?: {
    readonly realisations?: string;
    readonly hashParts?: string;
    readonly signatures?: string;
  };
}

async function addAll(store: WritableStore, items: Iterable<Item>): Promise<Map<string, Outcome>> {
  const outcomes = await Array.fromAsync(store.add(later(items), { checkSignatures: false }));
  return new Map(outcomes.map((outcome) => [outcome.path, outcome]));
}

const statuses = (outcomes: Map<string, Outcome>): string[] => [...outcomes.values()].map((o) => o.status).sort();

function errorOf(outcome: Outcome | undefined): Error {
  assert.ok(outcome && 'error' in outcome, `an outcome with an error, got ${outcome?.status}`);
  return outcome.error;
}

const is = (code: ErrorCode) => (error: unknown) => isNarrowError(error, code);

/** What has to survive: without the fields that only some stores have. */
function essence({ path, narHash, narSize, references, deriver, signatures, ca }: PathInfo): unknown {
  return { path, narHash: Buffer.from(narHash.bytes).toString('hex'), narSize, references, deriver, signatures, ca };
}

async function narOf(store: WritableStore, { info }: Sample): Promise<Buffer> {
  const known = (await store.pathInfos([info.path])).get(info.path)!;
  const opened = await store.open(known);
  return collect(decode(opened.encoding, opened.bytes));
}

const valid = async (store: WritableStore, samples: readonly Sample[]): Promise<boolean[]> => {
  const infos = await store.pathInfos(samples.map((s) => s.info.path));
  return samples.map((s) => infos.has(s.info.path));
};

export function contract(name: string, subject: Subject): void {
  void suite(name, () => {
    empty(subject);
    adding(subject);
    reading(subject);
    comparing(subject);
    refusing(subject);
    stopping(subject);
    realising(subject);
  });
}

function empty({ open, without }: Subject): void {
  test('an empty store has nothing', async () => {
    await using store = await open();
    const [a] = await sampleClosure();
    assert.equal((await store.pathInfos([a.info.path])).size, 0);
    if (without?.hashParts === undefined) {
      assert.equal(await store.pathByHashPart(hashPart(a.info.path)), undefined);
    }
    assert.deepEqual(
      await store.check([a.info], { checkSignatures: false }),
      new Map([[a.info.path, { status: 'missing' }]]),
    );
    assert.deepEqual(await Array.fromAsync(store.add(later([]))), []);
  });

  test('holding and letting go', async () => {
    await using store = await open();
    await using held = await store.hold([samplePath('not-here')]);
    assert.ok(held);
  });
}

function adding({ open, without }: Subject): void {
  test('a closure goes in and is there, with all that belongs to it', async () => {
    await using store = await open();
    const closure = await sampleClosure();
    const outcomes = await addAll(
      store,
      closure.map((s) => itemOf(s)),
    );
    assert.deepEqual(statuses(outcomes), ['added', 'added', 'added']);
    assert.ok([...outcomes.values()].every((o) => o.bytes > 0));
    const infos = await store.pathInfos(closure.map((s) => s.info.path));
    assert.deepEqual([...infos.keys()].length, 3);
    for (const s of closure) assert.deepEqual(essence(infos.get(s.info.path)!), essence(s.info));
    if (without?.hashParts !== undefined) return;
    for (const s of closure) assert.equal(await store.pathByHashPart(hashPart(s.info.path)), s.info.path);
  });

  test('again: valid, nothing is read or written', async () => {
    await using store = await open();
    const closure = await sampleClosure();
    await addAll(
      store,
      closure.map((s) => itemOf(s)),
    );
    const unread = closure.map(({ info }): Item => ({ info, open: () => Promise.reject(new Error('opened')) }));
    const outcomes = await addAll(store, unread);
    assert.deepEqual(statuses(outcomes), ['valid', 'valid', 'valid']);
    assert.ok([...outcomes.values()].every((o) => o.bytes === 0));
  });

  test('many small paths in one go', async () => {
    await using store = await open();
    const samples: Sample[] = [];
    for (let i = 0; i < 120; i++) {
      const references = i === 0 ? [] : [samplePath(`many-${i - 1}`), samplePath(`many-${i >> 1}`)];
      samples.push(
        await sample(
          `many-${i}`,
          file(`number ${i}`),
          references.filter((r) => r !== samplePath(`many-${i}`)),
        ),
      );
    }
    const outcomes = await addAll(
      store,
      samples.map((s) => itemOf(s)),
    );
    assert.deepEqual(new Set(statuses(outcomes)), new Set(['added']));
    assert.equal((await store.pathInfos(samples.map((s) => s.info.path))).size, 120);
  });

  test('two paths with the same contents', async () => {
    await using store = await open();
    const [x, y] = [await sample('same-x', file('same')), await sample('same-y', file('same'))];
    assert.deepEqual(statuses(await addAll(store, [itemOf(x), itemOf(y)])), ['added', 'added']);
    assert.deepEqual(await narOf(store, y), x.nar);
  });

  test('bytes are reported as they come in', async () => {
    await using store = await open();
    const [a] = await sampleClosure();
    let seen = 0;
    const options = { checkSignatures: false, onBytes: (_: string, bytes: number) => void (seen += bytes) };
    await Array.fromAsync(store.add(later([itemOf(a)]), options));
    assert.equal(seen, a.nar.length);
  });
}

function reading({ open }: Subject): void {
  test('a NAR comes out as it went in, twice', async () => {
    await using store = await open();
    const closure = await sampleClosure();
    await addAll(
      store,
      closure.map((s) => itemOf(s)),
    );
    for (const s of [...closure, ...closure]) assert.deepEqual(await narOf(store, s), s.nar);
  });

  test('its encoded form can be asked for, and from an offset where the store can', async () => {
    await using store = await open();
    const [a, b] = await sampleClosure();
    await addAll(store, [itemOf(a), itemOf(b)]);
    const info = (await store.pathInfos([b.info.path])).get(b.info.path)!;
    const encodings = ['xz', 'zstd'];
    const whole = await store.open(info, { encodings });
    const bytes = await collect(whole.bytes);
    assert.deepEqual(await collect(decode(whole.encoding, [bytes])), b.nar);
    if (whole.size !== undefined) assert.equal(whole.size, bytes.length);
    if (whole.hash)
      assert.deepEqual(Buffer.from(whole.hash.bytes), Buffer.from(hashBytes(bytes, whole.hash.algo).bytes));
    if (!store.abilities.ranges) return;
    const rest = await store.open(info, { encodings, offset: 100 });
    assert.deepEqual(await collect(rest.bytes), bytes.subarray(100));
  });

  test('its tree is read at random', async () => {
    await using store = await open();
    const [a, b] = await sampleClosure();
    await addAll(store, [itemOf(a), itemOf(b)]);
    const info = (await store.pathInfos([b.info.path])).get(b.info.path)!;
    const tree = await store.tree(info);
    const path = (...names: string[]) => names.map(byteStringOf);
    const names = await tree.list([]);
    assert.deepEqual(
      names.map((name) => bytesFrom(name).toString()),
      ['bin', 'empty', 'file with space', 'large'],
    );
    assert.deepEqual(await tree.stat(path('bin', 'tool')), { type: 'regular', size: 20, executable: true });
    assert.deepEqual(await tree.stat(path('bin', 'other')), { type: 'symlink', target: 'tool' });
    assert.deepEqual(await tree.stat(path('empty')), { type: 'directory' });
    assert.equal(await tree.stat(path('nothing')), undefined);
    assert.equal((await collect(tree.read(path('file with space')))).toString(), 'contents');
    const part = await collect(tree.read(path('large'), { offset: 600_001, length: 9 }));
    assert.equal(part.toString(), 'bcdefghab');
  });
}

function comparing({ open, without }: Subject): void {
  test('signatures: those that are new are said, and added', async () => {
    if (without?.signatures !== undefined) return;
    await using store = await open();
    const [a] = await sampleClosure();
    await addAll(store, [itemOf(a)]);
    const more = { ...a.info, signatures: ['a-1:bmV3', ...a.info.signatures] };
    const verdict = (await store.check([more], { checkSignatures: false })).get(a.info.path);
    assert.deepEqual(verdict, { status: 'valid', newSignatures: ['a-1:bmV3'] });
    await store.addSignatures(a.info.path, a.info.narHash, ['a-1:bmV3']);
    const info = (await store.pathInfos([a.info.path])).get(a.info.path)!;
    assert.deepEqual(info.signatures, more.signatures);
    assert.deepEqual(await narOf(store, a), a.nar);
    await assert.rejects(store.addSignatures(a.info.path, hashBytes('other'), ['b-1:bmV3']), is('differs'));
    await assert.rejects(store.addSignatures(samplePath('absent'), a.info.narHash, ['b-1:bmV3']), is('missing'));
  });

  test('other bytes under the same path differ, and stay as they are', async () => {
    await using store = await open();
    const [a] = await sampleClosure();
    await addAll(store, [itemOf(a)]);
    const other = await sample('a-1.0', file('other bytes\n'));
    const verdict = (await store.check([other.info], { checkSignatures: false })).get(a.info.path);
    assert.equal(verdict?.status, 'differs');
    const outcomes = await addAll(store, [itemOf(other)]);
    assert.equal(outcomes.get(a.info.path)?.status, 'differs');
    assert.ok(isNarrowError(errorOf(outcomes.get(a.info.path)), 'differs'));
    assert.deepEqual(await narOf(store, a), a.nar);
  });
}

function refusing({ open }: Subject): void {
  const wrong: readonly [what: string, change: (nar: Buffer) => Uint8Array, code: RegExp][] = [
    [
      'one bit is another',
      (nar) => Buffer.concat([nar.subarray(0, 100), Buffer.from([nar[100]! ^ 1]), nar.subarray(101)]),
      /format|integrity/,
    ],
    ['cut in the middle', (nar) => nar.subarray(0, nar.length - 8), /format|integrity/],
    ['longer than announced', (nar) => Buffer.concat([nar, Buffer.alloc(8)]), /format|integrity/],
    ['a valid NAR of something else', () => Buffer.alloc(0), /format|integrity/],
    ['no NAR', () => Buffer.from('this is no NAR at all, but some text'), /format|integrity/],
  ];
  for (const [what, change, code] of wrong) {
    test(`bad NAR, ${what}: the path fails and is not there, others are`, async () => {
      await using store = await open();
      const [a, b] = await sampleClosure();
      const bad = await sample('bad', file('x'.repeat(200)));
      const bytes = what.startsWith('a valid') ? a.nar : change(bad.nar);
      const outcomes = await addAll(store, [itemOf(a), itemOf(bad, bytes), itemOf(b)]);
      assert.equal(outcomes.get(bad.info.path)?.status, 'failed');
      const error = errorOf(outcomes.get(bad.info.path));
      assert.match(isNarrowError(error) ? error.code : String(error), code);
      assert.deepEqual(await valid(store, [a, bad, b]), [true, false, true]);
      assert.deepEqual(statuses(await addAll(store, [itemOf(bad)])), ['added']);
    });
  }

  test('a source that fails is an outcome; what refers to it fails, too', async () => {
    await using store = await open();
    const [a, b, c] = await sampleClosure();
    const d = await sample('d', file('d'));
    const failing: Item = { info: a.info, open: () => Promise.reject(new Error('the cable was cut')) };
    const outcomes = await addAll(store, [failing, itemOf(b), itemOf(c), itemOf(d)]);
    assert.match(errorOf(outcomes.get(a.info.path)).message, /the cable was cut/);
    assert.deepEqual(
      statuses(outcomes).filter((s) => s === 'added'),
      ['added'],
    );
    assert.deepEqual(await valid(store, [a, b, c, d]), [false, false, false, true]);
  });

  test('a path whose reference is not there is not taken', async () => {
    await using store = await open();
    const [, b] = await sampleClosure();
    const outcomes = await addAll(store, [itemOf(b)]);
    assert.match(outcomes.get(b.info.path)!.status, /refused|failed/);
    assert.match(errorOf(outcomes.get(b.info.path)).message, /a-1\.0/);
    assert.deepEqual(await valid(store, [b]), [false]);
  });
}

function stopping({ open }: Subject): void {
  test('an abort stops it: what is there is whole, and the same call goes on', async () => {
    await using store = await open();
    const controller = new AbortController();
    const samples = await Promise.all(
      Array.from({ length: 30 }, (_, i) => sample(`stop-${i}`, directory({ f: file(`${i}`.repeat(5000)) }))),
    );
    const options = { checkSignatures: false, signal: controller.signal };
    const items = samples.map((s, i): Item => ({
      info: s.info,
      open: () => {
        if (i === 10) controller.abort(new Error('stopped'));
        return Promise.resolve({ encoding: 'none', bytes: bytesOf(s.nar) });
      },
    }));
    const seen = await Array.fromAsync(store.add(later(items), options)).catch((error: unknown) => {
      assert.match(String(error), /stopped|abort/i);
      return [];
    });
    assert.ok(seen.filter((o) => o.status === 'added').length < 30);
    for (const s of samples) if ((await valid(store, [s]))[0]) assert.deepEqual(await narOf(store, s), s.nar);
    const again = await addAll(
      store,
      samples.map((s) => itemOf(s)),
    );
    assert.ok([...again.values()].every((o) => o.status === 'added' || o.status === 'valid'));
  });

  test('who leaves the outcomes early leaves no half path behind', async () => {
    await using store = await open();
    const closure = await sampleClosure();
    for await (const outcome of store.add(later(closure.map((s) => itemOf(s))), { checkSignatures: false })) {
      assert.equal(outcome.status, 'added');
      break;
    }
    for (const s of closure) if ((await valid(store, [s]))[0]) assert.deepEqual(await narOf(store, s), s.nar);
    const again = await addAll(
      store,
      closure.map((s) => itemOf(s)),
    );
    assert.ok([...again.values()].every((o) => o.status === 'added' || o.status === 'valid'));
  });
}

function realising({ open, without }: Subject): void {
  if (without?.realisations !== undefined) return;
  test('realisations travel with their path, also to one that is there already', async () => {
    await using store = await open();
    const plain = await sample('realised', file('realised'));
    const ca = { method: 'nar' as const, hash: plain.info.narHash };
    const path = contentAddressedPath(store.storeDir, ca, 'realised', { others: [], self: false });
    const out: Sample = { ...plain, info: { ...plain.info, path, ca } };
    const id = (letter: string): string => `sha256:${letter.repeat(64)}!out`;
    const realisation = (letter: string) => ({
      kind: 'hashed' as const,
      id: id(letter),
      outPath: out.info.path,
      signatures: [],
      dependentRealisations: {},
    });
    const first = await addAll(store, [{ ...itemOf(out), realisations: [realisation('a')] }]);
    assert.deepEqual(statuses(first), ['added']);
    assert.deepEqual(
      (await store.realisations([out.info])).map((r) => 'id' in r && r.id),
      [id('a')],
    );
    const second = await addAll(store, [{ ...itemOf(out), realisations: [realisation('a'), realisation('b')] }]);
    assert.deepEqual(statuses(second), ['valid']);
    const ids = (await store.realisations([out.info])).map((r) => ('id' in r ? r.id : ''));
    assert.deepEqual(ids.sort(), [id('a'), id('b')]);
    const [other] = await sampleClosure();
    assert.deepEqual(await store.realisations([other.info]), []);
  });
}
