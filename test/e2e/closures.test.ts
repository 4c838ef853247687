// Looks at closures: shared, diff, why, sizes, missing, against what Nix says of the same.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { closure } from '../lab/closures.ts';
import { nix } from '../lab/nix.ts';
import { tempDir } from '../lab/temp.ts';
import { compareVersions, splitVersion } from '../../src/model/version.ts';
import { fails, narrow } from './narrow.ts';

const json = async <T>(...args: string[]): Promise<T> => JSON.parse((await narrow(args)).stdout) as T;

test('names and versions, asked of Nix', async () => {
  const versions = [
    '1.0',
    '2.3',
    '2.3.1',
    '2.3a',
    '2.3pre1',
    '2.3-4',
    '3.0.13-dev',
    '',
    '10',
    '9',
    '2.3.pre',
    'a',
    '1.a.2',
  ];
  const pairs = versions.flatMap((a) => versions.map((b) => [a, b]));
  const quoted = pairs.map((pair) => `[${pair.map((text) => JSON.stringify(text)).join(' ')}]`).join(' ');
  const expression = `map (p: builtins.compareVersions (builtins.head p) (builtins.elemAt p 1)) [${quoted}]`;
  const evaluate = async (text: string): Promise<unknown> =>
    JSON.parse(
      (
        await nix('2.8').run('nix-instantiate', ['--eval', '--strict', '--json', '-E', text], {
          store: tempDir('eval'),
        })
      ).stdout,
    );
  assert.deepEqual(
    pairs.map(([a, b]) => compareVersions(a!, b!)),
    await evaluate(expression),
  );
  const names = ['openssl-3.0.13-dev', 'perl-env', 'x-', 'a-.1', 'lib-r12', 'foo--1', 'b-_2', 'c-é'.slice(0, 2)];
  assert.deepEqual(
    names.map(splitVersion),
    await evaluate(`map builtins.parseDrvName [${names.map((name) => JSON.stringify(name)).join(' ')}]`),
  );
});

test('shared: the closures of two systems', async () => {
  const [basic, updated] = [await closure('basic'), await closure('updated')];
  const store = tempDir('both');
  for (const { root, top } of [basic, updated])
    await narrow(['copy', '--no-check-sigs', '--from', `local?root=${root}`, '--to', `local?root=${store}`, top]);
  const groups = await json<{ roots: string[]; narSize: number; paths: { path: string }[] }[]>(
    'shared',
    '--json',
    '--store',
    store,
    basic.top,
    updated.top,
  );
  const [a, b] = [new Set(basic.paths), new Set(updated.paths)];
  const named = (group: (typeof groups)[number]): string[] => group.paths.map((one) => one.path).sort();
  assert.deepEqual(named(groups[0]!), [...a.intersection(b)].sort());
  assert.deepEqual(named(groups[1]!), [...a.difference(b)].sort());
  assert.deepEqual(named(groups[2]!), [...b.difference(a)].sort());
  assert.match(
    (await narrow(['shared', '--store', store, basic.top, updated.top])).stdout,
    /in all 2\n.*only .*\n.*only /,
  );
  const said = await narrow(['diff', '--store', store, basic.top, updated.top], { mayFail: true });
  assert.equal(said.status, 3);
  assert.match(said.stdout, /upgraded +hello +1\.1, 2\.0 -> 1\.2, 2\.1/);
  assert.match((await narrow(['diff', '--store', store, basic.top, basic.top])).stdout, /^0 packages differ/);
});

test('why and sizes agree with nix-store -q --tree and nix path-info -S', async () => {
  const { root, top, paths } = await closure('basic');
  const libc = paths.find((path) => path.endsWith('-libc-2.36'))!;
  const chain = await json<string[]>('why', '--json', '--store', root, top, libc);
  assert.deepEqual([chain[0], chain.at(-1)], [top, libc]);
  for (const [i, path] of chain.entries()) {
    if (i > 0) assert.ok((await nix('2.8').store(root, '-q', '--references', chain[i - 1]!)).includes(path));
  }
  assert.match(await fails(3, ['why', '--store', root, libc, top]), /does not need/);
  const absent = `/nix/store/${'0'.repeat(32)}-absent`;
  for (const [one, other] of [
    [top, absent],
    [absent, top],
  ] as const)
    assert.match(await fails(1, ['why', '--store', root, one, other]), /does not have \/nix\/store\/0{32}-absent/);
  const { narSize, paths: sizes } = await json<{
    narSize: number;
    paths: { path: string; own: number; closure: number; added: number }[];
  }>('sizes', '--json', '--store', root, top);
  const theirs = JSON.parse(await nix('2.8').nix('path-info', '-r', '-S', '--json', '--store', root, top)) as {
    path: string;
    narSize: number;
    closureSize: number;
  }[];
  assert.deepEqual(
    sizes.map(({ path, own, closure: all }) => [path, own, all]).sort(),
    theirs.map(({ path, narSize, closureSize }) => [path, narSize, closureSize]).sort(),
  );
  assert.equal(narSize, sizes.find(({ path }) => path === top)!.added);
});

test('missing: of a closure, of an output, of all outputs below a derivation', async () => {
  const { root, top, paths, drv } = await closure('basic');
  const cache = `file://${join(tempDir('partial'), 'c')}`;
  const bash = paths.find((path) => path.endsWith('-bash-5.2'))!;
  await narrow(['copy', '--from', root, '--to', cache, bash]);
  const there = (await nix('2.8').store(root, '-qR', bash)).split('\n');
  const run = await narrow(['missing', '--from', root, '--store', cache, top], { mayFail: true });
  assert.equal(run.status, 3);
  assert.deepEqual(run.stdout.trim().split('\n').sort(), paths.filter((path) => !there.includes(path)).sort());
  assert.match(run.stderr, new RegExp(`has ${there.length} of ${paths.length} paths`));
  const outputs = JSON.parse(
    (await narrow(['missing', '--json', '--from', root, '--store', cache, drv], { mayFail: true })).stdout,
  ) as { total: number; missing: { path: string; derivation: string }[] };
  assert.deepEqual(outputs, { total: 1, missing: [{ path: top, derivation: drv }] });
  const all = JSON.parse(
    (await narrow(['missing', '-r', '--json', '--from', root, '--store', cache, drv], { mayFail: true })).stdout,
  ) as { missing: { path: string }[] };
  assert.ok(all.missing.length > 10 && all.missing.every(({ path }) => !there.includes(path)));
  assert.equal((await narrow(['missing', '--from', root, '--store', cache, bash])).stdout, '');
});

test('an output of a derivation is named as in Nix', async () => {
  const { root, drv, top } = await closure('basic');
  for (const name of [`${drv}^out`, `${drv}^*`, `${drv}!out`]) {
    assert.deepEqual(Object.keys(await json('info', '--json', '--store', root, name)), [top]);
  }
  assert.match(await fails(2, ['info', '--store', root, `${drv}^dev`]), /has no output 'dev'[^]*it has out/);
});
