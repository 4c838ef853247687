// What is found before the first byte, from what a place tells of itself.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TrustedKeys, generateKey, signPathInfo } from '../../src/model/signature.ts';
import type { PathInfo } from '../../src/model/path-info.ts';
import { defaultStoreDir } from '../../src/model/store-path.ts';
import type { StoreFacts } from '../../src/store/facts.ts';
import { memoryStore } from '../../src/store/memory.ts';
import { openWritable } from '../../src/store/open.ts';
import type { Verdict } from '../../src/store/store.ts';
import { copyClosure } from '../../src/transfer/copy.ts';
import { makePlan } from '../../src/transfer/plan.ts';
import type { Plan } from '../../src/transfer/plan.ts';
import { expectClear, findingsOn, preflight } from '../../src/transfer/preflight.ts';
import type { Finding, Subject } from '../../src/transfer/preflight.ts';
import { info } from '../closure/graphs.ts';
import { testContext } from '../contract/context.ts';
import { tempDir } from '../lab/temp.ts';
import { addOutput, generateDerivations } from './generated-derivations.ts';

const planOf = (infos: readonly PathInfo[], verdict: Verdict = { status: 'missing' }): Plan =>
  makePlan(defaultStoreDir, new Map(infos.map((i) => [i.path, i])), new Map(infos.map((i) => [i.path, verdict])));

/** A path of ten megabytes. */
const big = info(7);
const about = (subject: Subject, facts: Partial<StoreFacts>, plan?: Plan): Finding | undefined =>
  findingsOn({ kind: 'place', ...facts }, plan).find((f) => f.subject === subject);
const room = (free: number, exact: boolean): StoreFacts['space'] => ({ where: '/srv', free, exact });

test('room: enough, certainly too little, perhaps too little, and nobody tells', () => {
  assert.equal(about('space', { space: room(10_000_000, true) }, planOf([big]))?.level, 'ok');
  const error = about('space', { space: room(9_999_999, true) }, planOf([big]));
  assert.equal(error?.level, 'error');
  assert.match(error!.what, /^10\.0 MB are needed, and only 10\.0 MB are free in \/srv$/);
  assert.equal(about('space', { space: room(9_999_999, false) }, planOf([big]))?.level, 'warning');
  assert.equal(about('space', {}, planOf([big]))?.level, 'untold');
  // what is there already needs no room
  assert.equal(
    about('space', { space: room(0, true) }, planOf([big], { status: 'valid', newSignatures: [] })),
    undefined,
  );
});

test('permission: yes, no with what to do, and nobody tells', () => {
  assert.equal(about('write', { writable: true })?.level, 'ok');
  const no = about('write', { writable: false, obstacle: { why: 'mounted read-only', hint: 'run as root' } });
  assert.deepEqual([no?.level, no?.what, no?.hint], ['error', 'mounted read-only', 'run as root']);
  assert.equal(about('write', {})?.level, 'untold');
});

test('trust matters only for paths without signatures, and where the rules are not known', () => {
  const signed = signPathInfo(defaultStoreDir, info(2), [generateKey('k')]);
  const untrusted = { trust: 'untrusted' } as const;
  assert.equal(about('trust', untrusted, planOf([big]))?.level, 'warning');
  assert.equal(about('trust', untrusted, planOf([signed]))?.level, 'ok');
  assert.equal(about('trust', { trust: 'unknown' }, planOf([big]))?.level, 'untold');
  assert.equal(about('trust', { trust: 'trusted' }, planOf([big]))?.level, 'ok');
  assert.equal(about('trust', untrusted)?.level, 'warning');
  assert.equal(about('trust', { ...untrusted, signatures: { required: false, trustedKeys: [] } })?.level, 'ok');
  assert.equal(about('trust', {}), undefined);
});

test('who is trusted may vouch for paths, and is told so; nobody else is', () => {
  const signatures = { required: true, trustedKeys: ['k'] } as const;
  const found = about('signatures', { trust: 'trusted', signatures }, planOf([big, info(8)]));
  assert.deepEqual([found?.level, found?.subject], ['error', 'signatures']);
  assert.match(found!.what, / and 1 other lack a signature/);
  assert.match(found!.hint!, /--no-check-sigs/);
  const other = about('signatures', { trust: 'untrusted', signatures }, planOf([big]));
  assert.doesNotMatch(other!.hint!, /--no-check-sigs/);
});

test('a trusted key of the same name is not the same key, where the keys are known', () => {
  const [theirs, ours] = [generateKey('k'), generateKey('k')];
  const signatures = { required: true, trustedKeys: ['k'] } as const;
  const known = { ...signatures, publicKeys: new TrustedKeys([theirs.publicKey]) };
  const signed = planOf([signPathInfo(defaultStoreDir, info(2), [ours])]);
  assert.equal(about('signatures', { trust: 'untrusted', signatures: known }, signed)?.level, 'error');
  assert.equal(about('signatures', { trust: 'untrusted', signatures }, signed)?.level, 'ok');
  const both = { ...signatures, publicKeys: new TrustedKeys([theirs.publicKey, ours.publicKey]) };
  assert.equal(about('signatures', { trust: 'untrusted', signatures: both }, signed)?.level, 'ok');
});

test('refusals of the plan are errors, named by the first', () => {
  const found = about('signatures', {}, planOf([big], { status: 'refused', why: 'has no signature', hint: 'sign it' }));
  assert.equal(found?.level, 'error');
  assert.match(found!.what, /^1 of 1 paths would be refused: 0+7-p7 has no signature$/);
  assert.equal(about('signatures', { signatures: { required: true, trustedKeys: [] } })?.level, 'warning');
  assert.equal(about('signatures', { signatures: { required: true, trustedKeys: ['k'] } })?.level, 'ok');
  assert.equal(about('signatures', { signatures: { required: true, trustedKeys: [] } }, planOf([big]))?.level, 'ok');
});

test('clocks: small differences and slow answers are none', () => {
  const of = (ahead: number, within = 1): Finding | undefined => about('clock', { clock: { ahead, within } });
  assert.equal(of(200)?.level, 'ok');
  assert.equal(of(-310, 20)?.level, 'ok');
  assert.match(of(-7300)!.what, /2 hours behind/);
  assert.match(of(600)!.what, /10 minutes ahead of/);
  assert.match(of(400 * 86_400)!.what, /400 days/);
});

test('errors end the copy before the first byte, all of them named', async () => {
  const facts: StoreFacts = { kind: 'place', writable: false, obstacle: { why: 'no way' }, space: room(1, true) };
  assert.throws(() => expectClear(findingsOn(facts, planOf([big])), 'file:///srv'), {
    code: 'refused',
    message: /^file:\/\/\/srv cannot take the copy: no way; 10\.0 MB are needed/,
  });
  const { store, all } = await generateDerivations(1);
  const full = Object.assign(memoryStore(), { inspect: async () => facts });
  const request = { source: store, destination: full, roots: [all[0]!.path] };
  await assert.rejects(copyClosure(request), { code: 'refused' });
  assert.equal((await full.pathInfos([all[0]!.path])).size, 0);
  const { findings } = await copyClosure({ ...request, dryRun: true });
  assert.deepEqual(
    findings.filter((f) => f.level === 'error').map((f) => f.subject),
    ['write', 'space'],
  );
});

test('a local store and a cache in a directory tell room and permission, also where they are not made yet', async () => {
  const { store, all } = await generateDerivations(1);
  await addOutput(store, all[0]!, []);
  for (const url of [`local?root=${tempDir('to')}/new`, `file://${tempDir('to')}/new?compression=none`]) {
    await using destination = await openWritable(url, { ...testContext(), trustedKeys: new TrustedKeys() });
    const findings = await preflight(destination);
    const levels = new Map(findings.map((f) => [f.subject, f.level]));
    assert.deepEqual([levels.get('reach'), levels.get('write'), levels.get('space')], ['ok', 'ok', 'ok'], url);
  }
  await using readOnly = await openWritable(`local?root=${tempDir('to')}&read-only=true`, testContext());
  const [error] = (await preflight(readOnly)).filter((f) => f.level === 'error');
  assert.match(error!.what, /read-only=true/);
});
