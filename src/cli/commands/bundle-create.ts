// narrow bundle create.

import { Option } from 'commander';
import type { Command } from 'commander';
import { answeringRoots, copyVolumes } from '../../bundle/answer.ts';
import { buildClosureRoots } from '../../bundle/build-closure.ts';
import { createBundle } from '../../bundle/create.ts';
import type { BundlePlan, CreateRequest, CreatedBundle } from '../../bundle/create.ts';
import type { CarryFormat } from '../../bundle/formats/carry.ts';
import type { Inventory } from '../../bundle/inventory.ts';
import { parseRequest } from '../../bundle/request.ts';
import { NarrowError } from '../../errors.ts';
import { parseInstallable } from '../../model/output-spec.ts';
import { parseSecretKey } from '../../model/signature.ts';
import { printStorePath } from '../../model/store-path.ts';
import type { StorePath } from '../../model/store-path.ts';
import { leastVolume } from '../../store/bundle/volume-writer.ts';
import { openStore } from '../../store/open.ts';
import type { Store } from '../../store/store.ts';
import { derivationRoots } from '../../transfer/derivation-closure.ts';
import { parseSize } from '../amounts.ts';
import type { Context } from '../context.ts';
import { openContext } from '../context.ts';
import { pathArguments, repeat, resolvePaths, storeOption } from '../options.ts';
import { otherSide } from '../other-side.ts';
import type { OtherSideOptions } from '../other-side.ts';
import { count, formatBytes } from '../output/human.ts';
import { startProgress } from '../output/progress.ts';
import { readBytes } from '../read-bytes.ts';
import { version } from '../version.ts';
import { runCarry } from './bundle-carry.ts';
import { allVolumes } from './bundle-show.ts';

interface CreateOptions extends OtherSideOptions {
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

export function defineCreate(command: Command, context: Context): void {
  command.description(
    'Write a bundle: what the paths need and the other side lacks, as changes of what it has. Signatures of paths go with them.',
  );
  storeOption(pathArguments(command))
    .requiredOption('-o, --out <file>', 'the bundle')
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
    )
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
    )
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
    .option('--compression <method>', 'of these formats; else the name says it (x.export.zst, x.tar.xz)')
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
  const format = carryFormat(options);
  const volumeSize = options.volumeSize === undefined ? undefined : volumeSizeOf(options.volumeSize);
  const keys = await Promise.all(
    (options.sign ?? []).map(async (file) => parseSecretKey((await readBytes(file)).toString('utf8'), file)),
  );
  await using source = await openStore(options.store, openContext(context));
  const how = { keys, volumeSize };
  if (options.request !== undefined)
    return answer(source, given, { ...options, request: options.request }, how, context);
  await using stack = new AsyncDisposableStack();
  const caches: Store[] = [];
  for (const url of options.substitutable ?? []) caches.push(stack.use(await openStore(url, openContext(context))));
  const hold = async (paths: readonly StorePath[]): Promise<void> => void stack.use(await source.hold(paths));
  const roots = await rootsOf(source, given, options, hold, context);
  if (format !== 'narrow') {
    const { there } = await otherSide(source, options, context);
    const paths = there?.closure.infos.map(({ path }) => path) ?? [];
    return runCarry({ source, roots, there: paths }, format, options, context);
  }
  await make({ source, roots, caches, ...how, ...(await otherSide(source, options, context)) }, options, context);
}

/** Throws `usage` for what only bundles of narrow can do, and what they cannot. */
function carryFormat({
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

type How = Pick<CreateRequest, 'keys' | 'volumeSize'>;

/** Volumes as they were sent, and a bundle of paths that are not there any more. */
async function answer(
  source: Store,
  files: readonly string[],
  options: CreateOptions & { readonly request: string },
  how: How,
  context: Context,
): Promise<void> {
  const { request: file, out } = options;
  const request = parseRequest(await readBytes(file), file);
  const volumes = request.volumes.length > 0 || request.after !== undefined;
  if (volumes && files.length === 0)
    throw new NarrowError('usage', `${file} asks for volumes of the bundle ${request.bundle ?? ''}`, {
      hint: `name the files that were sent: narrow bundle create --request ${file} -o ${out} BUNDLE`,
    });
  if (!volumes && request.paths.length === 0) context.say(`${file} asks for nothing`);
  if (request.paths.length > 0) {
    const roots = await answeringRoots(source, request);
    await make({ source, roots, there: request.there, ...how }, options, context);
  }
  if (!volumes || options.dryRun) return;
  const made = await copyVolumes(request, allVolumes(files), out);
  if (options.json) await context.out(JSON.stringify({ files: made }));
  else context.say(`${made.join(', ')}: as before, to be named with the others`);
}

async function make(
  what: Pick<CreateRequest, 'source' | 'roots' | 'caches' | 'there' | 'since' | 'keys' | 'volumeSize'>,
  options: CreateOptions,
  context: Context,
): Promise<void> {
  const { out: file, level, dryRun = false } = options;
  const progress = startProgress(context);
  using stack = new DisposableStack();
  stack.defer(() => progress.stop());
  const started = performance.now();
  progress.event({ type: 'phase', text: 'finding out what is needed' });
  const made = await createBundle({
    ...what,
    file,
    level,
    by: `narrow ${version()}`,
    dryRun,
    onPlan(plan) {
      for (const line of planLines(plan, what.there)) context.say(line);
      progress.event({ type: 'phase', text: `writing ${file}` });
    },
    onPath: (info) => progress.read(info.narSize),
    signal: context.signal,
  });
  progress.stop();
  const seconds = (performance.now() - started) / 1000;
  if (options.json) return context.out(JSON.stringify(createdJson(made, what.source, dryRun, seconds)));
  if (dryRun) return;
  const files = made.files.length === 1 ? made.files[0]! : `${made.files[0]!} to ${made.files.at(-1)!}`;
  context.say(`${files}: ${count(made.fresh.size, 'path')} in ${formatBytes(made.size)}, ${seconds.toFixed(1)} s`);
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

function planLines(plan: BundlePlan, there: Inventory | undefined): string[] {
  const { closure, fresh, pairs, narSize, elsewhere, differing, withoutBase, refused } = plan;
  const changed = [...pairs.values()].filter((bases) => bases.length > 0).length;
  const lines = [
    `${count(fresh.size, 'path')} of ${closure.size} to bring, ${formatBytes(narSize)} of NARs: ${changed} as changes of what is there, ${fresh.size - changed} in full`,
  ];
  for (const url of new Set(elsewhere.values())) {
    const paths = [...elsewhere.values()].filter((one) => one === url);
    lines.push(`${count(paths.length, 'path')} left out, to be fetched from ${url}`);
  }
  if (!there && elsewhere.size === 0)
    lines.push('nothing is known of the other side: name its inventory with --for, and less has to be carried');
  if (withoutBase.length > 0)
    lines.push(`${count(withoutBase.length, 'path')} in full because what the other side has of them is not here`);
  if (differing.length > 0)
    lines.push(
      `${count(differing.length, 'path')} left out that the other side has with other contents: ${differing[0]!} …`,
    );
  if (refused.length > 0)
    lines.push(
      `warning: ${count(refused.length, 'path')} without a signature that the other side trusts (${refused[0]!} …): sign them first (narrow sign), or it needs --no-check-sigs`,
    );
  return lines;
}

function createdJson(
  made: CreatedBundle,
  { storeDir }: Store,
  dryRun: boolean,
  seconds: number,
): Record<string, unknown> {
  const full = (path: StorePath): string => printStorePath(storeDir, path);
  const { files, size, fresh, pairs, closure, narSize, needs, differing, withoutBase, refused } = made;
  return {
    dryRun,
    files,
    size: dryRun ? undefined : size,
    total: closure.size,
    paths: [...fresh.values()].map((info) => ({
      path: full(info.path),
      narSize: info.narSize,
      bases: (pairs.get(info.path) ?? []).map(full),
      bytes: dryRun ? undefined : Math.round(made.reports.get(info.path)?.bytes ?? 0),
    })),
    narSize,
    needs: needs.infos.map(({ path }) => full(path)),
    substitutable: Object.fromEntries([...made.elsewhere].map(([path, url]) => [full(path), url])),
    differing: differing.map(full),
    withoutBase: withoutBase.map(full),
    refused: refused.map(full),
    seconds: Math.round(seconds * 1000) / 1000,
  };
}

function volumeSizeOf(text: string): number {
  const size = parseSize('--volume-size', text);
  if (size >= leastVolume) return size;
  throw new NarrowError('usage', `--volume-size ${text} is too small: volumes have at least ${leastVolume} bytes`);
}
