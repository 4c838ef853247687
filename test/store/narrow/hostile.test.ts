// A far side that lies, or a line that is bent: a clear error or a path that is sent whole, and nothing wrong is added.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NarrowError } from '../../../src/errors.ts';
import { copyClosure } from '../../../src/transfer/copy.ts';
import type { CopyResult } from '../../../src/transfer/copy.ts';
import { fingerprint } from '../../../src/model/path-info.ts';
import { hashBytes } from '../../../src/model/hash.ts';
import { defaultStoreDir } from '../../../src/model/store-path.ts';
import type { Store } from '../../../src/store/store.ts';
import { forward } from '../../../src/store/wrap/forward.ts';
import { file, sample, samplePath } from '../../contract/sample.ts';
import type { Sample } from '../../contract/sample.ts';
import { joined, storeOf, system } from './joined.ts';
import type { Bend, Joined } from './joined.ts';

const [old, fresh] = await Promise.all([system('one', 1), system('two', 2)]);
const roots = [fresh.at(-1)!.info.path];

interface Attempt {
  readonly result: CopyResult | undefined;
  readonly error: unknown;
  readonly line: Joined;
  readonly taken: Store;
}

/** Copies the new system to, or from, a side that has the old one. */
async function attempt(direction: 'to' | 'from', bend?: Bend): Promise<Attempt> {
  const [has, lacks] = await Promise.all([storeOf([...old, ...fresh]), storeOf(old)]);
  const line = joined(direction === 'to' ? lacks : has, bend);
  await using there = line.there;
  const ends = direction === 'to' ? { source: has, destination: there } : { source: there, destination: lacks };
  try {
    const result = await copyClosure({ ...ends, roots });
    return { result, error: undefined, line, taken: lacks };
  } catch (error) {
    return { result: undefined, error, line, taken: lacks };
  }
}

/** What was added is exactly what was signed. */
async function expectSound(taken: Store, of: readonly Sample[]): Promise<number> {
  const infos = await taken.pathInfos(of.map(({ info }) => info.path));
  for (const { info } of of) {
    const there = infos.get(info.path);
    if (there) assert.equal(fingerprint(defaultStoreDir, there), fingerprint(defaultStoreDir, info));
  }
  return infos.size;
}

for (const direction of ['to', 'from'] as const) {
  test(`copies ${direction} a far narrow go by deltas`, async () => {
    const { error, line, taken, result } = await attempt(direction);
    assert.equal(error, undefined);
    assert.equal(await expectSound(taken, fresh), fresh.length);
    assert.deepEqual(line.warnings, []);
    assert.equal(result!.deltas.size, fresh.length);
    assert.ok(line.bytes.up + line.bytes.down < 4000, `${line.bytes.up} and ${line.bytes.down} bytes`);
  });

  for (const bent of ['up', 'down'] as const) {
    test(`copies ${direction} a far narrow, any byte ${bent} bent`, async () => {
      const { bytes } = (await attempt(direction)).line;
      for (let at = 0; at < bytes[bent]; at += Math.max(1, bytes[bent] >> 6)) {
        let passed = 0;
        const { error, taken } = await attempt(direction, (side, chunk) => {
          if (side !== bent) return;
          if (at >= passed && at < passed + chunk.length) chunk[at - passed]! ^= 1 + (at % 255);
          passed += chunk.length;
        });
        const what = `byte ${at} of ${bytes[bent]}: ${error instanceof Error ? error.stack : 'no error'}`;
        assert.ok(error === undefined || error instanceof NarrowError, what);
        await expectSound(taken, fresh).catch((cause: unknown) => assert.fail(`${what}: ${String(cause)}`));
      }
    });
  }
}

test('a signature that proves nothing costs one more try, where nobody asks for signatures', async () => {
  const bogus = fresh.map((one) => ({ ...one, info: { ...one.info, signatures: [`joined-1:${'A'.repeat(86)}==`] } }));
  const [has, lacks] = await Promise.all([storeOf([...old, ...bogus]), storeOf(old)]);
  const line = joined(lacks);
  await using there = line.there;
  await copyClosure({ source: has, destination: there, roots, checkSignatures: false });
  assert.equal(await expectSound(lacks, fresh), fresh.length);
});

test('what a far narrow says of the realisations of other paths than were asked for is passed over', async () => {
  const output = await sample('output', file('x'), [], { ca: { method: 'nar', hash: hashBytes('x') } });
  const id = `sha256:${'0'.repeat(64)}!out`;
  const about = { kind: 'hashed', id, signatures: [], dependentRealisations: {} } as const;
  const told = [{ ...about, outPath: samplePath('of-nobody') }];
  const has = forward(await storeOf([output]), { realisations: () => Promise.resolve(told) });
  const lacks = await storeOf([]);
  await using there = joined(has).there;
  const { outcomes } = await copyClosure({
    source: there,
    destination: lacks,
    roots: [output.info.path],
    checkSignatures: false,
  });
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['added'],
  );
});
