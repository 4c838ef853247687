// narrow bundle missing: what has to be sent again, or beside it, before a bundle can be applied.

import type { Command } from 'commander';
import { findLack } from '../../bundle/missing.ts';
import type { Lack } from '../../bundle/missing.ts';
import { formatRequest } from '../../bundle/request.ts';
import { obstacleLines } from '../../bundle/verify.ts';
import { writeAtomically } from '../../fs/atomic-file.ts';
import { damageError } from '../../store/bundle/volume-file.ts';
import { openStore, openWritable } from '../../store/open.ts';
import type { Context } from '../context.ts';
import { openContext } from '../context.ts';
import { count, formatBytes } from '../output/human.ts';
import { allVolumes } from './bundle-show.ts';

interface MissingOptions {
  readonly to: string;
  readonly out?: string;
  readonly json?: boolean;
}

export function defineMissing(command: Command, context: Context): void {
  command
    .description(
      'Say what has to be sent before a bundle can be applied: volumes that are lost or damaged, paths that are not there any ' +
        'more. With -o write that down, for narrow bundle create --request. Exit status 3 when something is missing.',
    )
    .argument('<files...>', 'what has arrived of the bundle; of several files one will do when they lie side by side')
    .option('--to <url>', 'the store that it is to be applied to', 'auto')
    .option('-o, --out <file>', 'the request, to be carried back')
    .option('--json', 'print a JSON object')
    .addHelpText('after', examples)
    .action((files: string[], options: MissingOptions) => runMissing(files, options, context));
}

const examples = `
Examples:
  narrow bundle missing -o next.request next.bundle.001                          # there
  narrow bundle create --request next.request -o again.bundle next.bundle.001    # here
  narrow bundle apply again.bundle next.bundle.001                               # there`;

async function runMissing(files: readonly string[], options: MissingOptions, context: Context): Promise<void> {
  const open = openContext(context);
  await using destination = await openWritable(options.to, open);
  const lack = await findLack({
    files: allVolumes(files),
    destination,
    trustedKeys: open.trustedKeys,
    openCache: (url) => openStore(url, open),
    signal: context.signal,
  });
  const asks = lack.volumes.length > 0 || lack.after !== undefined || lack.paths.length > 0;
  if (asks) context.status = 3;
  if (options.json) await context.out(JSON.stringify(lackJson(lack)));
  else for (const line of lackLines(lack, asks, options.to)) context.say(line);
  if (!asks || options.out === undefined) return;
  const bytes = await formatRequest(lack);
  await writeAtomically(options.out, bytes);
  context.say(`${options.out}: ${formatBytes(bytes.length)}`);
}

function lackLines(
  { volumes, after, damages, unreadable, paths, others, checkedPaths }: Lack,
  asks: boolean,
  to: string,
): string[] {
  const lines = [...unreadable, ...damages.map(damageError)].map(({ message }) => message);
  if (volumes.length > 0) lines.push(`to be sent again: volume ${volumes.join(', ')}`);
  if (after !== undefined) lines.push(`to be sent again: all volumes after ${after}`);
  if (!checkedPaths) lines.push('whether paths are missing can be told when the volumes are there');
  for (const { path, differs, baseOf } of paths) {
    const what = baseOf.length > 0 ? `${count(baseOf.length, 'path')} are made from it` : 'paths refer to it';
    lines.push(`${to} ${differs ? 'has other contents under' : 'does not have'} ${path}, and ${what}`);
  }
  if (!asks) lines.push('nothing is missing');
  return [...lines, ...obstacleLines(others)];
}

function lackJson({ bundle, volumes, after, damages, unreadable, paths, others }: Lack): Record<string, unknown> {
  return { bundle, volumes, after, damages, unreadable, paths, others };
}
