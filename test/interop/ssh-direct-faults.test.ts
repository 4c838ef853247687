// Direct copies between two other machines that end half-way: what has arrived is whole, and the rest finds its way.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { command } from '../e2e/narrow.ts';
import { generate } from '../lab/generate.ts';
import { startHosts } from '../lab/hosts.ts';
import type { Hosts } from '../lab/hosts.ts';
import { nix } from '../lab/nix.ts';
import { between, install, ownPrograms } from './two-machines.ts';

const count = 24;
const argv = (paths: readonly string[]): string[] => [command, 'copy', '--no-check-sigs', ...between('ssh'), ...paths];

/** `pi1` has paths of a megabyte each, which take some seconds to `pi2`; the program that sends them leaves its process id. */
async function slowHosts(): Promise<{ lab: Hosts; paths: string[] }> {
  const lab = await startHosts({ work: {}, pi1: { bashrc: ownPrograms }, pi2: { rate: '80mbit' } });
  const paths = await generate(lab.root('pi1'), { paths: count, bytes: 1_000_000 });
  const script = '[ "$1" = --version ] || echo $$ > /root/copier\nexec /usr/bin/nix-copy-closure "$@"';
  install(lab, 'pi1', 'nix-copy-closure', script);
  return { lab, paths };
}

/** Resolves when some paths are on `pi2`, and not all. */
async function halfWay(lab: Hosts): Promise<void> {
  const until = Date.now() + 30_000;
  const arrived = (): string[] =>
    readdirSync(join(lab.root('pi2'), 'nix/store')).filter((name) => /^[0-9a-z]{32}-[^.]+[0-9.]+$/.test(name));
  while (arrived().length < 4) {
    assert.ok(Date.now() < until, 'nothing arrives');
    await sleep(10);
  }
  assert.ok(arrived().length < count, 'all arrived at once');
}

/** The process on `pi1` that sends. */
const copier = (lab: Hosts): string => readFileSync(join(lab.root('pi1'), 'root/copier'), 'utf8').trim();

async function allThere(lab: Hosts, paths: readonly string[]): Promise<void> {
  const root = lab.root('pi2');
  assert.equal(await nix('2.8').complaints(root), undefined);
  await nix('2.8').store(root, '--query', '--hash', ...paths);
}

test('the program that sends is killed: the rest goes through here', async () => {
  const { lab, paths } = await slowHosts();
  await using _ = lab;
  const copying = lab.exec('work', argv(paths), { mayFail: true, timeout: 60_000 });
  await halfWay(lab);
  await lab.exec('pi1', ['kill', '-9', copier(lab)]);
  const { status, stderr } = await copying;
  assert.equal(status, 0, stderr);
  const failed =
    /the direct copy failed: nix-copy-closure on pi1 ended with (\w+ \d+)[^;]*; (\d+) of 24 paths will go through here/;
  const [, how, left] = failed.exec(stderr) ?? assert.fail(stderr);
  assert.equal(how, 'status 137');
  assert.ok(Number(left) > 0 && Number(left) < count, left);
  await allThere(lab, paths);
});

test('narrow is killed here: the program there ends, nothing half done stays, and the next run goes on', async () => {
  const { lab, paths } = await slowHosts();
  await using _ = lab;
  const [program, ...words] = lab.command('work', ['sh', '-c', 'echo $$; exec "$@"', 'sh', ...argv(paths)]);
  const child = spawn(program!, words, { stdio: ['ignore', 'pipe', 'ignore'] });
  const [pid] = (await once(child.stdout, 'data')) as [Buffer];
  await halfWay(lab);
  await lab.exec('work', ['kill', '-9', pid.toString().trim()]);
  await once(child, 'close');
  const gone = `for i in $(seq 500); do kill -0 ${copier(lab)} 2> /dev/null || exit 0; sleep 0.02; done; exit 1`;
  await lab.exec('pi1', ['sh', '-c', gone]);
  assert.equal(await nix('2.8').complaints(lab.root('pi2')), undefined);
  const { stderr } = await lab.exec('work', argv(paths), { timeout: 60_000 });
  const [, left] = /copied (\d+) paths .* directly from ssh:\/\/pi1/.exec(stderr) ?? assert.fail(stderr);
  assert.ok(Number(left) > 0 && Number(left) < count, left);
  await allThere(lab, paths);
});
