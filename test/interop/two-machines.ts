// What the tests of copies between two other machines have in common.
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Closure } from '../lab/closures.ts';
import { startHosts } from '../lab/hosts.ts';
import type { HostOptions, Hosts } from '../lab/hosts.ts';
import { nix } from '../lab/nix.ts';

/** `pi1` has a closure, `pi2` has not, and `work` wants it there. */
export async function start(
  what: Closure,
  hosts: Readonly<Record<string, HostOptions>>,
  paths: readonly string[] = [what.top],
): Promise<Hosts> {
  const lab = await startHosts({ work: {}, pi1: {}, pi2: {}, ...hosts });
  await lab.seed('pi1', what.root, paths);
  return lab;
}

export const between = (scheme: string): string[] => ['--from', `${scheme}://pi1`, '--to', `${scheme}://pi2`];

/** Bytes that `work` took in while `what` ran. */
export async function bytesOf(lab: Hosts, what: () => Promise<unknown>): Promise<number> {
  const before = await lab.bytes('work');
  await what();
  return (await lab.bytes('work')).in - before.in;
}

export async function there(lab: Hosts, what: Closure): Promise<void> {
  assert.equal(await nix('2.8').complaints(lab.root('pi2')), undefined);
  assert.equal((await nix('2.8').store(lab.root('pi2'), '-qR', what.top)).split('\n').length, what.paths.length);
}

/** Without this key root of the host cannot log in anywhere. */
export function loseKey(lab: Hosts, host: string): void {
  rmSync(join(lab.root(host), 'root/.ssh/id_ed25519'));
}

/** Neither host reaches the other, and both are told so at once. */
export async function part(lab: Hosts, one: string, other: string): Promise<void> {
  await lab.exec(one, ['ip', 'route', 'add', 'unreachable', lab.address(other)]);
  await lab.exec(other, ['ip', 'route', 'add', 'unreachable', lab.address(one)]);
}

/** A program of the host's own, before all others in commands over ssh. */
export function install(lab: Hosts, host: string, name: string, script: string): void {
  mkdirSync(join(lab.root(host), 'root/bin'), { recursive: true });
  writeFileSync(join(lab.root(host), 'root/bin', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

export const ownPrograms: string = 'PATH=/root/bin:$PATH';
