// Deltas of a cache that lie: whatever is in their files, what arrives is what was signed, or nothing.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { push } from '../../../src/cache/push.ts';
import { knownSecrets } from '../../../src/cache/secrets/patterns.ts';
import { collect } from '../../../src/bytes/source.ts';
import { encodeBase32 } from '../../../src/model/base32.ts';
import { TrustedKeys, formatSecretKey, generateKey } from '../../../src/model/signature.ts';
import { withStaticDeltas } from '../../../src/store/cache/delta-source.ts';
import { VolumeSet } from '../../../src/store/bundle/volume-set.ts';
import { VolumeWriter } from '../../../src/store/bundle/volume-writer.ts';
import { memoryStore } from '../../../src/store/memory.ts';
import type { WritableStore } from '../../../src/store/store.ts';
import { copyClosure } from '../../../src/transfer/copy.ts';
import type { CopyResult } from '../../../src/transfer/copy.ts';
import { cacheIn } from '../../cache/small-caches.ts';
import { directory, file, itemOf, later, sample } from '../../contract/sample.ts';
import type { Sample } from '../../contract/sample.ts';
import { tempDir } from '../../lab/temp.ts';

const dir = tempDir('delta-source');
const [ours, theirs] = [generateKey('home-1'), generateKey('other-1')];
for (const key of [ours, theirs]) writeFileSync(join(dir, key.name), formatSecretKey(key));
const trustedKeys = new TrustedKeys([ours.publicKey]);
const text = (what: string): string => `${what} `.repeat(2000);
const libs = [await sample('lib-1', file(text('old'))), await sample('lib-2', file(`${text('old')} and new`))];
const tops = [
  await sample('top-1', directory({ a: file(text('a')) }), [libs[0]!.info.path]),
  await sample('top-2', directory({ a: file(text('a')), b: file('b') }), [libs[1]!.info.path]),
];

async function storeWith(samples: readonly Sample[], keys?: TrustedKeys): Promise<WritableStore> {
  const store = memoryStore({ trustedKeys: keys });
  for await (const { status } of store.add(later(samples.map((one) => itemOf(one))), { checkSignatures: false }))
    assert.equal(status, 'added');
  return store;
}

/** A cache with both generations, and deltas between them that `key` signed. */
async function cacheOf(key: string, search = ''): Promise<string> {
  const place = tempDir('cache');
  const secrets = { patterns: knownSecrets, allowed: new Set<string>(), ownKeys: new Set<string>() };
  for (const top of tops) {
    await using cache = await cacheIn(place, `compression=none&secret-key=${join(dir, key)}${search}`);
    const source = await storeWith([...libs, ...tops]);
    const more = { upstreams: [], trustedKeys, secrets, deltas: { count: 1, by: 'test' } };
    await push({ source, cache, roots: [top.info.path], name: 'n', ...more });
  }
  return place;
}

const inDeltas = (place: string, end: RegExp): string =>
  join(
    place,
    'narrow/deltas',
    readdirSync(join(place, 'narrow/deltas')).find((name) => end.test(name))!,
  );

interface Fetched extends CopyResult {
  readonly warnings: readonly string[];
}

/** Copies the second generation to a store that has the first. */
async function fetched(place: string, from: readonly Sample[] = [libs[0]!, tops[0]!]): Promise<Fetched> {
  const warnings: string[] = [];
  const warn = (said: string): void => void warnings.push(said);
  const destination = await storeWith(from, trustedKeys);
  const cache = await cacheIn(place);
  await using source = withStaticDeltas(cache, [cache], { warn });
  const result = await copyClosure({
    source,
    destination,
    roots: [tops[1]!.info.path],
    onEvent: (event) => event.type === 'warning' && warn(event.text),
  });
  for (const { info, nar } of [libs[1]!, tops[1]!]) {
    const there = (await destination.pathInfos([info.path])).get(info.path)!;
    assert.deepEqual(Buffer.from(await collect((await destination.open(there)).bytes)), Buffer.from(nar));
    assert.equal(trustedKeys.validSignatures(destination.storeDir, there).length, 1);
  }
  return { ...result, warnings };
}

/** Puts a delta in place of the one that is there, and in its list. */
function replaceDelta(place: string, bytes: Uint8Array): void {
  const [old, list] = [inDeltas(place, /\.delta$/), inDeltas(place, /^.{32}$/)];
  const hash = encodeBase32(createHash('sha256').update(bytes).digest());
  rmSync(old);
  writeFileSync(join(place, 'narrow/deltas', `${hash}.delta`), bytes);
  const changed = readFileSync(list, 'utf8')
    .replace(/FileHash: .*/, `FileHash: sha256:${hash}`)
    .replace(/FileSize: .*/, `FileSize: ${bytes.length}`);
  writeFileSync(list, changed);
}

test('whole, it is used', async () => {
  const { plan, deltas, warnings } = await fetched(await cacheOf('home-1'));
  assert.deepEqual([plan.met?.kind, deltas.size, warnings], ['static', 2, []]);
});

test('infos that nobody trusts are asked for as narinfos, and the delta is used all the same', async () => {
  const place = await cacheOf('home-1');
  const evil = await cacheOf('other-1');
  rmSync(join(place, 'narrow/deltas'), { recursive: true });
  renameSync(join(evil, 'narrow/deltas'), join(place, 'narrow/deltas'));
  const { plan, deltas } = await fetched(place);
  assert.deepEqual([plan.met?.kind, deltas.size], ['static', 2]);
});

test('a base with other contents: what needs it comes whole', async () => {
  const other = await sample('lib-1', file(text('else')));
  const wrong = { ...other, info: { ...other.info, path: libs[0]!.info.path } };
  const { plan, outcomes } = await fetched(await cacheOf('home-1'), [wrong, tops[0]!]);
  assert.equal(outcomes.length, 2);
  assert.ok(plan.met !== undefined);
});

test('whatever byte of what is in it was changed by who made it, what is signed arrives', async () => {
  const place = await cacheOf('home-1');
  const original = inDeltas(place, /\.delta$/);
  await using volumes = await VolumeSet.open([original]);
  const body = await collect(volumes.range(0, volumes.size));
  const { segments } = volumes;
  let whole = 0;
  for (let at = 0; at < body.length; at += 7) {
    const out = join(tempDir('forged'), 'delta');
    await using writer = new VolumeWriter(out, { bundle: '0'.repeat(32) });
    await writer.write(body.with(at, body[at]! ^ (1 << (at % 8))));
    await writer.finish(segments);
    replaceDelta(place, readFileSync(out));
    if ((await fetched(place)).warnings.length > 0) whole++;
  }
  assert.ok(whole > 0);
});
