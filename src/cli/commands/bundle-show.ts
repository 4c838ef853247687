// narrow bundle show and verify: what is in a bundle, whether it is whole, and whether it will apply.

import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { isInventory, parseInventory } from '../../bundle/inventory.ts';
import { obstacleLines, verifyAgainstInventory, verifyAgainstStore } from '../../bundle/verify.ts';
import type { Applicability } from '../../bundle/verify.ts';
import { printStorePath } from '../../model/store-path.ts';
import type { StorePath } from '../../model/store-path.ts';
import { Bundle } from '../../store/bundle/bundle.ts';
import type { BundleSignature } from '../../store/bundle/bundle.ts';
import { volumesNamed } from '../../store/bundle/volume-names.ts';
import { damageError } from '../../store/bundle/volume-file.ts';
import type { Damage } from '../../store/bundle/volume-file.ts';
import { openStore, openWritable } from '../../store/open.ts';
import type { Store } from '../../store/store.ts';
import type { Context, TrustOptions } from '../context.ts';
import { openContext } from '../context.ts';
import { trustOptions } from '../options.ts';
import { areCarried, showCarried } from './bundle-carried.ts';
import { count, formatBytes, formatTable } from '../output/human.ts';

interface ShowOptions extends TrustOptions {
  readonly paths?: boolean;
  readonly json?: boolean;
}

export function defineShow(command: Command, context: Context): void {
  command
    .description('Show what a bundle brings, what it needs, for whom it was made and who signed it.')
    .argument('<files...>', 'the bundle; of several files one will do when they lie side by side')
    .option('--paths', 'list the paths, too: how they come, size, path')
    .option('--json', 'print a JSON object')
    .action((files: string[], options: ShowOptions) => runShow(files, options, context));
}

interface VerifyOptions extends TrustOptions {
  readonly against?: string;
  readonly json?: boolean;
}

export function defineVerify(command: Command, context: Context): void {
  command
    .description(
      'Read all of a bundle, and name what is damaged. With --against also all that keeps it from being applied.',
    )
    .argument('<files...>', 'the bundle; of several files one will do when they lie side by side')
    .option('--against <place>', 'an inventory, or the URL of a store, that it is to be applied to')
    .option('--json', 'print a JSON object');
  trustOptions(command)
    .addHelpText('after', verifyExamples)
    .action((files: string[], options: VerifyOptions) => runVerify(files, options, context));
}

const verifyExamples = `
Examples:
  narrow bundle verify next.bundle
  narrow bundle verify --against island.inventory next.bundle
  narrow bundle verify --against daemon /media/usb/next.bundle`;

/** The files of one bundle. */
export function allVolumes(files: readonly string[]): string[] {
  return [...new Set(files.flatMap(volumesNamed))];
}

async function runShow(files: readonly string[], options: ShowOptions, context: Context): Promise<void> {
  if (await areCarried(files, context.signal)) return showCarried(files, options, context);
  await using bundle = await Bundle.open(allVolumes(files));
  const signatures = bundle.signatures(openContext(context, options).trustedKeys);
  const size = await bundle.volumes.fileSize();
  if (options.json) return await context.out(JSON.stringify(bundleJson(bundle, signatures, size)));
  const { about, needs, infos, volumes } = bundle;
  const full = (path: StorePath): string => printStorePath(about.storeDir, path);
  const changed = infos.filter((_, number) => bundle.basesOf(number).length > 0).length;
  const lines: [string, string][] = [
    ['Bundle', volumes.id],
    ['Roots', about.roots.map((root) => `\n  ${full(root)}`).join('')],
    ['Made', `${new Date(about.made).toISOString().replace(/\.\d+/, '')} by ${about.by}`],
    ['For', about.for.length > 0 ? about.for.join(', ') : 'anybody'],
    ['After', about.since.length > 0 ? about.since.join(', ') : 'no other bundle'],
    ['Files', `${volumes.volumes.length}, ${formatBytes(size)}`],
    [
      'Brings',
      `${count(infos.length, 'path')}, ${formatBytes(bundle.narSize)} of NARs: ${changed} as changes, ${infos.length - changed} in full`,
    ],
    ['Needs', `${count(needs.infos.length, 'path')} to be there`],
    ...(about.substitutable ?? []).map((one): [string, string] => [
      'To be fetched',
      `${count(one.needs.length, 'path')} of these and what they need from ${one.url}`,
    ]),
    ['Keys of paths', signersOf(bundle).join(', ') || 'none'],
    ['Signed', signatureText(signatures)],
  ];
  for (const [name, value] of lines) await context.out(`${name}:${value.startsWith('\n') ? '' : ' '}${value}`);
  if (!options.paths) return;
  const rows = [
    ...needs.infos.map(({ path, narSize }) => ['needed', formatBytes(narSize), full(path)]),
    ...infos.map(({ path, narSize }, number) => [
      bundle.basesOf(number).length > 0 ? 'changed' : 'full',
      formatBytes(narSize),
      full(path),
    ]),
  ];
  for (const line of formatTable(rows, [false, true])) await context.out(line);
}

/** Names of the keys that paths are signed with. */
function signersOf({ infos }: Bundle): string[] {
  return [
    ...new Set(infos.flatMap(({ signatures }) => signatures.map((one) => one.slice(0, one.indexOf(':'))))),
  ].sort();
}

export function signatureText(signatures: readonly BundleSignature[]): string {
  if (signatures.length === 0) return 'by nobody';
  const words = {
    trusted: 'trusted',
    wrong: 'WRONG: changed after it was signed',
    unknown: 'a key that is not trusted here',
  };
  return signatures.map(({ name, standing }) => `by ${name} (${words[standing]})`).join(', ');
}

function bundleJson(bundle: Bundle, signatures: readonly BundleSignature[], size: number): Record<string, unknown> {
  const { about, needs, infos, volumes } = bundle;
  const full = (path: StorePath): string => printStorePath(about.storeDir, path);
  return {
    bundle: volumes.id,
    storeDir: about.storeDir,
    roots: about.roots.map(full),
    made: new Date(about.made).toISOString(),
    by: about.by,
    for: about.for,
    since: about.since,
    files: volumes.volumes.map(({ file }) => file),
    size,
    narSize: bundle.narSize,
    paths: infos.map(({ path, narSize }, number) => ({
      path: full(path),
      narSize,
      bases: bundle.basesOf(number).map(full),
    })),
    needs: needs.infos.map(({ path }) => full(path)),
    substitutable: Object.fromEntries([...bundle.substitutable].map(([path, url]) => [full(path), url])),
    keys: signersOf(bundle),
    signatures,
  };
}

async function runVerify(files: readonly string[], options: VerifyOptions, context: Context): Promise<void> {
  const open = openContext(context, options);
  const openCache = (url: string): Promise<Store> => openStore(url, open);
  await using bundle = await Bundle.open(allVolumes(files), { openCache, signal: context.signal });
  const damages: Damage[] = [];
  for await (const damage of bundle.volumes.damages(undefined, context.signal)) damages.push(damage);
  const signatures = bundle.signatures(open.trustedKeys);
  const found = options.against === undefined ? undefined : await against(bundle, options.against, options, context);
  const ok = damages.length === 0 && signatures.every(({ standing }) => standing !== 'wrong');
  const applies = ok && (found?.obstacles.length ?? 0) === 0;
  if (!applies) context.status = 3;
  if (options.json) {
    const { storeDir } = bundle.about;
    const obstacles = found?.obstacles.map(({ path, ...rest }) => ({
      ...rest,
      path: path && printStorePath(storeDir, path),
    }));
    return await context.out(
      JSON.stringify({
        ok,
        damages,
        signatures,
        applies: found && applies,
        obstacles,
        valid: found?.valid,
        fetched: found?.fetched,
        narSize: found?.narSize,
      }),
    );
  }
  for (const damage of damages) context.say(damageError(damage).message);
  context.say(`signed ${signatureText(signatures)}`);
  if (ok) context.say(`${bundle.volumes.name} is whole: ${count(bundle.infos.length, 'path')}`);
  if (found) for (const line of againstLines(found, options.against!)) context.say(line);
}

function againstLines({ obstacles, valid, fetched, narSize }: Applicability, place: string): string[] {
  const there =
    (valid > 0 ? `; ${count(valid, 'path')} are there` : '') +
    (fetched > 0 ? `; ${count(fetched, 'path')} come from caches` : '');
  if (obstacles.length === 0)
    return [`it will apply completely to ${place}: ${formatBytes(narSize)} to be added${there}`];
  return [`it will not apply to ${place}:`, ...obstacleLines(obstacles).map((line) => `  ${line}`)];
}

async function against(
  bundle: Bundle,
  place: string,
  options: VerifyOptions,
  context: Context,
): Promise<Applicability> {
  const checkSignatures = options.checkSigs ?? true;
  const bytes = await readFile(place).catch(() => undefined);
  if (bytes && isInventory(bytes))
    return verifyAgainstInventory(bundle, parseInventory(bytes, place), { checkSignatures });
  await using store = await openWritable(place, openContext(context, options));
  return await verifyAgainstStore(bundle, store, { checkSignatures, signal: context.signal });
}
