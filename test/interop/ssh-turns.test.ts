// How often a line is waited for, counted by a relay.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { command } from '../e2e/narrow.ts';
import { closure } from '../lab/closures.ts';
import { generate } from '../lab/generate.ts';
import { startHosts } from '../lab/hosts.ts';
import type { HostRelay, Hosts } from '../lab/hosts.ts';
import { nix } from '../lab/nix.ts';
import { copies, narrow, schemes, start } from './ssh-lab.ts';

/** A line to `pi` over which `login` has worked: now and then the lab's sshd closes a new one after the banners. */
async function lineWithLogin(lab: Hosts, delay: number, login: (port: number) => Promise<unknown>): Promise<HostRelay> {
  for (let tries = 1; ; tries++) {
    await using stack = new AsyncDisposableStack();
    const relay = stack.use(await lab.relay('work', { to: 'pi:22', delay }));
    try {
      await login(relay.port);
      stack.move();
      return relay;
    } catch (error) {
      if (tries === 3 || !/ssh connection to .* failed: (Connection|kex_exchange)/.test(String(error))) throw error;
    }
  }
}

/** Round trips that the line was waited for since the last question. */
async function trips(relay: HostRelay, before: number): Promise<number> {
  return ((await relay.stats()).turns - before) / 2;
}

for (const scheme of schemes) {
  test(`${scheme}: after the login at most three turns when all is there, and five more never wait for a path`, async () => {
    const basic = await closure('basic');
    await using lab = await start({ pi: { nix: 'current' } }, basic);
    const env = { NIX_SSHOPTS: '-oHostKeyAlias=pi' };
    const url = (port: number): string => `${scheme}://127.0.0.1:${port}`;
    const login = (port: number): Promise<string> => copies(lab, ['--to', url(port), basic.named['libc']!], env);
    await using relay = await lineWithLogin(lab, 100, login);
    const there = url(relay.port);
    const { hello } = basic.named as Record<string, string>;
    let before = (await relay.stats()).turns;
    await copies(lab, ['--to', there, basic.named['libc']!], env);
    // two to open a session of the connection that is there, one to close it
    assert.ok((await trips(relay, before)) <= 3 + 3, `${await trips(relay, before)} when all is there`);
    before = (await relay.stats()).turns;
    const { stderr } = await narrow(lab, ['copy', '--no-check-sigs', '--to', there, hello!], env);
    assert.match(stderr, /copied/);
    assert.ok((await trips(relay, before)) <= 3 + 5, `${await trips(relay, before)} for a few paths`);
    assert.equal((await relay.stats()).connections, 1);
  });
}

test('ssh: two thousand paths do not cost two thousand round trips', async () => {
  await using lab = await startHosts({ work: {}, pi: {} });
  const paths = await generate(lab.root('work'), { paths: 2000, bytes: 100 });
  const env = { NIX_SSHOPTS: '-oHostKeyAlias=pi' };
  const url = (port: number): string => `ssh://127.0.0.1:${port}`;
  const login = (port: number): Promise<string> => copies(lab, ['--no-recursive', '--to', url(port), paths[0]!], env);
  await using relay = await lineWithLogin(lab, 50, login);
  const there = url(relay.port);
  const begin = performance.now();
  const input = paths.join('\n');
  const argv = [command, 'copy', '--no-check-sigs', '--no-recursive', '--to', there, '--stdin'];
  await lab.exec('work', argv, { env, input });
  const seconds = (performance.now() - begin) / 1000;
  assert.ok(seconds < 2000 * 0.1 * 0.5, `${seconds} s`);
  assert.equal(await nix('2.8').complaints(lab.root('pi')), undefined);
});
