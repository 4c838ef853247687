// narrow copy: the plan, the bytes, the result.

import { join } from 'node:path';
import type { Command } from 'commander';
import { NarrowError } from '../../errors.ts';
import { printStorePath } from '../../model/store-path.ts';
import type { StorePath } from '../../model/store-path.ts';
import { openStore, openWritable, stateDirectory } from '../../store/open.ts';
import { isRooted } from '../../store/store.ts';
import type { Store, WritableStore } from '../../store/store.ts';
import { resumable } from '../../store/wrap/resumable.ts';
import { copyClosure } from '../../transfer/copy.ts';
import type { CopyResult } from '../../transfer/copy.ts';
import type { Context, TrustOptions } from '../context.ts';
import { openContext } from '../context.ts';
import { pathArguments, resolvePaths, trustOptions } from '../options.ts';
import { count, formatBytes } from '../output/human.ts';
import { planLines } from '../output/plan.ts';
import { startProgress } from '../output/progress.ts';

interface CopyOptions extends TrustOptions {
  readonly from: string;
  readonly to: string;
  readonly recursive: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly outLink?: string;
  readonly profile?: string;
  readonly stdin?: boolean;
}

export function define(command: Command, context: Context): void {
  command
    .description('Copy paths and all they need from one store to another, signatures and all.')
    .option('--from <url>', 'the source', 'auto')
    .option('--to <url>', 'the destination', 'auto');
  pathArguments(command)
    .option('--no-recursive', 'just these paths, without what they refer to')
    .option('--dry-run', 'show the plan and stop')
    .option('--out-link <link>', 'make LINK to the path at the destination, which keeps it from being collected')
    .option('--profile <profile>', 'make the path the next generation of PROFILE at the destination')
    .option('--json', 'print the result as one JSON object');
  trustOptions(command)
    .addHelpText('after', examples)
    .action((paths: string[], options: CopyOptions) => runCopy(paths, options, context));
}

const examples = `
Examples:
  narrow copy --to 'file:///srv/cache?compression=zstd&secret-key=key.sec' ./result
  narrow copy --from https://cache.example.org --to 'local?root=/mnt' /nix/store/…-system
  narrow copy --from file:///media/usb --profile /nix/var/nix/profiles/system /nix/store/…-system`;

async function runCopy(given: readonly string[], options: CopyOptions, context: Context): Promise<void> {
  const open = openContext(context, options);
  await using source = resumable(await openStore(options.from, open), join(stateDirectory(), 'downloads'));
  await using destination = await openWritable(options.to, open);
  const roots = await resolvePaths(source, given, options.stdin);
  const progress = startProgress(context.stderr, context.say);
  const started = performance.now();
  let result: CopyResult;
  try {
    result = await copyClosure({
      source,
      destination,
      roots,
      recursive: options.recursive,
      checkSignatures: options.checkSigs ?? true,
      dryRun: options.dryRun ?? false,
      finish: rootMaker(destination, roots, options),
      signal: context.signal,
      onEvent(event) {
        progress.event(event);
        if (event.type === 'plan' && !options.json)
          for (const line of planLines(event.plan, source, destination, options.dryRun ?? false)) context.say(line);
      },
    });
  } finally {
    progress.stop();
  }
  const seconds = (performance.now() - started) / 1000;
  if (options.json) await context.out(JSON.stringify(resultJson(result, source, seconds, options.dryRun ?? false)));
  else if (!options.dryRun) context.say(summary(result, seconds));
  if (result.plan.differs.length > 0) context.status = 3;
}

/** Roots are made while source and destination still hold the paths. Checked before anything moves. */
function rootMaker(
  destination: WritableStore,
  roots: readonly StorePath[],
  options: CopyOptions,
): (() => Promise<void>) | undefined {
  const { outLink, profile } = options;
  if (outLink === undefined && profile === undefined) return undefined;
  if (!isRooted(destination))
    throw new NarrowError('unsupported', `${destination.url} keeps no links: --out-link and --profile need a store`);
  if (roots.length !== 1) throw new NarrowError('usage', `--out-link and --profile take one path, got ${roots.length}`);
  return async () => {
    if (outLink !== undefined) await destination.addRoot(outLink, roots[0]!);
    if (profile !== undefined) await destination.setProfile(profile, roots[0]!);
  };
}

function summary({ plan, outcomes, bytes }: CopyResult, seconds: number): string {
  const added = outcomes.filter((o) => o.status === 'added').length;
  const signed = plan.toSign.length > 0 ? `, signatures added to ${plan.toSign.length}` : '';
  if (added === 0) return `nothing to copy: all ${count(plan.valid, 'path')} are there${signed}`;
  const rate = formatBytes(bytes / seconds);
  return `copied ${count(added, 'path')}, ${formatBytes(bytes)} in ${seconds.toFixed(1)} s (${rate}/s)${signed}`;
}

function resultJson(
  { plan, outcomes, bytes }: CopyResult,
  source: Store,
  seconds: number,
  dryRun: boolean,
): Record<string, unknown> {
  const full = (path: StorePath): string => printStorePath(source.storeDir, path);
  return {
    dryRun,
    plan: {
      total: plan.total,
      valid: plan.valid,
      missing: plan.missing.map((i) => ({ path: full(i.path), narSize: i.narSize, fileSize: i.file?.size })),
      signaturesToAdd: plan.toSign.map((s) => ({ path: full(s.info.path), signatures: s.signatures })),
      differs: plan.differs.map((r) => ({ ...r, path: full(r.path) })),
      refused: plan.refused.map((r) => ({ ...r, path: full(r.path) })),
      unsigned: plan.unsigned,
      narSize: plan.narSize,
      fileSize: plan.fileSize,
    },
    copied: outcomes.filter((o) => o.status === 'added').map((o) => ({ path: full(o.path), bytes: o.bytes })),
    bytes,
    seconds: Math.round(seconds * 1000) / 1000,
  };
}
