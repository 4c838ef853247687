// What two machines have in common, asked of the machines.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closure } from '../lab/closures.ts';
import { startHosts } from '../lab/hosts.ts';
import { narrow } from './ssh-lab.ts';

interface Group {
  readonly roots: readonly string[];
  readonly paths: readonly { path: string }[];
}

test('shared: of machines the systems that they run, or all that they have', async () => {
  const [basic, updated] = [await closure('basic'), await closure('updated')];
  await using lab = await startHosts({ work: {}, pi1: {}, pi2: { nix: '2.26' } });
  await lab.seed('pi1', basic.root, [basic.top]);
  await lab.seed('pi2', updated.root, [updated.top]);
  const shared = async (...args: string[]): Promise<Group[]> => {
    const result = await narrow(lab, ['shared', '--json', ...args]);
    assert.equal(result.status, 0, result.stderr);
    return JSON.parse(result.stdout) as Group[];
  };
  const [a, b] = [new Set(basic.paths), new Set(updated.paths)];
  const expected = [a.intersection(b), a.difference(b), b.difference(a)].map((set) => [...set].sort());
  const named = (group: Group): string[] => group.paths.map(({ path }) => path).sort();
  for (const urls of [
    ['ssh://pi1', 'ssh-ng://pi2'],
    ['ssh-ng://pi1', 'ssh://pi2'],
  ]) {
    const groups = await shared(...urls);
    assert.deepEqual(groups.map(named), expected);
    assert.deepEqual(
      groups.map(({ roots }) => roots),
      [urls, [urls[0]], [urls[1]]],
    );
  }
  // now they run something
  const { hello } = basic.named as Record<string, string>;
  await lab.exec('pi1', ['ln', '-s', hello!, '/run/current-system']);
  await lab.exec('pi2', ['nix-env', '--profile', '/nix/var/nix/profiles/system', '--set', updated.top]);
  const running = await narrow(lab, ['shared', 'ssh://pi1', 'ssh://pi2']);
  assert.match(running.stderr, /^ssh:\/\/pi1: hello-\S+\nssh:\/\/pi2: nixos-system-lab/m);
  assert.equal((await shared('ssh://pi1')).flatMap(named).length, 2);
  assert.deepEqual((await shared('--all', 'ssh://pi1', 'ssh-ng://pi2')).map(named), expected);
  const mixed = await shared('--store', 'ssh-ng://pi2', updated.top, 'ssh://pi1');
  assert.deepEqual(mixed[0]!.roots, [updated.top, 'ssh://pi1']);
});
