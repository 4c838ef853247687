// narrow realise: derivations go to a machine that builds, its log comes back, and what it built where it is wanted.

import type { Command } from 'commander';
import { NarrowError } from '../../errors.ts';
import { parseInstallable } from '../../model/output-spec.ts';
import type { StorePath } from '../../model/store-path.ts';
import { printStorePath } from '../../model/store-path.ts';
import type { BuildTarget, BuildingStore } from '../../store/building.ts';
import { isBuilding } from '../../store/building.ts';
import { openStore, openWritable } from '../../store/open.ts';
import type { OpenContext } from '../../store/open-context.ts';
import type { RootedStore, Store, WritableStore } from '../../store/store.ts';
import { isRooted } from '../../store/store.ts';
import { copyClosure } from '../../transfer/copy.ts';
import { mergeTargets, realise } from '../../transfer/realise.ts';
import type { Realised } from '../../transfer/realise.ts';
import type { Context, TrustOptions } from '../context.ts';
import { openContext } from '../context.ts';
import { resolveStorePath } from '../installable.ts';
import { trustOptions } from '../options.ts';
import { planLines, preflightLines } from '../output/plan.ts';
import type { Progress } from '../output/progress.ts';
import { startProgress } from '../output/progress.ts';

interface RealiseOptions extends TrustOptions {
  readonly store: string;
  readonly from: string;
  readonly to?: string;
  readonly outLink?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export function define(command: Command, context: Context): void {
  command
    .description('Build or substitute outputs of derivations on another machine, or here through the daemon.')
    .argument('<derivations...>', 'X.drv (all its outputs) or some of them: X.drv^out,dev')
    .option('--store <url>', 'the store that builds: daemon, ssh-ng://HOST, ssh://HOST', 'auto')
    .option('--from <url>', 'the store that has the derivations', 'auto')
    .option('--to <url>', 'copy what was built there; the builder is trusted with it (default: it stays where it is)')
    .option(
      '--out-link <link>',
      'make LINK to the output, which keeps it: on the machine of --to, else on the building one',
    )
    .option('--dry-run', 'show which derivations would be copied and stop')
    .option('--json', 'print a JSON object: realised, each with drv, how and outputs');
  trustOptions(command)
    .addHelpText('after', examples)
    .action((given: string[], options: RealiseOptions) => runRealise(given, options, context));
}

const examples = `
Prints the paths of the outputs. The log of the builds goes to standard error.

Examples:
  narrow realise --store ssh-ng://builder --to auto --out-link result /nix/store/…-system.drv
  narrow realise --store ssh://pi1 '/nix/store/…-hello.drv^out'`;

async function runRealise(given: readonly string[], options: RealiseOptions, context: Context): Promise<void> {
  const progress = startProgress(context);
  await using stack = new AsyncDisposableStack();
  stack.defer(() => progress.stop());
  const open = openContext(context, options);
  await using source = await openStore(options.from, open);
  await using builder = await openBuilder(options.store, open);
  await using destination = options.to === undefined ? undefined : await openWritable(options.to, open);
  const rooted = expectRoots(options.outLink, destination ?? builder);
  const targets = mergeTargets(given.map((one) => targetOf(source, one)));
  const dryRun = options.dryRun ?? false;
  const { realised } = await realise({
    source,
    builder,
    targets,
    checkSignatures: options.checkSigs ?? true,
    dryRun,
    onLog: (line) => context.say(line),
    finish: (built) => bringBack(built, { builder, destination, rooted, options, progress, context }),
    signal: context.signal,
    onEvent(event) {
      progress.event(event);
      if (event.type === 'plan') for (const line of planLines(event.plan, source, builder, dryRun)) context.say(line);
      if (event.type === 'preflight')
        for (const line of preflightLines(event.findings, dryRun, event.plan)) context.say(line);
    },
  });
  progress.stop();
  if (!dryRun) await print(realised, source, options, context);
}

function targetOf(source: Store, text: string): BuildTarget {
  const { base, outputs = 'all' } = parseInstallable(text);
  return { drv: resolveStorePath(source.storeDir, base), outputs };
}

async function openBuilder(url: string, open: OpenContext): Promise<BuildingStore> {
  const store = await openStore(url, open, 'write');
  if (isBuilding(store)) return store;
  await store[Symbol.asyncDispose]();
  throw new NarrowError('unsupported', `${store.url} cannot build: no Nix answers there`, {
    hint: 'name a store with one: --store daemon (of this machine, where it runs), ssh-ng://HOST, ssh://HOST',
  });
}

function expectRoots(outLink: string | undefined, store: WritableStore): RootedStore | undefined {
  if (outLink === undefined) return undefined;
  if (isRooted(store)) {
    store.expectRoot?.(outLink);
    return store;
  }
  throw new NarrowError('unsupported', `${store.url} keeps no links: --out-link needs the store of a machine`, {
    hint: 'bring the results here, and make the link here: --to auto --out-link LINK',
  });
}

interface Bringing {
  readonly builder: BuildingStore;
  readonly destination: WritableStore | undefined;
  readonly rooted: RootedStore | undefined;
  readonly options: RealiseOptions;
  readonly progress: Progress;
  readonly context: Context;
}

/** Copies the outputs, and makes the links while they are held. */
async function bringBack(realised: readonly Realised[], bringing: Bringing): Promise<void> {
  const { builder, destination, options, progress, context } = bringing;
  const link = async (): Promise<void> => {
    if (!bringing.rooted) return;
    for (const [name, path] of links(options.outLink!, realised)) await bringing.rooted.addRoot(name, path);
  };
  if (!destination) return link();
  await copyClosure({
    source: builder,
    destination,
    roots: realised.flatMap((one) => [...one.outputs.values()]),
    // whoever has somebody build for them trusts them, as Nix does with its remote builders
    checkSignatures: false,
    finish: link,
    signal: context.signal,
    onEvent(event) {
      progress.event(event);
      if (event.type === 'plan')
        for (const line of planLines(event.plan, builder, destination, false)) context.say(line);
    },
  });
}

/** Named as nix-build names them: LINK, LINK-dev, LINK-2, LINK-2-dev. */
function links(outLink: string, realised: readonly Realised[]): [string, StorePath][] {
  return realised.flatMap(({ outputs }, i) =>
    [...outputs].map(([output, path]): [string, StorePath] => {
      const number = i === 0 ? '' : `-${i + 1}`;
      return [`${outLink}${number}${output === 'out' ? '' : `-${output}`}`, path];
    }),
  );
}

async function print(
  realised: readonly Realised[],
  source: Store,
  options: RealiseOptions,
  context: Context,
): Promise<void> {
  const full = (path: StorePath): string => printStorePath(source.storeDir, path);
  if (options.json) {
    const rows = realised.map(({ drv, how, outputs }) => ({
      drv: full(drv),
      how,
      outputs: Object.fromEntries([...outputs].map(([name, path]) => [name, full(path)])),
    }));
    return context.out(JSON.stringify({ realised: rows }));
  }
  for (const { outputs } of realised) for (const path of outputs.values()) await context.out(full(path));
}
