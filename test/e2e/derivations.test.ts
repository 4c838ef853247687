// narrow copy of derivations: what --derivation and --include-outputs mean is what Nix means by them, over every kind of place.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { printStorePath } from '../../src/model/store-path.ts';
import { openWritable } from '../../src/store/open.ts';
import { copyClosure } from '../../src/transfer/copy.ts';
import { testContext } from '../contract/context.ts';
import { closure } from '../lab/closures.ts';
import { startHosts } from '../lab/hosts.ts';
import { freshStore, nix } from '../lab/nix.ts';
import { tempDir } from '../lab/temp.ts';
import { generateDerivations } from '../transfer/generated-derivations.ts';
import { command, fails, narrow } from './narrow.ts';

const local = (root: string): string => `local?root=${root}`;

async function pathsOf(root: string): Promise<string[]> {
  return (await nix('2.8').store(root, '--query', '--requisites', ...(await roots(root)))).split('\n').sort();
}

async function roots(root: string): Promise<string[]> {
  return (await nix('2.8').nix('path-info', '--store', root, '--all')).split('\n');
}

test('--derivation copies what the outputs were built by, into a store and into a cache', async () => {
  const { root, top, drv, drvs } = await closure('basic');
  const [store, cache] = [await freshStore(), join(tempDir('cache'), 'c')];
  await narrow(['copy', '--derivation', '--from', local(root), '--to', local(store), top]);
  assert.deepEqual(await pathsOf(store), [...drvs].sort());
  await narrow(['copy', '--derivation', '--from', local(root), '--to', `file://${cache}`, `${drv}^out`]);
  const second = await freshStore();
  await narrow(['copy', '--from', `file://${cache}`, '--to', local(second), drv]);
  assert.deepEqual(await pathsOf(second), [...drvs].sort());
});

test('--include-outputs adds the outputs that the source has, as nix-store --include-outputs lists them', async () => {
  const { root, drv } = await closure('basic');
  const expected = (await nix('2.8').store(root, '--query', '--requisites', '--include-outputs', drv)).split('\n');
  const store = await freshStore();
  const copy = ['copy', '--no-check-sigs', '--include-outputs', '--from', local(root), '--to', local(store), drv];
  await narrow(copy);
  assert.deepEqual(await pathsOf(store), expected.sort());
  assert.equal(await nix('2.8').complaints(store), undefined);
  assert.match(await fails(2, [...copy, '--no-recursive']), /--include-outputs is about closures/);
});

test('a path whose derivation is not there is named, and what to do', async () => {
  const { root, top } = await closure('basic');
  const store = await freshStore();
  await narrow(['copy', '--no-check-sigs', '--from', local(root), '--to', local(store), top]);
  const said = await fails(1, ['copy', '--derivation', '--from', local(store), '--to', local(tempDir('no')), top]);
  assert.match(said, /does not have \S+\.drv, which \S+ was built by\n  hint: instantiate it again/);
});

test('thousands of derivations over ssh, both ways and both protocols', async () => {
  const { store, all } = await generateDerivations(2000);
  await using lab = await startHosts({ work: { nix: '2.8' }, pi: { nix: '2.8' } });
  const top = printStorePath(store.storeDir, all.at(-1)!.path);
  const root = lab.root('work');
  await using source = await openWritable(local(root), testContext());
  await copyClosure({ source: store, destination: source, roots: [all.at(-1)!.path] });
  const run = async (...args: string[]): Promise<{ copied: unknown[] }> =>
    JSON.parse((await lab.exec('work', [command, 'copy', '--json', ...args, top])).stdout) as { copied: unknown[] };
  assert.equal((await run('--from', 'local', '--to', 'ssh://pi')).copied.length, 2000);
  assert.equal((await run('--from', 'local', '--to', 'ssh-ng://pi')).copied.length, 0);
  assert.equal(await nix('2.8').complaints(lab.root('pi')), undefined);
  for (const scheme of ['ssh', 'ssh-ng']) {
    const there = `/root/${scheme}`;
    await lab.exec('work', ['nix-store', '--init', '--store', there]);
    const { copied } = await run('--derivation', '--include-outputs', '--from', `${scheme}://pi`, '--to', local(there));
    assert.equal(copied.length, 2000, scheme);
  }
});
