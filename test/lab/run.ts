// Child processes of tests: run to the end, status and output as values, failures that show both.
import { spawn } from 'node:child_process';
import type { SpawnOptions } from 'node:child_process';
import type { Readable } from 'node:stream';

export interface RunOptions {
  readonly cwd?: string | undefined;
  /** The whole environment, not an addition. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly input?: Uint8Array | string | undefined;
  /** Milliseconds until SIGKILL; default two minutes, so that nothing hangs. */
  readonly timeout?: number | undefined;
  /** Do not throw at a status other than 0. */
  readonly mayFail?: boolean | undefined;
}

export interface RunResult {
  /** Exit status; 128 + n after signal n is not used: `signal` says it and status is -1. */
  readonly status: number;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output as it came. */
  readonly bytes: Buffer;
}

async function collect(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Runs a program to its end. Throws with its output when it fails, unless `mayFail`. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const spawned: SpawnOptions = {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: ['pipe', 'pipe', 'pipe'],
  };
  const child = spawn(argv[0] ?? 'false', argv.slice(1), spawned);
  // not spawn's own timeout: its timer outlives a program that could not be started
  const timer = setTimeout(() => child.kill('SIGKILL'), options.timeout ?? 120_000);
  const ended = new Promise<[number, NodeJS.Signals | null]>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve([code ?? -1, signal]));
  });
  // a program that ends without reading its input is no failure of ours
  child.stdin?.on('error', () => {});
  child.stdin?.end(options.input ?? '');
  const [[status, signal], bytes, errors] = await Promise.all([
    ended,
    collect(child.stdout as Readable),
    collect(child.stderr as Readable),
  ]).finally(() => clearTimeout(timer));
  const result = { status, signal, bytes, stdout: bytes.toString(), stderr: errors.toString() };
  if (status !== 0 && options.mayFail !== true) throw failure(argv, result);
  return result;
}

function failure(argv: readonly string[], result: RunResult): Error {
  const how = result.signal === null ? `status ${result.status}` : `signal ${result.signal}`;
  return new Error(`${argv.join(' ')}: ${how}\n${result.stderr.slice(-4000)}${result.stdout.slice(-2000)}`);
}
