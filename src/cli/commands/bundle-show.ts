// narrow bundle show: what is in a bundle, what it needs, and who vouches for it.

import type { Command } from 'commander';
import { printStorePath } from '../../model/store-path.ts';
import type { StorePath } from '../../model/store-path.ts';
import { Bundle } from '../../store/bundle/bundle.ts';
import type { BundleSignature } from '../../store/bundle/bundle.ts';
import { volumesNamed } from '../../store/bundle/volume-names.ts';
import type { Context, TrustOptions } from '../context.ts';
import { openContext } from '../context.ts';
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
