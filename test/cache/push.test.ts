// Pushes: names and their generations, what upstream caches spare, secrets that stop everything.

import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { addGeneration, newestGeneration } from '../../src/cache/generations.ts';
import { push } from '../../src/cache/push.ts';
import type { PushRequest, PushResult } from '../../src/cache/push.ts';
import { parseRecord } from '../../src/cache/record.ts';
import { rememberGeneration, resolveName } from '../../src/cache/resolve-name.ts';
import { knownSecrets } from '../../src/cache/secrets/patterns.ts';
import { readUpstreams } from '../../src/cache/upstream.ts';
import { isNarrowError } from '../../src/errors.ts';
import type { ErrorCode } from '../../src/errors.ts';
import { TrustedKeys, formatSecretKey, generateKey, signPathInfo } from '../../src/model/signature.ts';
import { hashPart } from '../../src/model/store-path.ts';
import type { StorePath } from '../../src/model/store-path.ts';
import { file, itemOf, later, sample } from '../contract/sample.ts';
import type { Sample } from '../contract/sample.ts';
import { tempDir } from '../lab/temp.ts';
import { cacheIn, has, storeOf } from './small-caches.ts';

const key = generateKey('home-1');
const keyFile = join(tempDir('key'), 'key');
writeFileSync(keyFile, formatSecretKey(key));
const trusted = new TrustedKeys([key.publicKey]);
const signing = `compression=none&secret-key=${keyFile}`;
const is = (code: ErrorCode) => (error: unknown) => isNarrowError(error, code);

const lib = await sample('lib-1', file('lib'));
const app = await sample('app-1', file('app'), [lib.info.path]);
const next = await sample('app-2', file('app 2'), [lib.info.path]);

async function pushed(
  dir: string,
  samples: readonly Sample[],
  roots: readonly StorePath[],
  more: Partial<PushRequest> & { readonly search?: string } = {},
): Promise<PushResult> {
  await using cache = await cacheIn(dir, more.search ?? signing);
  const secrets = { patterns: knownSecrets, allowed: new Set<string>(), ownKeys: new Set(['home-1']) };
  const source = await storeOf(samples);
  return await push({ source, cache, roots, upstreams: [], trustedKeys: new TrustedKeys(), secrets, ...more });
}

const fresh = (): string => join(tempDir('push'), 'cache');

test('generations are numbered, signed, and written when all is there', async () => {
  const dir = fresh();
  assert.equal((await pushed(dir, [lib, app], [app.info.path], { name: 'n' })).generation?.generation, 1);
  assert.equal(
    (await pushed(dir, [lib, app], [app.info.path], { name: 'n' })).generation?.generation,
    1,
    'the same again',
  );
  assert.equal((await pushed(dir, [lib, next], [next.info.path], { name: 'n' })).generation?.generation, 2);
  assert.deepEqual(readdirSync(join(dir, 'narrow/names/n')).sort(), ['1', '2', 'latest']);
  assert.deepEqual(readFileSync(join(dir, 'narrow/names/n/latest')), readFileSync(join(dir, 'narrow/names/n/2')));
  await using cache = await cacheIn(dir);
  const memory = tempDir('memory');
  const found = await resolveName(cache, 'name:n', { trustedKeys: trusted, memory });
  assert.deepEqual([found.generation, found.paths], [2, [next.info.path]]);
  const first = await resolveName(cache, 'name:n@1', { trustedKeys: trusted, memory });
  assert.deepEqual(first.paths, [app.info.path]);
  await assert.rejects(resolveName(cache, 'name:other', { trustedKeys: trusted, memory }), is('missing'));
  await assert.rejects(resolveName(cache, 'name:../x', { trustedKeys: trusted, memory }), is('usage'));
});

test('what is there without the signature of a key gets it, once', async () => {
  const dir = fresh();
  const signatures = (one: Sample): string[] =>
    [...readFileSync(join(dir, `${hashPart(one.info.path)}.narinfo`), 'utf8').matchAll(/^Sig: (.*)$/gm)].map(
      ([, text]) => text!,
    );
  const unsigned = { search: 'compression=none' };
  await pushed(dir, [lib, app], [app.info.path], unsigned);
  assert.deepEqual([signatures(lib), signatures(app)], [[], []]);
  const planned = await pushed(dir, [lib, app], [app.info.path], { dryRun: true });
  assert.deepEqual([planned.plan.toSign.length, signatures(lib)], [2, []]);
  const signed = await pushed(dir, [lib, app, next], [next.info.path], { name: 'n' });
  assert.deepEqual(
    signed.plan.toSign.map(({ info }) => info.path),
    [lib.info.path],
    'app is not part of this push',
  );
  assert.deepEqual([signatures(lib), signatures(app)], [signPathInfo('/nix/store', lib.info, [key]).signatures, []]);
  assert.deepEqual((await pushed(dir, [lib, next], [next.info.path])).plan.toSign, []);
  const more = generateKey('home-2');
  writeFileSync(`${keyFile}-2`, formatSecretKey(more));
  await pushed(dir, [lib, app], [app.info.path], { search: `${signing}-2` });
  assert.deepEqual(signatures(lib), signPathInfo('/nix/store', lib.info, [key, more]).signatures);
  const other = await sample('lib-1', file('other bytes'));
  const before = signatures(lib);
  await pushed(dir, [other], [other.info.path]);
  assert.deepEqual(signatures(lib), before, 'other contents are not signed');
});

test('two who push at once get two numbers, and the newest is found whoever wrote last', async () => {
  const dir = fresh();
  await using cache = await cacheIn(dir);
  const made = await Promise.all([app, next, lib].map(({ info }) => addGeneration(cache, 'n', [info.path], [])));
  assert.deepEqual(made.map(({ generation }) => generation).sort(), [1, 2, 3]);
  writeFileSync(join(dir, 'narrow/names/n/latest'), readFileSync(join(dir, 'narrow/names/n/1')));
  assert.equal((await newestGeneration(cache, 'n'))?.generation, 3);
  rmSync(join(dir, 'narrow/names/n/latest'));
  assert.equal((await newestGeneration(cache, 'n'))?.generation, 3);
});

test('a pointer that nobody trusts, was changed, renamed or set back is refused', async () => {
  const dir = fresh();
  for (const one of [app, next]) await pushed(dir, [lib, one], [one.info.path], { name: 'n' });
  await using cache = await cacheIn(dir);
  const memory = tempDir('memory');
  const resolve = (text = 'name:n', keys: TrustedKeys | undefined = trusted): Promise<unknown> =>
    resolveName(cache, text, { trustedKeys: keys, memory });
  await assert.rejects(resolve('name:n', new TrustedKeys()), is('refused'));
  await assert.rejects(resolve('name:n', new TrustedKeys([generateKey('home-1').publicKey])), is('refused'));
  assert.ok(await resolveName(cache, 'name:n', { trustedKeys: undefined, memory }));
  await rememberGeneration(cache, await resolveName(cache, 'name:n', { trustedKeys: trusted, memory }), memory);
  const [one, two] = [1, 2].map((n) => readFileSync(join(dir, `narrow/names/n/${n}`), 'utf8')) as [string, string];
  const latest = join(dir, 'narrow/names/n/latest');
  writeFileSync(join(dir, 'narrow/names/n/2'), two.replace(/^Path: .*$/m, `Path: /nix/store/${app.info.path}`));
  writeFileSync(latest, two.replace(/^Path: .*$/m, `Path: /nix/store/${app.info.path}`));
  await assert.rejects(resolve(), is('refused'), 'another path');
  rmSync(join(dir, 'narrow/names/n/2'));
  writeFileSync(latest, one);
  await assert.rejects(resolve(), is('refused'), 'set back');
  assert.ok(await resolve('name:n@1'), 'what was asked for');
  writeFileSync(latest, one.replace('Generation: 1', 'Generation: 9'));
  await assert.rejects(resolve(), is('refused'), 'another number');
  writeFileSync(latest, one.replace('Name: n', 'Name: m'));
  await assert.rejects(resolve(), is('format'), 'another name');
  assert.throws(() => parseRecord('/nix/store', Buffer.from('Time: 1\n'), 'x'), is('format'));
});

test('what an upstream cache has, signed by a trusted key, stays out; roots and what differs do not', async () => {
  const [dir, upstream] = [fresh(), fresh()];
  const other = await sample('lib-1', file('other bytes'));
  await pushed(upstream, [lib], [lib.info.path]);
  await using store = await cacheIn(upstream);
  const left = await pushed(dir, [lib, app], [app.info.path], { upstreams: [store], trustedKeys: trusted });
  assert.deepEqual(left.plan.elsewhere, [lib.info.path]);
  assert.deepEqual([has(dir, lib), has(dir, app)], [false, true]);
  {
    await using cache = await cacheIn(dir);
    assert.deepEqual(await readUpstreams(cache), [store.url]);
  }
  assert.deepEqual((await pushed(fresh(), [lib, app], [app.info.path], { upstreams: [store] })).plan.elsewhere, []);
  const roots = await pushed(fresh(), [lib], [lib.info.path], { upstreams: [store], trustedKeys: trusted });
  assert.deepEqual(roots.plan.elsewhere, []);
  const differing = [other, await sample('app-1', file('app'), [other.info.path])];
  const kept = await pushed(fresh(), differing, [app.info.path], { upstreams: [store], trustedKeys: trusted });
  assert.deepEqual(kept.plan.elsewhere, []);
});

test('a secret stops a push before anything is written, unless it is allowed or somebody else signed it', async () => {
  const secret = await sample('etc', file(`signing = ${formatSecretKey(key)}\n`));
  const dir = fresh();
  const one = [secret.info.path];
  await assert.rejects(pushed(dir, [secret], one), (error) => {
    assert.ok(isNarrowError(error, 'refused'));
    assert.match(error.message, /signing key of Nix in \/nix\/store\/.*-etc, byte 10/);
    return true;
  });
  assert.ok(!existsSync(dir));
  const told = await pushed(dir, [secret], one, { dryRun: true });
  assert.deepEqual(told.secrets, [{ path: secret.info.path, file: '', kind: 'signing key of Nix', offset: 10 }]);
  const rules = { patterns: knownSecrets, ownKeys: new Set<string>() };
  await pushed(dir, [secret], one, { secrets: { ...rules, allowed: new Set([secret.info.path]) } });
  const signed = { ...secret, info: signPathInfo('/nix/store', secret.info, [key]) };
  await pushed(fresh(), [signed], one, { trustedKeys: trusted, secrets: { ...rules, allowed: new Set() } });
  const own = { ...rules, ownKeys: new Set(['home-1']), allowed: new Set<string>() };
  {
    await using from = await cacheIn(fresh());
    for await (const outcome of from.add(later([itemOf(secret)]))) assert.equal(outcome.status, 'added');
    const unsigned = pushed(fresh(), [secret], one, { source: from, trustedKeys: trusted, secrets: own });
    await assert.rejects(unsigned, is('refused'), 'that this push signs it vouches for nothing');
  }
  await assert.rejects(pushed(fresh(), [signed], one, { trustedKeys: trusted, secrets: own }), is('refused'));
});
