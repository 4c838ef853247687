// narrow info: what a store knows about paths. Exit status 3 when one is not there.

import type { Command } from 'commander';
import { walkClosure } from '../../closure/walk.ts';
import type { Closure } from '../../closure/walk.ts';
import type { PathInfo } from '../../model/path-info.ts';
import { printStorePath } from '../../model/store-path.ts';
import type { StorePath } from '../../model/store-path.ts';
import { closureQuery } from '../../store/closure-query.ts';
import { openStore } from '../../store/open.ts';
import type { Store } from '../../store/store.ts';
import type { Context } from '../context.ts';
import { openContext } from '../context.ts';
import { answerNo, pathArguments, resolvePaths, storeOption } from '../options.ts';
import { count, formatBytes, formatTable } from '../output/human.ts';
import { pathInfoJson } from '../output/json.ts';

interface InfoOptions {
  readonly store: string;
  readonly recursive?: boolean;
  readonly size?: boolean;
  readonly json?: boolean;
  readonly stdin?: boolean;
}

export function define(command: Command, context: Context): void {
  command.description('Show path infos: hash, size, references, signatures.');
  storeOption(pathArguments(command))
    .option('-r, --recursive', 'with all they refer to, references first; one path a line')
    .option('-s, --size', 'one line a path: NAR size and path, with a sum')
    .option('--json', 'print a JSON object: full path -> info, or null when it is not there')
    .action((paths: string[], options: InfoOptions) => runInfo(paths, options, context));
}

async function runInfo(given: readonly string[], options: InfoOptions, context: Context): Promise<void> {
  await using store = await openStore(options.store, openContext(context));
  const paths = await resolvePaths(store, given, options.stdin).catch(answerNo);
  const { infos, missing } = await (options.recursive ? closure : justThese)(store, paths, context);
  if (options.json) await context.out(infosJson(store, infos, missing));
  else if (options.size) await printSizes(store, infos, context);
  else
    for (const info of infos.values())
      await context.out(options.recursive ? printStorePath(store.storeDir, info.path) : infoText(store, info));
  if (missing.length === 0) return;
  context.status = 3;
  for (const { path, referrer } of missing) {
    context.say(`narrow: ${store.url} does not have ${path}${referrer ? `, needed by ${referrer}` : ''}`);
  }
}

function closure(store: Store, paths: readonly StorePath[], { signal }: Context): Promise<Closure> {
  return walkClosure(closureQuery(store, { signal }), paths);
}

async function justThese(store: Store, paths: readonly StorePath[], { signal }: Context): Promise<Closure> {
  const infos = await store.pathInfos(paths, { signal });
  return { infos, missing: paths.filter((path) => !infos.has(path)).map((path) => ({ path, referrer: undefined })) };
}

function infosJson(
  store: Store,
  infos: ReadonlyMap<StorePath, PathInfo>,
  missing: readonly { path: StorePath }[],
): string {
  const entry = (path: StorePath, value: unknown): string =>
    `${JSON.stringify(printStorePath(store.storeDir, path))}:${JSON.stringify(value)}`;
  // one text for each: an object with a key for each of many paths takes twice as long to make and to print
  const entries = Array.from(infos.values(), (info) => entry(info.path, pathInfoJson(store.storeDir, info)));
  return `{${[...entries, ...missing.map(({ path }) => entry(path, null))].join(',')}}`;
}

async function printSizes(store: Store, infos: ReadonlyMap<StorePath, PathInfo>, context: Context): Promise<void> {
  const rows = [...infos.values()].map((info) => [
    formatBytes(info.narSize),
    printStorePath(store.storeDir, info.path),
  ]);
  const total = [...infos.values()].reduce((sum, info) => sum + info.narSize, 0);
  for (const line of formatTable([...rows, [formatBytes(total), `in ${count(infos.size, 'path')}`]], [true]))
    await context.out(line);
}

/** The facts as `Name: value` lines, named as in a narinfo. */
function infoText(store: Store, info: PathInfo): string {
  const json = pathInfoJson(store.storeDir, info);
  const list = (items: readonly string[]): string =>
    items.length === 0 ? ' none' : items.map((item) => `\n  ${item}`).join('');
  const lines = [
    `Path: ${json['path'] as string}`,
    `NarHash: ${json['narHash'] as string}`,
    `NarSize: ${info.narSize} (${formatBytes(info.narSize)})`,
    `References:${list(info.references)}`,
    `Deriver: ${info.deriver ?? 'unknown'}`,
    `Signatures:${list(info.signatures)}`,
  ];
  if (info.ca) lines.push(`CA: ${json['ca'] as string}`);
  if (info.ultimate) lines.push('Ultimate: built here');
  if (info.registrationTime)
    lines.push(`Registered: ${new Date(info.registrationTime * 1000).toISOString().replace('.000', '')}`);
  if (info.file)
    lines.push(
      `File: ${info.file.url} (${info.file.compression}${info.file.size === undefined ? '' : `, ${formatBytes(info.file.size)}`})`,
    );
  return lines.join('\n');
}
