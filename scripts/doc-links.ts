// Checks that every relative link and every path named as `src/…`, `scripts/…` or `test/…` in the pages exists: a page
// that sends its reader nowhere is worse than none.

import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { projectDir } from './project.ts';

const pages = [...globSync('*.md', { cwd: projectDir }), ...globSync('docs/**/*.md', { cwd: projectDir })].toSorted();

/** Links as they lead from the page, and paths in code marks as they lead from the top. */
function* targetsOf(page: string, line: string): Generator<string> {
  for (const [, to] of line.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
    if (!/^[a-z]+:/.test(to!)) yield join(dirname(page), to!);
  }
  for (const [, to] of line.matchAll(/`((?:src|scripts|test|docs|bench)\/[\w./-]+)`/g)) yield to!;
}

for (const page of pages) {
  for (const [index, line] of readFileSync(join(projectDir, page), 'utf8').split('\n').entries()) {
    for (const target of targetsOf(page, line)) {
      if (existsSync(join(projectDir, target))) continue;
      console.error(`${page}:${index + 1}: ${target} is not there`);
      process.exitCode = 1;
    }
  }
}
