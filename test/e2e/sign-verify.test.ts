import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { closure, copyOfStore, keyPair } from '../lab/closures.ts';
import type { Closure, KeyPair } from '../lab/closures.ts';
import { nix } from '../lab/nix.ts';
import { tempDir } from '../lab/temp.ts';
import { fails, narrow } from './narrow.ts';

const old = nix('2.8');
let basic: Closure;
let key: KeyPair;
let root: string;

before(async () => {
  basic = await closure('basic');
  key = await keyPair('lab-1');
  root = await copyOfStore(basic.root);
});

interface Verified {
  readonly paths: number;
  readonly problems: readonly { path: string; kind: string; message: string }[];
}

async function verify(...args: string[]): Promise<Verified & { status: number }> {
  const result = await narrow(['verify', '--json', ...args], { mayFail: true });
  return { ...(JSON.parse(result.stdout) as Verified), status: result.status };
}

test('signatures are made, found again, and believed by Nix', async () => {
  const asked = ['--store', root, '--sigs', '1', '--trusted-public-key', key.publicKey, '-r', basic.top];
  const before = await verify(...asked);
  assert.equal(before.status, 3);
  // what is content-addressed needs no signature
  const unsigned = new Set(before.problems.map((p) => p.path));
  assert.ok(before.problems.every((p) => p.kind === 'signatures') && unsigned.has(basic.top));

  const sign = ['sign', '--key', key.secretFile, '--store', root, '-r', '--json', basic.top];
  assert.equal(JSON.parse((await narrow([...sign, '--dry-run'])).stdout).signed.length, basic.paths.length);
  assert.equal((await verify(...asked)).status, 3, 'a dry run signs nothing');
  assert.equal(JSON.parse((await narrow(sign)).stdout).signed.length, basic.paths.length);
  assert.deepEqual(JSON.parse((await narrow(sign)).stdout), {
    dryRun: false,
    signed: [],
    unchanged: basic.paths.length,
  });
  assert.deepEqual(await verify(...asked).then((v) => [v.status, v.problems]), [0, []]);
  await old.nix('store', 'verify', '--store', root, '-r', '-n', '1', '--trusted-public-keys', key.publicKey, basic.top);

  const ofNix = await closure('signed');
  const both = ['--sigs', '2', '--trusted-public-key', key.publicKey, '--trusted-public-key'];
  const second = await keyPair('lab-2');
  assert.equal((await verify('--store', ofNix.root, ...both, second.publicKey, ofNix.top)).status, 0);
});

test('everything that is wrong is listed, and nothing else', async () => {
  const damaged = await copyOfStore(basic.root);
  const [bash, libc] = [basic.named['bash'] as string, basic.named['libc'] as string];
  const file = join(damaged, bash, 'bin/bash');
  const bytes = readFileSync(file);
  bytes[1000]! ^= 1;
  chmodSync(file, 0o755);
  writeFileSync(file, bytes);
  chmodSync(join(damaged, libc), 0o755);
  writeFileSync(join(damaged, libc, 'more'), '');
  const found = await verify('--all', '--no-trust', '--store', `local?root=${damaged}`);
  assert.equal(found.status, 3);
  assert.deepEqual(
    found.problems.map((p) => [p.path, p.kind]).sort(),
    [
      [bash, 'contents'],
      [libc, 'contents'],
    ].sort(),
  );
  assert.equal((await verify('--all', '--no-trust', '--no-contents', '--store', damaged)).status, 0);
  const text = await narrow(['verify', '--no-trust', '--store', damaged, bash, libc, basic.top], { mayFail: true });
  assert.equal(text.stdout.trimEnd().split('\n').length, 2);
  assert.match(text.stderr, /checked 3 paths, .* read: 2 problems in 2 paths/);
});

test('content addresses are recomputed, self references and all', async () => {
  const ca = await closure('ca');
  assert.deepEqual(await verify('--all', '--store', ca.root).then((v) => [v.status, v.problems]), [0, []]);
});

test('a whole cache: a NAR that is another, one that is gone, a narinfo that is none', async () => {
  const cache = join(tempDir('cache'), 'cache');
  const url = `file://${cache}`;
  await narrow(['copy', '--from', basic.root, '--to', `${url}?compression=none`, basic.top]);
  assert.equal((await verify('--all', '--no-trust', '--store', url)).status, 0);
  const [a, b, c] = [basic.named['bash'], basic.named['libc'], basic.named['ncurses']].map((path) =>
    join(cache, `${path!.slice('/nix/store/'.length, '/nix/store/'.length + 32)}.narinfo`),
  ) as [string, string, string];
  const nar = (narinfo: string): string => join(cache, /^URL: (.*)$/m.exec(readFileSync(narinfo, 'utf8'))![1]!);
  copyFileSync(nar(b), nar(a));
  rmSync(nar(c));
  writeFileSync(b, 'nonsense');
  const found = await verify('--all', '--no-trust', '--store', url);
  assert.deepEqual([found.status, found.paths], [3, basic.paths.length - 1]);
  assert.deepEqual(
    found.problems.map((problem) => problem.path).sort(),
    [basic.named['bash'], basic.named['ncurses'], url].sort(),
  );
});

test('a path that is not there is a problem, too', async () => {
  const gone = `/nix/store/${'0'.repeat(32)}-gone`;
  const found = await verify('--store', basic.root, '--no-trust', gone, basic.named['bash'] as string);
  assert.deepEqual([found.status, found.paths, found.problems.map((p) => p.path)], [3, 2, [gone]]);
});

test('wrong use', async () => {
  assert.match(await fails(2, ['sign', '--store', basic.root, basic.top]), /--key/);
  assert.match(await fails(2, ['verify', '--all', '--store', basic.root, basic.top]), /takes no paths/);
  assert.match(await fails(2, ['verify', '--sigs', 'many', '--store', basic.root, basic.top]), /takes a number/);
});
