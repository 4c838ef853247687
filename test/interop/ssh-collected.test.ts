// While a copy is on its way, the other machine collects its garbage, or kills the program that takes the paths.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { command } from '../e2e/narrow.ts';
import { generate } from '../lab/generate.ts';
import { startHosts } from '../lab/hosts.ts';
import type { Hosts } from '../lab/hosts.ts';
import { nix } from '../lab/nix.ts';
import type { RunResult } from '../lab/run.ts';
import { copies } from './ssh-lab.ts';

const count = 24;
const words = (to: string, paths: readonly string[]): string[] => [
  command,
  'copy',
  '--no-check-sigs',
  '--to',
  to,
  ...paths,
];

const there = (lab: Hosts): number =>
  readdirSync(join(lab.root('pi'), 'nix/store')).filter((name) => /^[0-9a-z]{32}-[^.]+[0-9.]+$/.test(name)).length;

/** Copies `paths` slowly, and does `what` when some have arrived and some have not. */
async function meanwhile(lab: Hosts, to: string, paths: readonly string[], what: string): Promise<RunResult> {
  const before = there(lab);
  const copying = lab.exec('work', words(to, paths), { mayFail: true, timeout: 60_000 });
  const until = Date.now() + 30_000;
  while (there(lab) < before + 4) {
    assert.ok(Date.now() < until, 'nothing arrives');
    await sleep(10);
  }
  await lab.exec('pi', ['sh', '-c', what]);
  return copying;
}

for (const [label, scheme] of [
  ['2.8', 'ssh'],
  ['2.8', 'ssh-ng'],
  ['2.26', 'ssh'],
  ['current', 'ssh-ng'],
] as const) {
  test(`Nix ${label}, ${scheme}: garbage collected meanwhile takes nothing that the copy needs`, async () => {
    await using lab = await startHosts({ work: {}, pi: { nix: label, rate: '80mbit' } });
    const paths = await generate(lab.root('work'), { paths: count, bytes: 1_000_000, references: 2 });
    const to = `${scheme}://pi`;
    // nothing but the copy that comes holds these; others are there that it does not need
    await copies(lab, ['--no-recursive', '--to', to, ...paths.slice(0, 4)]);
    const garbage = await generate(lab.root('pi'), { paths: 3, seed: 'garbage' });
    const { status, stderr } = await meanwhile(lab, to, paths, 'nix-store --gc > /run/gc.log 2>&1');
    assert.equal(status, 0, stderr);
    assert.match(stderr, /copied 20 paths/);
    const root = lab.root('pi');
    assert.equal(await nix('2.8').complaints(root), undefined);
    await nix('2.8').store(root, '--query', '--hash', ...paths);
    for (const path of garbage) await assert.rejects(nix('2.8').store(root, '--query', '--hash', path));
  });
}

for (const scheme of ['ssh', 'ssh-ng']) {
  test(`${scheme}: the program there is killed: one error, nothing half done, and the next run goes on`, async () => {
    await using lab = await startHosts({ work: {}, pi: { nix: 'current', rate: '80mbit' } });
    const paths = await generate(lab.root('work'), { paths: count, bytes: 1_000_000 });
    const kill =
      'for p in /proc/[0-9]*; do tr "\\0" " " < $p/cmdline 2> /dev/null | grep -qE "^nix-(store --serve|daemon --stdio)" && kill -9 ${p#/proc/}; done; true';
    const { status, stderr } = await meanwhile(lab, `${scheme}://pi`, paths, kill);
    assert.equal(status, 1, stderr);
    assert.equal(stderr.split('\n').filter((line) => line.startsWith('narrow: ')).length, 1, stderr);
    assert.equal(await nix('2.8').complaints(lab.root('pi')), undefined);
    const again = await copies(lab, ['--to', `${scheme}://pi`, ...paths]);
    const [, left] = /copied (\d+) paths/.exec(again) ?? assert.fail(again);
    assert.ok(Number(left) < count, again);
    assert.equal(await nix('2.8').complaints(lab.root('pi')), undefined);
  });
}
