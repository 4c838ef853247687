// What the tests of copies between two narrows have in common: `work` has two closures, of which `pi1` has one.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { command } from '../e2e/narrow.ts';
import type { Closure } from '../lab/closures.ts';
import { startHosts } from '../lab/hosts.ts';
import type { HostOptions, Hosts } from '../lab/hosts.ts';
import { nix } from '../lab/nix.ts';

/** The narrow under test, named in a URL. */
export const named: string = `narrow=${encodeURIComponent(command)}`;

/** Starts both; `pi1` is not given `fresh`. */
export async function startPair(
  old: Closure,
  fresh: Closure,
  pi1: HostOptions = {},
  more: Readonly<Record<string, HostOptions>> = {},
): Promise<Hosts> {
  const lab = await startHosts({ work: {}, pi1, ...more });
  for (const { root, top } of [old, fresh]) await lab.seed('work', root, [top]);
  await lab.seed('pi1', old.root, [old.top]);
  return lab;
}

/** Puts `narrow` into /usr/local/bin of a host, and of no other. */
export async function install(lab: Hosts, host: string, script = `exec ${command} "$@"`): Promise<void> {
  const dir = join(lab.root(host), 'root/bin');
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'narrow'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  await lab.exec(host, ['mount', '--bind', '/root/bin', '/usr/local/bin']);
}

/** All of a closure is on the host, and its own Nix finds nothing to complain about there. */
export async function expectWhole(lab: Hosts, host: string, { top, paths }: Closure): Promise<void> {
  const store = nix('2.8');
  assert.equal(await store.complaints(lab.root(host)), undefined);
  assert.equal((await store.store(lab.root(host), '-qR', top)).split('\n').length, paths.length);
}

/** Nothing of `fresh` that `old` does not have is on the host, and what is there is whole. */
export async function expectNone(lab: Hosts, host: string, old: Closure, fresh: Closure): Promise<void> {
  const store = nix('2.8');
  assert.equal(await store.complaints(lab.root(host)), undefined);
  const valid = await validOf(lab, host, fresh.paths);
  assert.deepEqual(
    valid.filter((path) => !old.paths.includes(path)),
    [],
  );
}

/** Those of `paths` that are valid on the host. */
export async function validOf(lab: Hosts, host: string, paths: readonly string[]): Promise<string[]> {
  const argv = ['--store', lab.root(host), '--check-validity', '--print-invalid', ...paths];
  const { stdout } = await nix('2.8').run('nix-store', argv, { mayFail: true });
  const invalid = new Set(stdout.split('\n'));
  return paths.filter((path) => !invalid.has(path));
}
