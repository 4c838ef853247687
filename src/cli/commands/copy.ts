// narrow copy: the plan, the bytes, the result.

import { join } from 'node:path';
import type { Command } from 'commander';
import { NarrowError, isNarrowError } from '../../errors.ts';
import { parseInstallable } from '../../model/output-spec.ts';
import { printStorePath } from '../../model/store-path.ts';
import type { StorePath } from '../../model/store-path.ts';
import { openStore, openWritable } from '../../store/open.ts';
import { stateDirectory } from '../../fs/state-directory.ts';
import { isRooted } from '../../store/store.ts';
import type { Store, WritableStore } from '../../store/store.ts';
import type { OpenContext } from '../../store/open-context.ts';
import { withStaticDeltas } from '../../store/cache/delta-source.ts';
import { isCache } from '../../store/open-cache.ts';
import { fallback } from '../../store/wrap/fallback.ts';
import { resumable } from '../../store/wrap/resumable.ts';
import { copyClosure } from '../../transfer/copy.ts';
import type { CopyResult } from '../../transfer/copy.ts';
import { derivationRoots } from '../../transfer/derivation-closure.ts';
import type { Plan } from '../../transfer/plan.ts';
import { bootstrapped } from '../bootstrap.ts';
import type { Context, TrustOptions } from '../context.ts';
import { openContext } from '../context.ts';
import { pathArguments, repeat, resolvePaths, trustOptions } from '../options.ts';
import { count, formatBytes } from '../output/human.ts';
import { deltaJson, deltaLines } from '../output/deltas.ts';
import { resolveNames } from '../name-roots.ts';
import { switchText, systemProfile } from './bundle-links.ts';
import { planJson, planLines, preflightLines } from '../output/plan.ts';
import { startProgress } from '../output/progress.ts';

interface CopyOptions extends TrustOptions {
  readonly from?: readonly string[];
  readonly to: string;
  readonly recursive: boolean;
  readonly derivation?: boolean;
  readonly includeOutputs?: boolean;
  readonly substituteOnDestination?: boolean;
  readonly relay?: boolean;
  readonly forwardAgent?: boolean;
  readonly bootstrap?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly outLink?: string;
  readonly profile?: string;
  readonly stdin?: boolean;
}

export function define(command: Command, context: Context): void {
  command
    .description('Copy paths and all they need from one store to another, signatures and all.')
    .option(
      '--from <url>',
      'the source, auto if not given; of several each path comes from the first that has it',
      repeat,
    )
    .option('--to <url>', 'the destination', 'auto');
  pathArguments(command)
    .option('--no-recursive', 'just these paths, without what they refer to')
    .option('--derivation', 'the derivations that the paths were built by, in place of the paths')
    .option('--include-outputs', 'the outputs of all derivations that are copied, too, where the source has them')
    .option(
      '-s, --substitute-on-destination',
      'the destination first fetches what its own caches have; what they do not give is copied',
    )
    .option('--relay', 'between two other machines: copy through here, and do not connect them to each other')
    .option('--forward-agent', 'between two other machines: lend the one that starts the copy your ssh agent')
    .option(
      '--bootstrap',
      'first copy this narrow itself to the ssh:// host, for deltas; not kept there from being collected',
    )
    .option('--dry-run', 'show the plan and stop')
    .option(
      '--out-link <link>',
      'make LINK to the path on the destination machine, which keeps it from being collected',
    )
    .option('--profile <profile>', 'make the path the next generation of PROFILE on the destination machine')
    .option('--json', 'print the result as one JSON object');
  trustOptions(command)
    .addHelpText('after', examples)
    .action((paths: string[], options: CopyOptions) => runCopy(paths, options, context));
}

const examples = `
Examples:
  narrow copy --to 'file:///srv/cache?compression=zstd&secret-key=key.sec' ./result
  narrow copy --from https://cache.example.org --to 'local?root=/mnt' /nix/store/…-system
  narrow copy --from http://cache.home name:fnord
  narrow copy --from ssh://pi1 --to ssh://pi2 /nix/store/…-system
  narrow copy --from file:///media/usb --profile /nix/var/nix/profiles/system /nix/store/…-system`;

async function runCopy(given: readonly string[], asked: CopyOptions, context: Context): Promise<void> {
  expectTwoPlaces(asked);
  const open = openContext(context, asked);
  const options = await bootstrapped(asked, open, context);
  const progress = startProgress(context);
  progress.event({ type: 'phase', text: 'opening source and destination' });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => progress.stop());
  await using source = await openSources(options.from ?? ['auto'], { ...open, bases: () => destination });
  await using destination = await openWritable(options.to, open);
  if (isCache(destination) && destination.params.deltasOnly)
    throw new NarrowError('usage', `${destination.url} is to get deltas alone, which are made when a name is pushed`, {
      hint: 'narrow push --name NAME CACHE PATH',
    });
  const from = options.from ?? ['auto'];
  const names = { from, checkSigs: options.checkSigs ?? true, dryRun: options.dryRun ?? false, say: context.say };
  const roots = await rootsOf(source, await resolveNames(given, names, open), options, context);
  const started = performance.now();
  const dryRun = options.dryRun ?? false;
  let bytesRead = 0;
  const result = await copyClosure({
    source,
    destination,
    roots,
    recursive: options.recursive,
    includeOutputs: options.includeOutputs,
    checkSignatures: options.checkSigs ?? true,
    substitute: options.substituteOnDestination,
    relay: options.relay,
    forwardAgent: options.forwardAgent,
    dryRun,
    finish: rootMaker(destination, roots, options),
    signal: context.signal,
    onEvent(event) {
      progress.event(event);
      if (event.type === 'bytes' && !event.elsewhere) bytesRead += event.bytes;
      if (event.type === 'said') context.say(`${event.who}: ${event.text}`);
      if (event.type === 'plan' && !options.json)
        for (const line of planLines(event.plan, source, destination, dryRun)) context.say(line);
      if (event.type === 'preflight' && !options.json)
        for (const line of preflightLines(event.findings, dryRun, event.plan)) context.say(line);
    },
  });
  progress.stop();
  const run = { ...result, bytesRead, seconds: (performance.now() - started) / 1000 };
  if (options.json) await context.out(JSON.stringify(resultJson(run, source, options)));
  else if (!dryRun) {
    for (const line of [summary(run, source), ...deltaLines(run.deltas, run.plan)]) context.say(line);
    for (const line of await linkLines(destination, roots, options)) context.say(line);
  }
  if (result.plan.differs.length > 0 || (dryRun && result.findings.some((f) => f.level === 'error')))
    context.status = 3;
}

async function rootsOf(
  source: Store,
  given: readonly string[],
  options: CopyOptions,
  context: Context,
): Promise<StorePath[]> {
  if (!options.recursive && options.includeOutputs)
    throw new NarrowError('usage', '--include-outputs is about closures: it does not go with --no-recursive');
  const named = options.derivation ? given.map((one) => parseInstallable(one).base) : given;
  const roots = await resolvePaths(source, named, options.stdin);
  return options.derivation ? derivationRoots(source, roots, context.signal) : roots;
}

/** A copy onto itself is a command that was not finished, unless a root is to be made. */
function expectTwoPlaces({ from, to, outLink, profile }: CopyOptions): void {
  if (from !== undefined || to !== 'auto' || outLink !== undefined || profile !== undefined) return;
  throw new NarrowError('usage', "source and destination are both this machine's store", {
    hint: 'say where to or where from: --to file:///srv/cache, --from https://cache.example.org',
  });
}

interface CopyRun extends CopyResult {
  /** Encoded, from the source. */
  readonly bytesRead: number;
  readonly seconds: number;
}

/** The sources that answer, as one. Throws what the last one said when none does. */
async function openSources(urls: readonly string[], open: OpenContext): Promise<Store> {
  await using stack = new AsyncDisposableStack();
  const stores: Store[] = [];
  for (const [index, url] of urls.entries()) {
    try {
      const store = stack.use(await openStore(url, open));
      stores.push(resumable(store, join(stateDirectory(), 'downloads')));
    } catch (error) {
      const last = index === urls.length - 1 && stores.length === 0;
      const away = isNarrowError(error, 'unavailable') || isNarrowError(error, 'missing');
      if (last || !away) throw error;
      open.warn(`${error.message}; going on without ${url}`);
    }
  }
  const source = withStaticDeltas(fallback(stores, open.warn), stores.filter(isCache), open);
  stack.move();
  return source;
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
    throw new NarrowError(
      'unsupported',
      `${destination.url} keeps no links: --out-link and --profile need the store of a machine, this one or another`,
    );
  if (roots.length !== 1) throw new NarrowError('usage', `--out-link and --profile take one path, got ${roots.length}`);
  for (const link of [outLink, profile]) if (link !== undefined) destination.expectRoot?.(link, roots[0]!);
  return async () => {
    if (outLink !== undefined) await destination.addRoot(outLink, roots[0]!);
    if (profile !== undefined) await destination.setProfile(profile, roots[0]!);
  };
}

/** What now leads to the path, and how to run it where that is the system's profile. */
async function linkLines(
  destination: WritableStore,
  [root]: readonly StorePath[],
  { outLink, profile }: CopyOptions,
): Promise<string[]> {
  const links = [outLink, profile].filter((link) => link !== undefined);
  if (root === undefined || links.length === 0) return [];
  const lines = links.map((link) => `${link} leads to ${printStorePath(destination.storeDir, root)}`);
  return profile === systemProfile ? [...lines, await switchText(destination, root)] : lines;
}

function summary({ plan, outcomes, bytes, directBytes, bytesRead, seconds, deltas }: CopyRun, source: Store): string {
  const added = outcomes.filter((o) => o.status === 'added').length;
  const fetched = plan.substituted.length > 0 ? `, ${plan.substituted.length} came from its own caches` : '';
  const signed = plan.toSign.length > 0 ? `, signatures added to ${plan.toSign.length}` : '';
  if (added === 0) return `${nothingToDo(plan)}${fetched}${signed}`;
  const done = `copied ${count(added, 'path')} in ${seconds.toFixed(1)} s`;
  if (deltas.size > 0) return `${done}${fetched}${signed}`;
  const read = `${formatBytes(bytesRead)} read (${formatBytes(bytesRead / seconds)}/s)`;
  if (directBytes === 0) return `${done}: ${read}, ${formatBytes(bytes)} written${fetched}${signed}`;
  const here = bytesRead > 0 ? `, ${formatBytes(bytes - directBytes)} through here` : '';
  return `${done}: ${formatBytes(directBytes)} directly from ${source.url}${here}${fetched}${signed}`;
}

function nothingToDo({ valid, total }: Plan): string {
  return valid === total
    ? `nothing to copy: all ${count(total, 'path')} are there`
    : `nothing copied: ${valid} of ${count(total, 'path')} are there as they are at the source`;
}

function resultJson(
  { plan, findings, outcomes, bytes, directBytes, bytesRead, seconds, deltas }: CopyRun,
  source: Store,
  { dryRun = false, substituteOnDestination }: CopyOptions,
): Record<string, unknown> {
  const full = (path: StorePath): string => printStorePath(source.storeDir, path);
  return {
    dryRun,
    plan: {
      ...planJson(plan, full),
      refused: plan.refused.map((r) => ({ ...r, path: full(r.path) })),
      unsigned: plan.unsigned,
      fileSize: plan.fileSize,
      substituted: plan.substituted.map(full),
      substitutable: dryRun && substituteOnDestination ? plan.substitutable?.map(full) : undefined,
      route: plan.route,
    },
    preflight: findings,
    copied: outcomes.filter((o) => o.status === 'added').map((o) => ({ path: full(o.path), bytes: o.bytes })),
    bytes,
    bytesRead,
    directBytes,
    deltas: deltas.size === 0 ? undefined : deltaJson(deltas, full),
    seconds: Math.round(seconds * 1000) / 1000,
  };
}
