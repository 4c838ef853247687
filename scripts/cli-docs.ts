// docs/cli.md from the command table itself: what `narrow help` prints for every command and subcommand. Written with
// --write, and checked to be current without.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { processContext } from '../src/cli/context.ts';
import { programFor } from '../src/cli/main.ts';
import { between, projectDir, replaceBetween } from './project.ts';

const page = join(projectDir, 'docs/cli.md');
const context = processContext(new AbortController().signal);

/** The texts after an example, without the place it is printed at: commander hands them out only by printing. */
function helpOf(command: Command): string {
  let text = '';
  command
    .configureHelp({ helpWidth: 100 })
    .configureOutput({ writeOut: (part) => (text += part), getOutHasColors: () => false })
    .outputHelp();
  return text.trim();
}

function section(command: Command, level: string, prefix: string): string[] {
  const name = `${prefix} ${command.name()}`;
  const subcommands = command.commands.filter((one) => one.name() !== 'help');
  return [
    `${level} ${name}`,
    ['```', helpOf(command), '```'].join('\n'),
    ...subcommands.flatMap((one) => section(one, `${level}#`, name)),
  ];
}

const program = await programFor([], context);
const parts = ['```', helpOf(program), '```'].join('\n');
const sections: string[] = [];
for (const { name } of program.commands.map((command) => ({ name: command.name() }))) {
  const whole = await programFor([name], context);
  sections.push(
    ...section(
      whole.commands.find((command) => command.name() === name)!,
      '##',
      'narrow',
    ),
  );
}
const content = [parts, ...sections].join('\n\n');
const text = readFileSync(page, 'utf8');
if (process.argv.includes('--write')) writeFileSync(page, replaceBetween(text, 'commands', content));
else if (between(text, 'commands') !== content) {
  console.error('docs/cli.md is not current: run make format');
  process.exitCode = 1;
}
