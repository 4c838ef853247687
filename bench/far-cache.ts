// How much of a long and narrow line do pushes to and copies from a cache fill when all paths are tiny, and how many paths a second
// are looked up? 100 ms, 10 Mbit/s. S3 by a server of the tests, which stock Nix speaks to as well; SFTP by a real sshd on a host of the
// laboratory, which needs root.

import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { generate } from '../test/lab/generate.ts';
import { startHosts } from '../test/lab/hosts.ts';
import { nix } from '../test/lab/nix.ts';
import type { RelayStats } from '../test/lab/relay.ts';
import { run as runProgram } from '../test/lab/run.ts';
import type { RunResult } from '../test/lab/run.ts';
import { remove, scratch } from './corpus.ts';
import { childrenCpu } from './harness.ts';
import { median } from './stats.ts';

/** One way, in milliseconds, and bytes a second each way. */
const [delay, rate] = [50, 1_250_000];
const [paths, bytes] = [1500, 200];
/** Looked up at once; none of them is there. */
const questions = 5000;
const sampled = 50;

/** A cache at the other end of the line. */
interface Far {
  readonly name: string;
  readonly url: string;
  /** Stock Nix speaks this. */
  readonly forNix: boolean;
  /** Runs a command with these paths on its standard input. */
  run(argv: readonly string[], input: string): Promise<RunResult>;
  /** Empties the cache. */
  clear(): Promise<unknown>;
  stats(): Promise<RelayStats>;
  /** Requests so far, where they are counted. */
  requests(): Promise<number | undefined>;
}

interface Measured {
  readonly seconds: number;
  readonly cpu: number;
  readonly up: number;
  readonly down: number;
  readonly requests: number | undefined;
  /** Of the line's rate, between 15 and 97 % of the bytes of the busier direction: without the login and the end. */
  readonly share: number;
}

/** Longest chains of paths: of 37, as systems have them, and of three. */
const shapes = [
  { name: 'deep', references: 6 },
  { name: 'flat', references: 1 },
] as const;

export async function run(narrow: string, rounds: number): Promise<void> {
  const dir = scratch('far-cache');
  const others = join(dir, 'others');
  const lost = await generate(others, { paths: questions, bytes, seed: 'others' });
  console.log(
    `\na cache behind ${2 * delay} ms, ${(rate * 8) / 1e6} Mbit/s; ${paths} paths with a file of ${bytes} bytes`,
  );
  const names = (process.env['CACHES'] ?? 's3 sftp').split(' ');
  for (const { name, references } of shapes) {
    const root = join(dir, name);
    const all = await generate(root, { paths, bytes, references });
    const rows = async (far: Far): Promise<void> => {
      const results = new Map<string, Measured[]>();
      for (let round = 0; round < rounds; round++)
        await copies({ narrow, far, root, all, results, dir: `${dir}/${round}` });
      if (name === 'deep') await lookUps({ narrow, far, root: others, all: lost, results, dir });
      console.log(`${far.name}, ${name}, medians of ${rounds}`);
      for (const [title, list] of results) print(title, list);
      remove(join(dir, '0'));
    };
    if (names.includes('s3')) await onS3(dir, rows);
    if (names.includes('sftp')) await onSftp(rows);
  }
  remove(dir);
}

interface Turn {
  readonly narrow: string;
  readonly far: Far;
  /** Of the store that has the paths. */
  readonly root: string;
  readonly all: readonly string[];
  readonly results: Map<string, Measured[]>;
  readonly dir: string;
  /** Also by stock Nix, which takes minutes. */
  readonly stock?: boolean;
}

async function row({ far, all, results }: Turn, title: string, ...argv: readonly string[]): Promise<void> {
  const result = await measured(far, argv, all.join('\n'));
  results.set(title, [...(results.get(title) ?? []), result]);
}

async function copies(turn: Turn): Promise<void> {
  const { narrow, far, root, dir, stock = false } = turn;
  const cache = `${far.url}compression=none`;
  remove(dir);
  const copy = [narrow, 'copy', '--no-check-sigs', '--stdin'];
  const up = ['--from', `local?root=${root}`, '--to', cache];
  await far.clear();
  await row(turn, 'up', ...copy, ...up);
  await row(turn, 'up again, all there', ...copy, ...up);
  await row(turn, 'down', ...copy, '--from', cache, '--to', `local?root=${dir}/back`);
  if (!far.forNix || !stock) return;
  const nixCopy = [join(nix('current').bin, 'nix'), 'copy', '--no-check-sigs', '--stdin'];
  await far.clear();
  await row(turn, `up by nix ${nix('current').label}`, ...nixCopy, '--from', root, '--to', cache);
  await row(turn, `down by nix ${nix('current').label}`, ...nixCopy, '--from', cache, '--to', `${dir}/back-nix`);
}

async function lookUps(turn: Turn): Promise<void> {
  const { narrow, far, root } = turn;
  const argv = [narrow, 'missing', '--stdin', '--store', far.url, '--from', `local?root=${root}`];
  await row(turn, `${questions} looked up`, ...argv);
}

function print(title: string, list: readonly Measured[]): void {
  const middle = (value: (one: Measured) => number): number => median(list.map(value));
  const [seconds, cpu, share] = [middle((m) => m.seconds), middle((m) => m.cpu), middle((m) => m.share)];
  const [up, down] = [middle((m) => m.up), middle((m) => m.down)];
  const requests = list[0]!.requests === undefined ? '' : `, ${middle((m) => m.requests ?? 0)} requests`;
  const carried = Math.max(up, down) / rate;
  console.log(
    `  ${title.padEnd(28)} ${seconds.toFixed(2).padStart(6)} s, ${cpu.toFixed(2)} s CPU; ${up} bytes up, ${down} down${requests}; ` +
      `the line needs ${carried.toFixed(2)} s; ${(100 * share).toFixed(0)} % of it (${list.map((m) => (100 * m.share).toFixed(0)).join(' ')})`,
  );
}

async function measured(far: Far, argv: readonly string[], input: string): Promise<Measured> {
  const before = await far.stats();
  const asked = await far.requests();
  const samples: (readonly [at: number, up: number, down: number])[] = [];
  const [cpu, started] = [childrenCpu(), performance.now()];
  const ended = far.run(argv, input);
  for (let result: RunResult | undefined; result === undefined;) {
    result = await Promise.race([ended, sleep(sampled, undefined)]);
    const { toServer, toClient } = await far.stats();
    samples.push([performance.now(), toServer - before.toServer, toClient - before.toClient]);
    // 3: something is missing, which is what is asked
    if (result && result.status !== 0 && result.status !== 3) throw new Error(result.stderr.slice(-4000));
  }
  const seconds = (performance.now() - started) / 1000;
  const [, up, down] = samples.at(-1)!;
  const requests = asked === undefined ? undefined : (await far.requests())! - asked;
  return { seconds, cpu: childrenCpu() - cpu, up, down, requests, share: shareOf(samples, up > down ? 1 : 2) };
}

function shareOf(samples: readonly (readonly [number, number, number])[], direction: 1 | 2): number {
  const total = samples.at(-1)![direction];
  const after = (share: number): readonly [number, number, number] =>
    samples.find((sample) => sample[direction] >= share * total)!;
  const [first, last] = [after(0.15), after(0.97)];
  return (last[direction] - first[direction]) / ((last[0] - first[0]) / 1000) / rate;
}

async function onS3(dir: string, use: (far: Far) => Promise<void>): Promise<void> {
  await using server = await Program.start('s3-server.ts', { open: 'write' });
  await using relay = await Program.start('relay.ts', { to: `127.0.0.1:${server.port}`, delay, rate });
  const home = join(dir, 'home');
  mkdirSync(home, { recursive: true });
  const env = {
    ...nix('2.8').env(),
    HOME: home,
    XDG_STATE_HOME: join(home, 'state'),
    AWS_ACCESS_KEY_ID: 'AKLAB',
    AWS_SECRET_ACCESS_KEY: 'lab-secret',
    AWS_EC2_METADATA_DISABLED: 'true',
  };
  await use({
    name: 'S3',
    url: `s3://cache?endpoint=127.0.0.1:${relay.port}&scheme=http&region=us-east-1&`,
    run: (argv, input) => runProgram(argv, { env, input, timeout: 600_000, mayFail: true }),
    clear: () => server.ask('clear'),
    forNix: true,
    stats: async () => JSON.parse(await relay.ask('stats')) as RelayStats,
    requests: async () => Number(await server.ask('')),
  });
}

async function onSftp(use: (far: Far) => Promise<void>): Promise<void> {
  await using lab = await startHosts({ work: { nix: 'none' }, pi: { nix: 'none' } });
  await using relay = await lab.relay('work', { to: 'pi:22', delay, rate });
  await lab.exec('work', ['sh', '-c', `printf 'Host 127.0.0.1\\n  Port ${relay.port}\\n' > /root/.ssh/config`]);
  const env = { NIX_SSHOPTS: '-oHostKeyAlias=pi -oControlMaster=no' };
  await use({
    name: 'SFTP',
    url: 'sftp://127.0.0.1/~/cache?',
    run: (argv, input) => lab.exec('work', argv, { env, input, timeout: 600_000, mayFail: true }),
    clear: () => lab.exec('pi', ['rm', '-rf', '/root/cache']),
    forNix: false,
    stats: () => relay.stats(),
    requests: () => Promise.resolve(undefined),
  });
}

/** A file of test/lab as a process of its own, which prints its port first and then answers line by line. */
class Program implements AsyncDisposable {
  readonly port: number;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: Interface;

  private constructor(child: ChildProcessByStdio<Writable, Readable, null>, lines: Interface, port: number) {
    this.#child = child;
    this.#lines = lines;
    this.port = port;
  }

  static async start(file: string, options: unknown): Promise<Program> {
    const script = join(import.meta.dirname, '../test/lab', file);
    const argv = ['--disable-warning=ExperimentalWarning', script, JSON.stringify(options)];
    const child = spawn(process.execPath, argv, { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: child.stdout });
    const [first] = (await once(lines, 'line')) as [string];
    return new Program(child, lines, Number(first));
  }

  async ask(what: string): Promise<string> {
    this.#child.stdin.write(`${what}\n`);
    const [line] = (await once(this.#lines, 'line')) as [string];
    return line;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end();
    if (this.#child.exitCode === null) await once(this.#child, 'close');
  }
}
