// What is done with a bundle's roots once they are there: derivations are built, links and generations made.

import { byteStringOf } from '../../bytes/byte-string.ts';
import { NarrowError } from '../../errors.ts';
import type { StorePath } from '../../model/store-path.ts';
import { isDerivationPath, printStorePath } from '../../model/store-path.ts';
import { isBuilding } from '../../store/building.ts';
import type { BuildingStore } from '../../store/building.ts';
import { isRooted } from '../../store/store.ts';
import type { RootedStore, WritableStore } from '../../store/store.ts';
import type { OnEvent } from '../../transfer/events.ts';
import { realise } from '../../transfer/realise.ts';
import type { Realised } from '../../transfer/realise.ts';

export interface LinkOptions {
  readonly outLink?: string;
  readonly profile?: string;
  readonly realise?: boolean;
}

export interface Finisher {
  /** Called when the roots are there and held. */
  readonly finish: () => Promise<void>;
  /** What was built by then. */
  readonly realised: readonly Realised[];
  /** What links lead to, where there is one such path. */
  readonly target: () => StorePath | undefined;
}

export interface FinishRequest {
  readonly destination: WritableStore;
  readonly roots: readonly StorePath[];
  readonly onLog: (line: string) => void;
  readonly onEvent?: OnEvent | undefined;
  readonly signal: AbortSignal;
}

/** Throws, before anything is written, what is known to keep it from being done. */
export function finisher(request: FinishRequest, options: LinkOptions): Finisher {
  const { destination, roots } = request;
  const drvs = roots.filter(isDerivationPath);
  const builder = options.realise ? expectBuilder(destination, drvs) : undefined;
  const candidates = builder ? drvs : roots;
  const only = candidates.length === 1 ? candidates[0] : undefined;
  const rooted = expectLinks(destination, candidates.length, builder ? undefined : only, options);
  const realised: Realised[] = [];
  const target = (): StorePath | undefined => {
    const outputs = realised[0]?.outputs;
    return builder ? (outputs?.get('out') ?? outputs?.values().next().value) : only;
  };
  const link = async (): Promise<void> => {
    if (options.outLink !== undefined) await rooted!.addRoot(options.outLink, target()!);
    if (options.profile !== undefined) await rooted!.setProfile(options.profile, target()!);
  };
  return { finish: builder ? () => build(request, builder, drvs, realised, link) : link, realised, target };
}

/** The builder has the derivations already; its outputs are held while `link` runs. */
async function build(
  { onLog, onEvent, signal }: FinishRequest,
  builder: BuildingStore,
  drvs: readonly StorePath[],
  realised: Realised[],
  link: () => Promise<void>,
): Promise<void> {
  builder.renew?.();
  await realise({
    source: builder,
    builder,
    targets: drvs.map((drv) => ({ drv, outputs: 'all' })),
    onLog,
    onEvent,
    signal,
    async finish(built) {
      realised.push(...built);
      await link();
    },
  });
}

function expectBuilder(store: WritableStore, drvs: readonly StorePath[]): BuildingStore {
  if (drvs.length === 0)
    throw new NarrowError('usage', '--realise takes a bundle of derivations, and this one is of outputs', {
      hint: 'have it made with --derivation or --build-closure',
    });
  if (isBuilding(store)) return store;
  throw new NarrowError('unsupported', `${store.url} cannot build: no Nix answers there`, {
    hint: 'name a store with one: --to daemon (of this machine, where it runs), ssh-ng://HOST, ssh://HOST',
  });
}

/** `path` is what will be linked to, where that is known. */
function expectLinks(
  store: WritableStore,
  candidates: number,
  path: StorePath | undefined,
  { outLink, profile }: LinkOptions,
): RootedStore | undefined {
  const links = [outLink, profile].filter((link) => link !== undefined);
  if (links.length === 0) return undefined;
  if (!isRooted(store))
    throw new NarrowError(
      'unsupported',
      `${store.url} keeps no links: --out-link and --profile need the store of a machine`,
    );
  if (candidates !== 1)
    throw new NarrowError('usage', `--out-link and --profile take a bundle of one root, this one has ${candidates}`);
  for (const link of links) store.expectRoot?.(link, path);
  return store;
}

export const systemProfile = '/nix/var/nix/profiles/system';
const switcher = ['bin', 'switch-to-configuration'].map(byteStringOf);

/** The command that runs a system, or that this is none. */
export async function switchText(store: WritableStore, path: StorePath): Promise<string> {
  const full = printStorePath(store.storeDir, path);
  const info = (await store.pathInfos([path])).get(path);
  const tree = info && (await store.tree(info));
  if (tree && (await tree.stat(switcher))) return `to run it: ${full}/${switcher.join('/')} switch`;
  return `${full} has no ${switcher.join('/')}: it is no system of NixOS`;
}
