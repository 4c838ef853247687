// How often a line is waited for, counted by a relay.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { command } from '../e2e/narrow.ts';
import { generate } from '../lab/generate.ts';
import { startHosts } from '../lab/hosts.ts';
import type { HostRelay } from '../lab/hosts.ts';
import { nix } from '../lab/nix.ts';
import { copies, labels, schemes } from './ssh-lab.ts';

const env = { NIX_SSHOPTS: '-oHostKeyAlias=pi' };
/** Two to open a session of a connection that is there, one to close it. */
const session = 3;

/** Round trips that the line is waited for while `what` runs. */
async function trips(relay: HostRelay, what: () => Promise<unknown>): Promise<number> {
  const before = (await relay.stats()).turns;
  await what();
  return ((await relay.stats()).turns - before) / 2;
}

/** A machine that is busy makes turns of its own: what counts is the least of three tries. */
async function expectTrips(most: number, what: string, once: (attempt: number) => Promise<number>): Promise<void> {
  const counts: number[] = [];
  for (let attempt = 0; attempt < 3 && !counts.some((count) => count <= session + most); attempt++)
    counts.push(await once(attempt));
  assert.ok(Math.min(...counts) <= session + most, `${counts.join(', ')} round trips ${what}`);
}

// side by side: all they do is wait
describe('after the login three turns when all is there, five for anything else', { concurrency: 3 }, () => {
  for (const label of labels) {
    for (const scheme of schemes) {
      test(`Nix ${label}, ${scheme}`, async () => {
        await using lab = await startHosts({ work: {}, pi: { nix: label } });
        const paths = await generate(lab.root('work'), { paths: 120, bytes: 100 });
        const [first, last] = [paths[0]!, paths.at(-1)!];
        await using relay = await lab.relay('work', { to: 'pi:22', delay: 100, rate: 12_500_000 });
        const pi = `${scheme}://127.0.0.1:${relay.port}`;
        const other = (n: number): string => `${pi}?remote-store=${encodeURIComponent(`local?root=/root/${n}`)}`;
        const turns = (...args: string[]): Promise<number> => trips(relay, () => copies(lab, args, env));
        await copies(lab, ['--no-recursive', '--to', other(0), first], env);
        await expectTrips(5, 'for a closure', (n) => turns('--to', other(n), last));
        await expectTrips(3, 'when all is there', () => turns('--to', other(0), last));
        await copies(lab, ['--to', pi, last], env);
        await expectTrips(5, 'for a closure from there', (n) => turns('--from', pi, '--to', `/root/${n}`, last));
        await expectTrips(3, 'when all is here', () => turns('--from', pi, '--to', '/root/0', last));
        assert.equal((await relay.stats()).connections, 1);
        assert.equal(await nix('2.8').complaints(lab.root('pi')), undefined);
      });
    }
  }
});

test('ssh: two thousand paths do not cost two thousand round trips', async () => {
  await using lab = await startHosts({ work: {}, pi: {} });
  const paths = await generate(lab.root('work'), { paths: 2000, bytes: 100 });
  await using relay = await lab.relay('work', { to: 'pi:22', delay: 50 });
  const there = `ssh://127.0.0.1:${relay.port}`;
  await copies(lab, ['--no-recursive', '--to', there, paths[0]!], env);
  const argv = [command, 'copy', '--no-check-sigs', '--no-recursive', '--to', there, '--stdin'];
  const copied = await trips(relay, () => lab.exec('work', argv, { env, input: paths.join('\n') }));
  assert.ok(copied <= session + 10, `${copied} round trips`);
  assert.equal(await nix('2.8').complaints(lab.root('pi')), undefined);
});
