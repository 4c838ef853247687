// narrow bundle create.

import type { Command } from 'commander';
import { buildClosureRoots } from '../../bundle/build-closure.ts';
import { expectOutputPlace } from '../../fs/output-place.ts';
import { parseInstallable } from '../../model/output-spec.ts';
import { parseSecretKey } from '../../model/signature.ts';
import type { StorePath } from '../../model/store-path.ts';
import { openStore } from '../../store/open.ts';
import type { Store } from '../../store/store.ts';
import { derivationRoots } from '../../transfer/derivation-closure.ts';
import type { Context } from '../context.ts';
import { openContext } from '../context.ts';
import { pathArguments, resolvePaths, storeOption } from '../options.ts';
import { otherSide } from '../other-side.ts';
import { readBytes } from '../read-bytes.ts';
import { answerRequest } from './bundle-answer.ts';
import { runCarry } from './bundle-carry.ts';
import { chosenFormat, closureOptions, fileOptions, recipientOptions, volumeSizeOf } from './bundle-create-options.ts';
import type { CreateOptions } from './bundle-create-options.ts';
import { makeBundle } from './bundle-make.ts';
import type { MadeJson } from './bundle-make.ts';

export function defineCreate(command: Command, context: Context): void {
  command.description(
    'Write a bundle: what the paths need and the other side lacks, as changes of what it has. Signatures of paths go with them.',
  );
  storeOption(pathArguments(command)).requiredOption('-o, --out <file>', 'the bundle');
  fileOptions(closureOptions(recipientOptions(command)))
    .option('--dry-run', 'say what would be in it and stop')
    .option('--json', 'print the result as one JSON object')
    .addHelpText('after', examples)
    .action((paths: string[], options: CreateOptions) => runCreate(paths, options, context));
}

const examples = `
Examples:
  narrow bundle create -o first.bundle --sign home.sec ./result
  narrow bundle create -o next.bundle --for island.inventory ./result
  narrow bundle create -o third.bundle --for island.inventory --since next.bundle ./result
  narrow bundle create -o drvs.bundle --derivation ./result
  narrow bundle create -o system.export.zst --format nix-export ./result
  narrow bundle create -o system.sh --self-extract ./result`;

async function runCreate(given: readonly string[], options: CreateOptions, context: Context): Promise<void> {
  const format = chosenFormat(options);
  const volumeSize = volumeSizeOf(options);
  await expectOutputPlace(options.out);
  const keys = await Promise.all(
    (options.sign ?? []).map(async (file) => parseSecretKey((await readBytes(file)).toString('utf8'), file)),
  );
  await using source = await openStore(options.store, openContext(context));
  const how = { keys, volumeSize };
  const tell = async (made: MadeJson): Promise<void> => {
    if (options.json) await context.out(JSON.stringify(made));
  };
  const { request } = options;
  if (request !== undefined)
    return await tell(await answerRequest(source, given, { ...options, request }, how, context));
  await using stack = new AsyncDisposableStack();
  const caches: Store[] = [];
  for (const url of options.substitutable ?? []) caches.push(stack.use(await openStore(url, openContext(context))));
  const hold = async (paths: readonly StorePath[]): Promise<void> => void stack.use(await source.hold(paths));
  const roots = await rootsOf(source, given, options, hold, context);
  const other = await otherSide(source, options, context);
  if (format === 'narrow')
    return await tell(await makeBundle({ source, roots, caches, ...how, ...other }, options, context));
  const there = other.there?.closure.infos.map(({ path }) => path) ?? [];
  await runCarry({ source, roots, there }, format, options, context);
}

async function rootsOf(
  source: Store,
  given: readonly string[],
  { derivation, buildClosure, stdin }: CreateOptions,
  hold: (paths: readonly StorePath[]) => Promise<void>,
  { signal }: Context,
): Promise<StorePath[]> {
  const built = derivation || buildClosure;
  const named = built ? given.map((one) => parseInstallable(one).base) : given;
  const roots = await resolvePaths(source, named, stdin);
  if (!built) return roots;
  const drvs = await derivationRoots(source, roots, signal);
  return buildClosure ? buildClosureRoots(source, drvs, hold, signal) : drvs;
}
