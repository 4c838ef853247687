// What the tests of stores over ssh have in common: hosts with a closure, and narrow run on one of them.
import assert from 'node:assert/strict';
import { command } from '../e2e/narrow.ts';
import type { Closure } from '../lab/closures.ts';
import { startHosts } from '../lab/hosts.ts';
import type { HostOptions, Hosts } from '../lab/hosts.ts';
import type { RunResult } from '../lab/run.ts';

export const labels = ['2.8', '2.26', 'current'] as const;
export const schemes = ['ssh', 'ssh-ng'] as const;

/** A host `work` with a closure, and others. */
export async function start(hosts: Readonly<Record<string, HostOptions>>, what: Closure): Promise<Hosts> {
  const lab = await startHosts({ work: {}, ...hosts });
  await lab.seed('work', what.root, [what.top]);
  return lab;
}

export function narrow(lab: Hosts, args: readonly string[], env: Record<string, string> = {}): Promise<RunResult> {
  return lab.exec('work', [command, ...args], { mayFail: true, timeout: 60_000, env });
}

/** Runs `narrow copy --no-check-sigs`, which is to work; what it says. */
export async function copies(lab: Hosts, args: readonly string[], env?: Record<string, string>): Promise<string> {
  const result = await narrow(lab, ['copy', '--no-check-sigs', ...args], env);
  assert.equal(result.status, 0, result.stderr);
  return result.stderr;
}

/** The same, which is to fail with one error. */
export async function fails(
  lab: Hosts,
  args: readonly string[],
  env?: Record<string, string>,
  status = 1,
): Promise<string> {
  const result = await narrow(lab, ['copy', '--no-check-sigs', ...args], env);
  assert.equal(result.status, status, result.stderr);
  const errors = result.stderr.split('\n').filter((line) => line.startsWith('narrow: '));
  assert.equal(errors.length, 1, result.stderr);
  return result.stderr;
}
