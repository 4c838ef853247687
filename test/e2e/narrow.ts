// Our command as a process, as users run it: ./narrow of the checkout, or whatever $NARROW names (an installed package).
import { join } from 'node:path';
import { nix } from '../lab/nix.ts';
import { run } from '../lab/run.ts';
import type { RunOptions, RunResult } from '../lab/run.ts';
import { projectDir, tempDir } from '../lab/temp.ts';

export const command: string = process.env['NARROW'] ?? join(projectDir, 'narrow');

const home = tempDir('narrow-home');

/** An empty home and none of the machine's Nix settings; the lab's Nix on the PATH. */
export function environment(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  return { ...nix('2.8').env(), HOME: home, XDG_STATE_HOME: join(home, 'state'), ...more };
}

/** Runs `narrow ARGS`; throws unless it ends with 0 (or `mayFail`). */
export function narrow(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return run([command, ...args], { ...options, env: environment(options.env) });
}

/** Runs `narrow ARGS`, which is to end with `status`; what it says on standard error. */
export async function fails(status: number, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const result = await narrow(args, { ...options, mayFail: true });
  if (result.status !== status)
    throw new Error(`narrow ${args.join(' ')}: expected status ${status}, got ${result.status}\n${result.stderr}`);
  return result.stderr;
}
