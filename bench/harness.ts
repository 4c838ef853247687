// Measures commands as whole processes: runs of the contestants are interleaved, so that whatever else the machine does
// hits all alike, and medians are compared as ratios. Peak memory is summed over the process and its children.

import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, readdirSync } from 'node:fs';
import { median } from './stats.ts';

export interface Contestant {
  readonly name: string;
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Standard input and output are files. */
  readonly stdin?: string;
  readonly stdout?: string;
  /** Before each run, not measured: removes what the last one left. */
  readonly prepare?: () => void;
  /** After each run, not measured: throws when the result is wrong. */
  readonly check?: () => void;
}

export interface Run {
  readonly seconds: number;
  /** Of all its threads and children together, user and system. */
  readonly cpuSeconds: number;
  /** Bytes, the largest sum of resident memory seen; sampled every 20 ms. */
  readonly peak: number;
}

export interface Measured {
  readonly name: string;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly min: number;
  readonly max: number;
  readonly peak: number;
}

const samplePeriod = 20;

/** Runs every contestant `rounds` times, in turn. Throws when one fails. */
export async function measure(contestants: readonly Contestant[], rounds: number): Promise<Measured[]> {
  const runs = new Map<string, Run[]>(contestants.map((c) => [c.name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const contestant of contestants) {
      contestant.prepare?.();
      runs.get(contestant.name)!.push(await runOnce(contestant));
      contestant.check?.();
    }
  }
  return [...runs].map(([name, all]) => {
    const seconds = all.map((r) => r.seconds);
    return {
      name,
      seconds: median(seconds),
      cpuSeconds: median(all.map((r) => r.cpuSeconds)),
      min: Math.min(...seconds),
      max: Math.max(...seconds),
      peak: Math.max(...all.map((r) => r.peak)),
    };
  });
}

async function runOnce({ name, argv, env, stdin, stdout }: Contestant): Promise<Run> {
  const input = openSync(stdin ?? '/dev/null', 'r');
  const output = openSync(stdout ?? '/dev/null', 'w');
  const cpuBefore = childrenCpu();
  const started = process.hrtime.bigint();
  const child = spawn(argv[0]!, argv.slice(1), { stdio: [input, output, 'pipe'], env: { ...process.env, ...env } });
  let errors = '';
  child.stderr!.on('data', (text: Buffer) => (errors = `${errors}${text.toString()}`.slice(-4000)));
  let peak = 0;
  const timer = setInterval(() => (peak = Math.max(peak, residentTree(child.pid!))), samplePeriod);
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.on('error', reject);
  child.on('exit', resolve);
  const status = await promise.finally(() => clearInterval(timer));
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  closeSync(input);
  closeSync(output);
  if (status !== 0) throw new Error(`${name} ended with ${status}: ${argv.join(' ')}\n${errors}`);
  return { seconds, cpuSeconds: childrenCpu() - cpuBefore, peak };
}

/** CPU seconds of all children that have ended, by the kernel's clock of 100 Hz. */
export function childrenCpu(): number {
  const fields = readFileSync('/proc/self/stat', 'latin1')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[13]) + Number(fields[14])) / 100;
}

/** Resident bytes of a process and all below it. Shared pages count in each, which is to the disadvantage of many. */
function residentTree(root: number): number {
  const parents = new Map<number, number>();
  const resident = new Map<number, number>();
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    try {
      const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
        .replace(/^.*\) /s, '')
        .split(' ');
      parents.set(pid, Number(fields[1]));
      resident.set(pid, Number(fields[21]) * 4096);
    } catch {
      // it ended between the listing and the look
    }
  }
  let sum = 0;
  for (const [pid, bytes] of resident) {
    let at: number | undefined = pid;
    while (at !== undefined && at !== root && at > 1) at = parents.get(at);
    if (at === root) sum += bytes;
  }
  return sum;
}

/**
 * Prints a table: seconds, spread, CPU time (steadier than seconds on a busy machine), rate when `bytes` is given, memory,
 * and the ratio of each to `ours`.
 */
export function report(title: string, measured: readonly Measured[], ours: string, bytes?: number): void {
  const own = measured.find((m) => m.name === ours)!;
  console.log(`\n${title}`);
  for (const m of measured) {
    const cpu = `${m.cpuSeconds.toFixed(2).padStart(6)} s CPU`;
    const rate = bytes === undefined ? '' : `${(bytes / m.seconds / 1e6).toFixed(0).padStart(6)} MB/s`;
    const ratio = m === own ? '' : `narrow is ${(m.seconds / own.seconds).toFixed(2)} times as fast`;
    console.log(
      `  ${m.name.padEnd(22)} ${m.seconds.toFixed(3).padStart(9)} s  (${m.min.toFixed(2)}–${m.max.toFixed(2)}) ${cpu} ${rate}  ` +
        `${(m.peak / 1e6).toFixed(0).padStart(5)} MB  ${ratio}`,
    );
  }
}
