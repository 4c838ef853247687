// The options of narrow bundle create, and which of them do not go together.

import { Option } from 'commander';
import type { Command } from 'commander';
import type { CarryFormat } from '../../bundle/formats/carry.ts';
import { NarrowError } from '../../errors.ts';
import { leastVolume } from '../../store/bundle/volume-writer.ts';
import { parseSize } from '../amounts.ts';
import { repeat } from '../options.ts';
import type { OtherSideOptions } from '../other-side.ts';

export interface CreateOptions extends OtherSideOptions {
  readonly out: string;
  readonly store: string;
  readonly substitutable?: readonly string[];
  readonly request?: string;
  readonly derivation?: boolean;
  readonly buildClosure?: boolean;
  readonly sign?: readonly string[];
  readonly level: 'fast' | 'best';
  readonly volumeSize?: string;
  readonly format: 'narrow' | CarryFormat;
  readonly selfExtract?: boolean;
  readonly compression?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly stdin?: boolean;
}

/** For whom the bundle is, and what that leaves out of it. */
export function recipientOptions(command: Command): Command {
  return command
    .option(
      '--for <inventory>',
      'what the other side has: a file of narrow inventory, or roots it has (repeatable)',
      repeat,
    )
    .option('--since <bundle>', 'a bundle that is applied there before this one (repeatable)', repeat)
    .option(
      '--substitutable <url>',
      'a cache that the other side can reach: what it holds signed stays out, and is fetched there first (repeatable)',
      repeat,
    )
    .option(
      '--request <file>',
      'answer a request of narrow bundle missing with just what it asks for; in place of paths the files of the bundle ' +
        'that was sent, when volumes are asked for',
    );
}

/** Which paths go for those that are named. */
export function closureOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--outputs', 'the paths, and what they need to run (the default)').conflicts([
        'derivation',
        'buildClosure',
      ]),
    )
    .addOption(
      new Option('--derivation', 'the derivations that the paths were built by, in place of the paths').conflicts(
        'buildClosure',
      ),
    )
    .option(
      '--build-closure',
      'these, and of all that they are built from the outputs that are here: to build without a line',
    );
}

/** What the files are like. */
export function fileOptions(command: Command): Command {
  return command
    .option(
      '--sign <key>',
      'sign the bundle as a whole with this secret key; paths keep their own (repeatable)',
      repeat,
    )
    .addOption(new Option('--level <level>', 'how much work for few bytes').choices(['fast', 'best']).default('fast'))
    .option('--volume-size <size>', 'several files of at most this size, such as 4G: FILE.001, FILE.002 …')
    .addOption(
      new Option(
        '--format <format>',
        'for a place without narrow, always in full: what nix-store --import or nix copy reads',
      )
        .choices(['narrow', 'nix-export', 'cache-tar'])
        .default('narrow'),
    )
    .option('--self-extract', 'a cache behind a shell script that applies it where there is a Nix and no narrow')
    .option('--compression <method>', 'of these formats; else the name says it (x.export.zst, x.tar.xz)');
}

/** The format that is asked for. Throws `usage` for what only bundles of narrow can do, and what they cannot. */
export function chosenFormat({
  format,
  selfExtract,
  volumeSize,
  sign,
  request,
  substitutable,
  compression,
}: CreateOptions): CreateOptions['format'] {
  const chosen = selfExtract ? 'self-extract' : format;
  if (selfExtract && format === 'nix-export')
    throw new NarrowError('usage', '--self-extract is a format of its own', { hint: 'leave --format out' });
  if (chosen === 'narrow' && compression !== undefined)
    throw new NarrowError('usage', '--compression is for --format and --self-extract', { hint: 'see --level' });
  const given = { '--volume-size': volumeSize, '--sign': sign, '--request': request, '--substitutable': substitutable };
  for (const [name, value] of Object.entries(given))
    if (chosen !== 'narrow' && value !== undefined)
      throw new NarrowError('usage', `${name} is not possible with --format ${chosen}`);
  return chosen;
}

/** Throws `usage`. */
export function volumeSizeOf({ volumeSize: text }: CreateOptions): number | undefined {
  if (text === undefined) return undefined;
  const size = parseSize('--volume-size', text);
  if (size >= leastVolume) return size;
  throw new NarrowError('usage', `--volume-size ${text} is too small: volumes have at least ${leastVolume} bytes`);
}
