// How often two narrows wait for the line between them, counted by a relay.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { command } from '../e2e/narrow.ts';
import { generate } from '../lab/generate.ts';
import { startHosts } from '../lab/hosts.ts';
import type { HostRelay, Hosts } from '../lab/hosts.ts';
import { nix } from '../lab/nix.ts';
import { copies } from './ssh-lab.ts';

const env = { NIX_SSHOPTS: '-oHostKeyAlias=pi' };
/** Two to open a session of a connection that is there, one to close it. */
const session = 3;

/** A narrow on `pi` that speaks for a store of its own: `/root/far N` for /root/N, where the host's store is copied to. */
async function farStores(lab: Hosts, count: number): Promise<void> {
  const dir = join(lab.root('pi'), 'root');
  const script = `#!/bin/sh\nn=$1; shift; exec ${command} "$@" --store "local?root=/root/$n"\n`;
  writeFileSync(join(dir, 'far'), script, { mode: 0o755 });
  for (let n = 0; n < count; n++) {
    mkdirSync(join(dir, String(n)));
    await lab.exec('pi', ['cp', '-a', '/nix', `/root/${n}/`]);
  }
}

/** The least of three tries: a machine that is busy makes turns of its own. */
async function expectTurns(
  relay: HostRelay,
  most: number,
  what: string,
  once: (n: number) => Promise<unknown>,
): Promise<number> {
  const counts: number[] = [];
  for (let n = 0; n < 3 && !counts.some((count) => count <= session + most); n++) {
    const before = (await relay.stats()).turns;
    await once(n);
    counts.push(((await relay.stats()).turns - before) / 2);
  }
  assert.ok(Math.min(...counts) <= session + most, `${counts.join(', ')} turns ${what}`);
  return Math.min(...counts) - session;
}

// side by side: all they do is wait
describe('after the login three turns when all is there, five for anything else', { concurrency: 2 }, () => {
  for (const here of ['both closures', 'just the new closure']) {
    test(`where the sender has ${here}`, async (t) => {
      await using lab = await startHosts({ work: {}, pi: {} });
      const both = here === 'both closures';
      const old = await generate(lab.root('pi'), { paths: 120, bytes: 400, seed: 'old' });
      if (both) await generate(lab.root('work'), { paths: 120, bytes: 400, seed: 'old' });
      const fresh = await generate(lab.root('work'), { paths: 120, bytes: 400, seed: 'new' });
      assert.notEqual(old[0], fresh[0]);
      await farStores(lab, 4);
      await using relay = await lab.relay('work', { to: 'pi:22', delay: 100, rate: 12_500_000 });
      const far = (n: number): string => `ssh://127.0.0.1:${relay.port}?narrow=/root/far%20${n}`;
      const top = fresh.at(-1)!;
      // the login, and what both sides keep of how they started
      await copies(lab, ['--no-recursive', '--to', far(3), fresh[0]!], env);
      const turns = {
        there: await expectTurns(relay, 5, 'for a rebuilt closure', (n) => copies(lab, ['--to', far(n), top], env)),
        again: await expectTurns(relay, 3, 'when all is there', () => copies(lab, ['--to', far(0), top], env)),
        back: await expectTurns(relay, 5, 'for a closure from there', (n) =>
          copies(lab, ['--from', far(0), '--to', `/root/${n}`, top], env),
        ),
        backAgain: await expectTurns(relay, 3, 'when all is here', () =>
          copies(lab, ['--from', far(0), '--to', '/root/0', top], env),
        ),
      };
      t.diagnostic(JSON.stringify(turns));
      assert.equal((await relay.stats()).connections, 1);
      assert.equal(await nix('2.8').complaints(join(lab.root('pi'), 'root/0')), undefined);
    });
  }
});
