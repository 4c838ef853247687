// A process that runs a range of cases: what a case does to memory, or to the process itself, is this one's alone.

import { closeSync, openSync, writeSync } from 'node:fs';
import { Fuzzer } from '../test/delta/fuzz/cases.ts';

/** What became of a range of cases. */
export interface Fates {
  readonly subjects: readonly { readonly name: string; readonly taken: number; readonly refused: number }[];
  readonly bugs: readonly string[];
  readonly slowest: { readonly ms: number; readonly number: number };
  /** Resident bytes, the most there were. */
  readonly peak: number;
}

/**
 * Resident bytes that are not garbage alone: Node with its heap, a batch of 64 MiB, a window of 32 MiB, contents of a packed
 * file of 24 MiB and what packs them.
 */
const residentLimit = 600e6;

async function work(progress: string, from: number, end: number): Promise<void> {
  const fuzzer = await Fuzzer.start();
  const subjects = new Map(fuzzer.subjects().map(({ name }) => [name, { name, taken: 0, refused: 0 }]));
  const bugs: string[] = [];
  const slowest = { ms: 0, number: from };
  const file = openSync(progress, 'w');
  let peak = 0;
  for (let number = from; number < end; number++) {
    writeSync(file, `${number}`, 0);
    const started = performance.now();
    try {
      const { subject, taken } = await fuzzer.run(number);
      subjects.get(subject)![taken ? 'taken' : 'refused']++;
    } catch (error) {
      bugs.push(error instanceof Error ? error.message : String(error));
    }
    const ms = performance.now() - started;
    if (ms > slowest.ms) Object.assign(slowest, { ms, number });
    const resident = process.resourceUsage().maxRSS * 1024;
    if (resident > residentLimit && peak <= residentLimit) bugs.push(`case ${number}: ${resident} bytes resident`);
    peak = resident;
  }
  closeSync(file);
  const fates: Fates = { subjects: [...subjects.values()], bugs, slowest, peak };
  await new Promise<void>((resolve) => process.send!(fates, () => resolve()));
  process.disconnect();
}

const [progress, from, end] = process.argv.slice(2);
await work(progress!, Number(from), Number(end));
