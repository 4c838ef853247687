// Lines a file and a function of the source, with the tail by name: shows where it grows. Informational: nothing fails.
// Functions are counted by oxlint, whose parser is here anyway.

import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMain, projectDir } from './project.ts';

interface Size {
  readonly name: string;
  readonly lines: number;
}

/** Where we would like to be. */
const goals = { file: { median: 100, p90: 250 }, function: { p90: 30 } };
const shown = 5;

export function fileSizes(): Size[] {
  return globSync('src/**/*.ts', { cwd: projectDir }).map((name) => ({
    name,
    lines: readFileSync(join(projectDir, name), 'utf8').split('\n').length - 1,
  }));
}

export function functionSizes(): Size[] {
  const temp = mkdtempSync(join(tmpdir(), 'narrow-size-'));
  try {
    const config = join(temp, 'rules.json');
    const rules = { 'max-lines-per-function': ['error', { max: 0, IIFEs: true }] };
    writeFileSync(config, JSON.stringify({ categories: { correctness: 'off' }, rules }));
    const { stdout } = spawnSync('node_modules/.bin/oxlint', ['-c', config, '-f', 'unix', 'src'], {
      cwd: projectDir,
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
    });
    return [...stdout.matchAll(/^(.*?:\d+):\d+: The (.*?) has too many lines \((\d+)\)/gm)].map(
      ([, place, what, lines]) => ({ name: `${place} ${what!.replaceAll('`', '')}`, lines: Number(lines) }),
    );
  } finally {
    rmSync(temp, { recursive: true });
  }
}

function at(sizes: readonly Size[], part: number): number {
  return sizes[Math.min(sizes.length - 1, Math.floor(sizes.length * part))]?.lines ?? 0;
}

/** One line of figures, and the largest ones beyond `p90`. */
export function report(kind: string, sizes: readonly Size[], goal: { median?: number; p90: number }): string[] {
  const sorted = sizes.toSorted((a, b) => a.lines - b.lines);
  const figures = `median ${at(sorted, 0.5)}, p90 ${at(sorted, 0.9)}, max ${sorted.at(-1)?.lines ?? 0}`;
  const aim = goal.median === undefined ? `p90 ${goal.p90}` : `median ${goal.median}, p90 ${goal.p90}`;
  const beyond = sorted.filter(({ lines }) => lines > goal.p90).toReversed();
  const tail = beyond.slice(0, shown).map(({ name, lines }) => `  ${String(lines).padStart(4)}  ${name}`);
  const more = beyond.length > shown ? [`        and ${beyond.length - shown} more`] : [];
  return [`${sizes.length} ${kind}s, lines: ${figures} (aim: ${aim})`, ...tail, ...more];
}

if (isMain(import.meta)) {
  for (const line of report('file', fileSizes(), goals.file)) console.log(line);
  for (const line of report('function', functionSizes(), goals.function)) console.log(line);
}
