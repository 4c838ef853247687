// Does any delta that a stranger sends do more than fail? A million cases: an error of narrow's own or a NAR of the announced
// size, in bounded time and memory. A case is its number: `FIRST=123 CASES=1 make bench BENCH=fuzz` is the same again.

import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { remove, scratch } from './corpus.ts';
import type { Fates } from './fuzz-worker.ts';

const cases = Number(process.env['CASES'] ?? 1_000_000);
const first = Number(process.env['FIRST'] ?? Math.floor(Math.random() * 2 ** 31));
/** A case takes milliseconds. */
const patience = 60_000;
/** MB of a worker's JavaScript heap; its resident memory is bounded in fuzz-worker.ts. */
const heapLimit = 192;

export async function run(): Promise<void> {
  // each waits for the threads that decompress
  const workers = Math.min(2 * availableParallelism(), cases);
  console.log(`\nfuzzing deltas: ${cases} cases from number ${first} on, ${workers} workers`);
  const started = performance.now();
  const share = Math.ceil(cases / workers);
  const dir = scratch('fuzz');
  const parts = Array.from({ length: workers }, (_, i) =>
    rangeOf(join(dir, `${i}`), first + i * share, first + Math.min(cases, (i + 1) * share)),
  );
  const all = (await Promise.all(parts)).flat();
  remove(dir);
  report(all, (performance.now() - started) / 1000);
  const bugs = all.flatMap((fates) => fates.bugs);
  for (const bug of bugs.slice(0, 20)) console.log(`  bug: ${bug}`);
  if (bugs.length > 0) throw new Error(`${bugs.length} of ${cases} cases did what they must not`);
}

/** Runs a range of cases; begins a new process behind each case that ended the one before, or did not end. */
async function rangeOf(progress: string, from: number, end: number): Promise<Fates[]> {
  const all: Fates[] = [];
  for (let next = from; next < end;) {
    writeFileSync(progress, `${next}`);
    const worker = fork(join(import.meta.dirname, 'fuzz-worker.ts'), [progress, `${next}`, `${end}`], {
      execArgv: [`--max-old-space-size=${heapLimit}`, '--disable-warning=ExperimentalWarning'],
    });
    let told: Fates | undefined;
    worker.on('message', (fates) => (told = fates as Fates));
    const how = await ended(worker, progress);
    if (told) all.push(told);
    if (how === undefined) return all;
    const at = Number(readFileSync(progress, 'utf8'));
    all.push({ subjects: [], bugs: [`case ${at}: ${how}`], slowest: { ms: 0, number: at }, peak: 0 });
    next = at + 1;
  }
  return all;
}

/** Undefined for an end as it should be, else what was wrong. */
async function ended(worker: ChildProcess, progress: string): Promise<string | undefined> {
  let last = '';
  let hangs = false;
  const watch = setInterval(() => {
    const now = readFileSync(progress, 'utf8');
    hangs = now === last;
    last = now;
    if (hangs) worker.kill('SIGKILL');
  }, patience);
  const [status, signal] = (await once(worker, 'exit').finally(() => clearInterval(watch))) as [number, string | null];
  if (hangs) return `no end after ${patience / 1000} s`;
  return status === 0 ? undefined : `the process ended with ${signal ?? status}`;
}

function report(all: readonly Fates[], seconds: number): void {
  const sums = new Map<string, { taken: number; refused: number }>();
  for (const { name, taken, refused } of all.flatMap(({ subjects }) => subjects)) {
    const sum = sums.get(name) ?? { taken: 0, refused: 0 };
    sums.set(name, { taken: sum.taken + taken, refused: sum.refused + refused });
  }
  for (const [name, { taken, refused }] of [...sums].sort(([a], [b]) => (a < b ? -1 : 1)))
    console.log(
      `  ${name.padEnd(28)} ${String(taken + refused).padStart(8)} cases, ${String(taken).padStart(7)} were taken`,
    );
  const slowest = all.map((fates) => fates.slowest).reduce((a, b) => (a.ms > b.ms ? a : b));
  const total = [...sums.values()].reduce((sum, { taken, refused }) => sum + taken + refused, 0);
  console.log(
    `  ${total} cases in ${seconds.toFixed(0)} s; the slowest took ${slowest.ms.toFixed(0)} ms (number ${slowest.number}); ` +
      `${(Math.max(...all.map(({ peak }) => peak)) / 1e6).toFixed(0)} MB resident at most`,
  );
}
