// narrow bundle apply.

import type { Command } from 'commander';
import { applyBundles } from '../../bundle/apply.ts';
import { printStorePath } from '../../model/store-path.ts';
import type { StorePath } from '../../model/store-path.ts';
import { Bundle } from '../../store/bundle/bundle.ts';
import { borrowed } from '../../store/bundle/open.ts';
import { VolumeSet } from '../../store/bundle/volume-set.ts';
import { openStore, openWritable } from '../../store/open.ts';
import type { Store, WritableStore } from '../../store/store.ts';
import type { CopyResult } from '../../transfer/copy.ts';
import type { Context, TrustOptions } from '../context.ts';
import { openContext } from '../context.ts';
import { trustOptions } from '../options.ts';
import { count, formatBytes } from '../output/human.ts';
import { preflightLines } from '../output/plan.ts';
import { startProgress } from '../output/progress.ts';
import type { Progress } from '../output/progress.ts';
import type { OnEvent } from '../../transfer/events.ts';
import { applyCarriedFiles, areCarried } from './bundle-carried.ts';
import { finisher, switchText, systemProfile } from './bundle-links.ts';
import type { Finisher, LinkOptions } from './bundle-links.ts';
import { allVolumes, signatureText } from './bundle-show.ts';

interface ApplyOptions extends TrustOptions, LinkOptions {
  readonly to: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export function defineApply(command: Command, context: Context): void {
  command
    .description(
      'Add what a bundle brings. Everything is checked before anything is written; stopped anywhere, the same command goes on.',
    )
    .argument('<files...>', 'the bundles, in their order; of several volumes one will do when they lie side by side')
    .option('--to <url>', 'the store', 'auto')
    .option(
      '--out-link <link>',
      'make LINK to the path on the machine of the store, which keeps it from being collected',
    )
    .option('--profile <profile>', 'make the path the next generation of PROFILE there')
    .option('--realise', 'then build or substitute the derivations it brings; LINK and PROFILE lead to the output')
    .option('--dry-run', 'check everything, show the plan and stop')
    .option('--json', 'print the result as one JSON object');
  trustOptions(command)
    .addHelpText('after', examples)
    .action((files: string[], options: ApplyOptions) => runApply(files, options, context));
}

const examples = `
Examples:
  narrow bundle apply --trusted-public-key 'home-1:…' next.bundle
  narrow bundle apply --profile /nix/var/nix/profiles/system /media/usb/next.bundle.001
  narrow bundle apply --realise --profile /nix/var/nix/profiles/system drvs.bundle
  narrow bundle apply --to ssh://pi1 --no-check-sigs first.bundle next.bundle`;

async function runApply(files: readonly string[], options: ApplyOptions, context: Context): Promise<void> {
  const { signal } = context;
  const open = openContext(context, options);
  const progress = startProgress(context);
  await using stack = new AsyncDisposableStack();
  stack.defer(() => progress.stop());
  await using destination = await openWritable(options.to, open);
  const onEvent = eventTeller(progress, options, context);
  const onLog = (line: string): void => context.say(line);
  const finishRequest = { destination, onLog, onEvent, signal };
  if (await areCarried(files, signal)) {
    const { checkSigs: checkSignatures = true, dryRun = false } = options;
    let finishing: Finisher | undefined;
    const finish = (roots: readonly StorePath[]): Finisher['finish'] =>
      (finishing = finisher({ ...finishRequest, roots }, options)).finish;
    const since = performance.now();
    const request = { destination, checkSignatures, dryRun, finish, onEvent };
    const applied = await applyCarriedFiles(files, request, context);
    progress.stop();
    return await tell({ ...applied, destination, finishing }, options, (performance.now() - since) / 1000, context);
  }
  const bases = [borrowed(() => destination), () => openStore('local', open)];
  const bundles: Bundle[] = [];
  const openCache = (url: string): Promise<Store> => openStore(url, open);
  for (const volumes of await byBundle(files))
    bundles.push(stack.use(await Bundle.open(volumes, { bases, openCache, signal })));
  for (const bundle of bundles)
    if (!options.json)
      context.say(`${bundle.volumes.name}: signed ${signatureText(bundle.signatures(open.trustedKeys))}`);
  const finishing = finisher({ ...finishRequest, roots: bundles.at(-1)!.about.roots }, options);
  const started = performance.now();
  const results = await applyBundles({
    bundles,
    destination,
    checkSignatures: options.checkSigs ?? true,
    dryRun: options.dryRun,
    finish: finishing.finish,
    onEvent,
    signal,
  });
  progress.stop();
  const applied = { results, destination, finishing, roots: bundles.flatMap(({ about }) => about.roots) };
  await tell(applied, options, (performance.now() - started) / 1000, context);
}

interface Applied {
  readonly results: readonly CopyResult[];
  readonly roots: readonly StorePath[];
  readonly destination: WritableStore;
  readonly finishing: Finisher | undefined;
}

async function tell(applied: Applied, options: ApplyOptions, seconds: number, context: Context): Promise<void> {
  if (options.json) return context.out(JSON.stringify(appliedJson(applied, options.dryRun ?? false, seconds)));
  for (const line of summary(applied, options, seconds)) context.say(line);
  const { destination, finishing } = applied;
  for (const { outputs } of finishing?.realised ?? [])
    for (const path of outputs.values()) await context.out(printStorePath(destination.storeDir, path));
  const system = options.profile === systemProfile && !options.dryRun ? finishing?.target() : undefined;
  if (system !== undefined) context.say(await switchText(destination, system));
}

function eventTeller(progress: Progress, { json, dryRun = false }: ApplyOptions, context: Context): OnEvent {
  return (event) => {
    progress.event(event);
    if (event.type !== 'preflight' || json) return;
    for (const line of preflightLines(event.findings, dryRun)) context.say(line);
  };
}

/** The files of each bundle, in the order in which the bundles were first named. */
async function byBundle(files: readonly string[]): Promise<string[][]> {
  const groups = new Map<string, string[]>();
  for (const file of allVolumes(files)) {
    const id = await VolumeSet.idOf(file);
    groups.set(id, [...(groups.get(id) ?? []), file]);
  }
  return [...groups.values()];
}

function summary({ results }: Applied, options: ApplyOptions, seconds: number): string[] {
  const added = results.flatMap(({ outcomes }) => outcomes.filter(({ status }) => status === 'added')).length;
  if (options.dryRun) {
    const { missing, narSize } = results[0]!.plan;
    return [`would add ${count(missing.length, 'path')}, ${formatBytes(narSize)} of NARs`];
  }
  if (added === 0) return ['nothing to add: everything is there'];
  return [`added ${count(added, 'path')} in ${seconds.toFixed(1)} s`];
}

function appliedJson(
  { results, roots, destination, finishing }: Applied,
  dryRun: boolean,
  seconds: number,
): Record<string, unknown> {
  const full = (path: StorePath): string => printStorePath(destination.storeDir, path);
  return {
    dryRun,
    roots: roots.map(full),
    added: results.flatMap(({ outcomes }) =>
      outcomes.filter(({ status }) => status === 'added').map(({ path }) => full(path)),
    ),
    realised: finishing?.realised.map(({ drv, how, outputs }) => ({
      drv: full(drv),
      how,
      outputs: Object.fromEntries([...outputs].map(([name, path]) => [name, full(path)])),
    })),
    missing: dryRun ? results.flatMap(({ plan }) => plan.missing.map(({ path }) => full(path))) : undefined,
    seconds: Math.round(seconds * 1000) / 1000,
  };
}
