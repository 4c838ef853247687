// `make check`: everything that can be said of the source without running it. One line a step with its time; a step that
// fails shows its tool's output, and the other steps still run. With --fix what can be written by a tool is written.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { projectDir } from './project.ts';

interface Step {
  readonly name: string;
  /** Program and arguments. */
  readonly run: readonly string[];
  /** The same with the changes made. */
  readonly fix?: readonly string[];
  /** Show the output though all is well. */
  readonly informs?: boolean;
}

const sources = ['src', 'test', 'scripts', 'bench', 'bin.js'].filter((name) => existsSync(join(projectDir, name)));
const script = (name: string, ...args: string[]): string[] => [process.execPath, `scripts/${name}.ts`, ...args];
const tool = (name: string, ...args: string[]): string[] => [`node_modules/.bin/${name}`, ...args];

const steps: readonly Step[] = [
  { name: 'layers', run: script('layers'), fix: script('layers', '--write') },
  { name: 'command line docs', run: script('cli-docs'), fix: script('cli-docs', '--write') },
  { name: 'links in docs', run: script('doc-links') },
  {
    name: 'format',
    run: tool('oxfmt', '--check', ...sources, '.oxlintrc.json'),
    fix: tool('oxfmt', '--write', ...sources, '.oxlintrc.json'),
  },
  { name: 'lint', run: tool('oxlint', '--type-aware', '--deny-warnings', ...sources) },
  { name: 'types', run: tool('tsc', '-p', 'tsconfig.json') },
  { name: 'hygiene', run: script('hygiene') },
  { name: 'sizes', run: script('size-report'), informs: true },
];

/** True when all is well. */
function runStep({ name, run, fix, informs }: Step, fixing: boolean): boolean {
  const started = performance.now();
  const { ok, output } = child((fixing ? fix : undefined) ?? run);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${ok ? 'ok  ' : 'FAIL'}  ${name.padEnd(18)} ${seconds.padStart(5)} s`);
  if (!ok || informs) process.stdout.write(output.replace(/^(?=.)/gm, '        '));
  return ok;
}

function child([program, ...args]: readonly string[]): { ok: boolean; output: string } {
  const result = spawnSync(program!, args, { cwd: projectDir, encoding: 'utf8', maxBuffer: 2 ** 26 });
  if (result.error) return { ok: false, output: `${program}: ${result.error.message}\n` };
  return { ok: result.status === 0, output: result.stdout + result.stderr };
}

const fixing = process.argv.includes('--fix');
const failed = steps.filter((step) => !runStep(step, fixing));
if (failed.length > 0) {
  console.log(`failed: ${failed.map((step) => step.name).join(', ')}`);
  process.exitCode = 1;
}
