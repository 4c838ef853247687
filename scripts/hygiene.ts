// What must not get into the repository: paths of the machine it was written on, where packages were fetched from, tests that
// do not run, notes of things not done.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { projectDir } from './project.ts';

interface Rule {
  readonly what: string;
  readonly pattern: RegExp;
  /** Only files whose name matches; default all that are text. */
  readonly files?: RegExp;
}

const literally = (text: string): RegExp => new RegExp(RegExp.escape(text));
const code = /\.(ts|js|sh)$/;

/** The names are in pieces, or this file would be the first to be found. */
const rules: readonly Rule[] = [
  { what: 'a path of this machine', pattern: literally(`${projectDir}/`) },
  // root's home stands for itself in examples
  ...(homedir().startsWith('/home/') ? [{ what: 'a path of this machine', pattern: literally(`${homedir()}/`) }] : []),
  {
    what: 'where a package was fetched from',
    pattern: /"resolved"\s*:/,
    files: /(^|\/)(package-lock|npm-shrinkwrap)\.json$/,
  },
  {
    what: 'a test that does not run',
    pattern: /\b(test|it|suite|describe)\.(skip|todo|only)\b|\bt\.(skip|todo)\(|[{,]\s*(skip|todo|only)\s*:/,
    files: /^test\/.*\.ts$/,
  },
  {
    what: 'a note of something not done',
    pattern: new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX'].join('|')})\\b`),
    files: code,
  },
];

/** The files of the checkout that git knows or would take; those of golden outputs are others' bytes. */
function trackedFiles(): string[] {
  const { stdout } = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: projectDir,
    encoding: 'utf8',
  });
  return stdout.split('\0').filter((file) => file !== '' && !file.startsWith('test/golden/'));
}

function faultsOf(file: string): string[] {
  let text: string;
  try {
    text = readFileSync(join(projectDir, file), 'utf8');
  } catch {
    return []; // deleted, not yet committed
  }
  const applying = rules.filter((rule) => (rule.files?.test(file) ?? true) && rule.pattern.test(text));
  return applying.flatMap(({ what, pattern }) =>
    text.split('\n').flatMap((line, at) => (pattern.test(line) ? [`${file}:${at + 1}: ${what}`] : [])),
  );
}

const faults = trackedFiles().flatMap(faultsOf);
for (const line of faults) console.error(line);
if (faults.length > 0) process.exitCode = 1;
