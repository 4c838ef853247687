// narrow export: paths as a stream that nix-store --import and narrow import read.

import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { ByteSource } from '../../bytes/source.ts';
import { NarrowError, ioError } from '../../errors.ts';
import type { Output } from '../../fs/output.ts';
import { formatPathInfoLine } from '../../format/path-info-json.ts';
import { openStore } from '../../store/open.ts';
import { exportOrder, exportPaths } from '../../transfer/export.ts';
import { makePlan } from '../../transfer/plan.ts';
import { expectNoTerminal, writeOut } from '../binary-out.ts';
import type { Context } from '../context.ts';
import { openContext } from '../context.ts';
import { pathArguments, resolvePaths, storeOption } from '../options.ts';
import { count, formatBytes } from '../output/human.ts';
import { startProgress } from '../output/progress.ts';

interface ExportOptions {
  readonly store: string;
  readonly recursive?: boolean;
  readonly pathInfo?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly stdin?: boolean;
}

export function define(command: Command, context: Context): void {
  command.description(
    'Write paths to standard output as an export stream, byte for byte that of nix-store --export. Signatures are not ' +
      'part of such streams: keep them with --path-info.',
  );
  storeOption(pathArguments(command))
    .option('-r, --recursive', 'with all they refer to')
    .option('--path-info <file>', 'write signatures, content addresses and hashes to FILE, one JSON object a line')
    .option('--dry-run', 'say what would be written and stop')
    .option('--json', 'with --dry-run: print the paths as one JSON object')
    .addHelpText('after', examples)
    .action((paths: string[], options: ExportOptions) => runExport(paths, options, context));
}

const examples = `
Examples:
  narrow export -r ./result > system.export
  narrow export -r --path-info system.infos ./result | zstd > system.export.zst
  narrow import --path-info system.infos system.export.zst`;

async function runExport(given: readonly string[], options: ExportOptions, context: Context): Promise<void> {
  const { signal } = context;
  if (options.json && !options.dryRun)
    throw new NarrowError('usage', '--json is for --dry-run: else standard output is the stream itself', {
      hint: 'what is known of each path goes into a file with --path-info',
    });
  if (!options.dryRun) expectNoTerminal('an export stream', 'narrow export … > x.export');
  await using store = await openStore(options.store, openContext(context));
  const paths = await resolvePaths(store, given, options.stdin);
  await using _hold = await store.hold(paths);
  const infos = await exportOrder(store, paths, options.recursive ?? false, signal);
  const lines = [...infos.values()].map((info) => formatPathInfoLine(info, store.storeDir));
  const plan = makePlan(store.storeDir, infos, new Map());
  if (options.dryRun) {
    if (options.json) return await context.out(`{"narSize":${plan.narSize},"paths":[${lines.join(',')}]}`);
    return context.say(`would export ${count(infos.size, 'path')}, ${formatBytes(plan.narSize)} of NARs`);
  }
  if (options.pathInfo !== undefined) await writeInfos(options.pathInfo, lines);
  const progress = startProgress(context);
  progress.event({ type: 'plan', plan: { ...plan, fileSize: undefined } });
  try {
    const stream = ({ buffers }: Output): ByteSource =>
      exportPaths(store, infos.values(), {
        buffers,
        signal,
        onBytes: (path, bytes) => progress.event({ type: 'bytes', path, bytes }),
        onDone: (path) => progress.event({ type: 'outcome', outcome: { status: 'added', path, bytes: 0 } }),
      });
    const size = await writeOut(stream, signal);
    progress.stop();
    context.say(`exported ${count(infos.size, 'path')}, ${formatBytes(size)}`);
  } finally {
    progress.stop();
  }
}

async function writeInfos(file: string, lines: readonly string[]): Promise<void> {
  try {
    await writeFile(file, lines.map((line) => `${line}\n`).join(''));
  } catch (error) {
    throw ioError('write path infos to', file, error);
  }
}
