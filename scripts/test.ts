// Runs the tests, `scripts/test.ts FILTER…` only those whose path contains a FILTER. Plain tests share one process, which is
// fast; those that start other programs get a process a file, two at a time. One line a file, failures in full, and at
// the end the counts as node's own runner prints them. Skipped tests count as failures: what is missing has to be said.
import { availableParallelism } from 'node:os';
import { globSync } from 'node:fs';
import { join, relative } from 'node:path';
import { run } from 'node:test';
import type { EventData } from 'node:test';
import { inspect } from 'node:util';
import { dropOldClosures } from '../test/lab/closures.ts';

const project = join(import.meta.dirname, '..');
/** Folders whose tests want a process of their own: they change mounts, limits or signals, or leave children. */
const isolated = /^test\/(interop|e2e|faults|lab)\//;
/** No test may take longer than this many milliseconds. */
const timeout = Number(process.env['TEST_TIMEOUT'] ?? 300_000);

// the declarations leave one out
type Counts = EventData.TestSummary['counts'] & { failed: number };
type Failure = EventData.TestFail & { readonly path: string };

const total: Counts = { tests: 0, suites: 0, passed: 0, failed: 0, cancelled: 0, skipped: 0, todo: 0, topLevel: 0 };
const failures: Failure[] = [];

/** What one file's tests came to; printed once all of it is known. */
interface FileResult {
  tests: number;
  failed: number;
  milliseconds: number;
}

async function runFiles(files: readonly string[], isolation: 'none' | 'process'): Promise<void> {
  if (files.length === 0) return;
  const results = new Map<string, FileResult>();
  const note = (data: EventData.TestPass | EventData.TestFail, failed: boolean): void => {
    const path = relative(project, data.file ?? '');
    const result = results.get(path) ?? { tests: 0, failed: 0, milliseconds: 0 };
    results.set(path, result);
    if (data.details.type !== 'suite') result.tests++;
    if (failed) result.failed++;
    if (failed) failures.push({ ...(data as EventData.TestFail), path });
    if (data.nesting === 0) result.milliseconds += data.details.duration_ms;
  };
  const concurrency = isolation === 'process' ? Math.min(2, availableParallelism()) : 1;
  const stream = run({
    files: files.map((file) => join(project, file)),
    cwd: project,
    isolation,
    concurrency,
    timeout,
    // a program that a failed test left running is not to keep its file's process
    ...(isolation === 'process' && { execArgv: ['--disable-warning=ExperimentalWarning', '--test-force-exit'] }),
  });
  stream.on('test:pass', (data) => note(data, false));
  stream.on('test:fail', (data) => note(data, true));
  stream.on('test:stderr', (data) => process.stderr.write(data.message));
  stream.on('test:summary', (data) => {
    if (data.file !== undefined) return print(relative(project, data.file), results.get(relative(project, data.file)));
    for (const key of Object.keys(total) as (keyof Counts)[]) total[key] += (data.counts as Counts)[key];
  });
  for await (const event of stream) void event;
  if (isolation === 'none') for (const [path, result] of results) print(path, result);
}

function print(path: string, result: FileResult | undefined): void {
  if (result === undefined) return;
  const mark = result.failed > 0 ? '✖' : '✔';
  console.log(`${mark} ${path}: ${result.tests} tests, ${(result.milliseconds / 1000).toFixed(2)} s`);
}

function printFailures(): void {
  for (const { path, name, line, details } of failures) {
    const cause = details.error.cause ?? details.error;
    // a parent that only says that its subtests failed adds nothing
    if (typeof cause === 'string' && /subtests? failed/.test(cause)) continue;
    console.log(
      `\n✖ ${path}:${line ?? 0} ${name}\n${typeof cause === 'string' ? cause : inspect(cause)}`.replaceAll(
        '\n',
        '\n  ',
      ),
    );
  }
}

const filters = process.argv.slice(2);
const files = globSync('test/**/*.test.ts', { cwd: project })
  .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)))
  .sort();
const started = performance.now();
if (filters.length === 0) dropOldClosures();
await runFiles(
  files.filter((file) => !isolated.test(file)),
  'none',
);
await runFiles(
  files.filter((file) => isolated.test(file)),
  'process',
);
printFailures();

const bad = total.failed + total.cancelled + total.skipped + total.todo;
if (total.tests === 0) console.log('\nno tests ran');
if (total.skipped + total.todo > 0) console.log('\nskipped tests count as failures');
console.log(`
# tests ${total.tests}
# suites ${total.suites}
# pass ${total.passed}
# fail ${total.failed}
# cancelled ${total.cancelled}
# skipped ${total.skipped}
# todo ${total.todo}
# duration_ms ${performance.now() - started}`);
// a handle that some test left open is not to keep the run alive
process.exit(bad > 0 || total.tests === 0 ? 1 : 0);
