// narrow cache gc: removes what nobody needs any more, by what is pinned or named, by age, by size.

import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import { AccessLog } from '../../cache/access-log.ts';
import { planGc, runGc } from '../../cache/gc.ts';
import type { GcResult } from '../../cache/gc.ts';
import type { GcRequest } from '../../cache/gc-survey.ts';
import type { LoggedUses } from '../../cache/uses.ts';
import { NarrowError, ioError } from '../../errors.ts';
import { printStorePath } from '../../model/store-path.ts';
import { openCacheStore } from '../../store/open-cache.ts';
import { parseCount, parseSize, parseSpan } from '../amounts.ts';
import type { Context } from '../context.ts';
import { openContext } from '../context.ts';
import { repeat } from '../options.ts';
import { count, formatBytes, formatTable } from '../output/human.ts';
import { startProgress } from '../output/progress.ts';

interface GcOptions {
  readonly olderThan?: string;
  readonly maxSize?: string;
  readonly keepGenerations?: string;
  readonly accessLog?: readonly string[];
  readonly atime?: boolean;
  readonly grace: string;
  readonly dryRun?: boolean;
  readonly list?: boolean;
  readonly json?: boolean;
}

export function defineGc(cache: Command, context: Context): void {
  cache
    .command('gc')
    .description('Remove what nobody needs any more. A kept path keeps all it refers to.')
    .argument('<cache>')
    .option('--older-than <span>', 'what was not used for so long: 14d, 8w')
    .option('--max-size <size>', 'what was used longest ago, until the cache fits: 50G, 500GiB')
    .option(
      '--keep-generations <n>',
      'keep the last N generations of each name; alone: everything else goes (default: 1)',
    )
    .option(
      '--access-log <file>',
      "a web server's log of this cache, .gz too (repeatable): what was fetched was used",
      repeat,
    )
    .option('--atime', 'reading a NAR is use, by the times that the file system keeps')
    .option('--grace <span>', 'what is younger stays: others may be pushing', '1h')
    .option('--dry-run', 'say what would go and stop')
    .option('--list', 'list every path that goes')
    .option('--json', 'print a JSON object')
    .addHelpText('after', help)
    .action((url: string, options: GcOptions) => runCacheGc(url, options, context));
}

const help = `
Pins and the newest generation of each name stay always, whatever is asked for.
Used is what was pushed (again), what something used refers to, and what a log or
access times tell. Safe beside narrow push and narrow copy, which wait for each other.

Examples:
  narrow cache gc /srv/cache --older-than 14d --keep-generations 2 --dry-run
  narrow cache gc /srv/cache --older-than 30d --access-log /var/log/nginx/nix-cache.log
  narrow cache gc /srv/cache --max-size 50G`;

async function runCacheGc(url: string, options: GcOptions, context: Context): Promise<void> {
  const { olderThan, maxSize, keepGenerations, atime, dryRun } = options;
  if (olderThan === undefined && maxSize === undefined && keepGenerations === undefined)
    throw new NarrowError('usage', 'nothing says what is to go', {
      hint: 'give --older-than 14d, --max-size 50G or --keep-generations 2',
    });
  const open = openContext(context);
  await using store = await openCacheStore(url, open, 'read');
  const progress = startProgress(context);
  await using stack = new AsyncDisposableStack();
  stack.defer(() => progress.stop());
  const request: GcRequest = {
    store,
    olderThan: olderThan === undefined ? undefined : parseSpan('--older-than', olderThan),
    maxSize: maxSize === undefined ? undefined : parseSize('--max-size', maxSize),
    keepGenerations: parseCount('--keep-generations', keepGenerations ?? '1', 1),
    grace: parseSpan('--grace', options.grace),
    logged: options.accessLog && (await readLogs(options.accessLog)),
    accessTimes: atime,
    onPhase: (text) => progress.event({ type: 'phase', text }),
    signal: context.signal,
  };
  await expectRoots(request);
  const result = dryRun ? await planGc(request) : await runGc(request);
  progress.stop();
  tellLog(request, context);
  if (options.json) await context.out(JSON.stringify(gcJson(result, request, dryRun ?? false)));
  else for (const line of gcLines(result, request, options)) await context.out(line);
  if (request.maxSize !== undefined && result.inventory.size - result.bytes > request.maxSize) {
    const left = formatBytes(result.inventory.size - result.bytes);
    context.say(`warning: ${left} are left, more than asked for: the rest is pinned, named, new or being pushed`);
    context.status = 3;
  }
}

/** By roots alone a cache without any would be emptied, which nobody means. */
async function expectRoots({ store, olderThan, maxSize, signal }: GcRequest): Promise<void> {
  if (olderThan !== undefined || maxSize !== undefined) return;
  const { readRoots } = await import('../../cache/roots.ts');
  const { pins, names } = await readRoots(store, { signal });
  if (pins.length + names.size > 0) return;
  throw new NarrowError('usage', `${store.files.url} has neither pins nor names: everything would go`, {
    hint: 'push with --name, pin what is to stay, or give --older-than or --max-size',
  });
}

async function readLogs(files: readonly string[]): Promise<LoggedUses> {
  const log = new AccessLog();
  for (const file of files) {
    try {
      const stream = createReadStream(file);
      if (file.endsWith('.gz'))
        await pipeline(stream, createGunzip(), (source) => log.read(source as AsyncIterable<Buffer>));
      else await log.read(stream as AsyncIterable<Buffer>);
    } catch (error) {
      throw ioError('read the log', file, error);
    }
  }
  const uses = log.uses();
  if (uses.from !== undefined) return uses;
  throw new NarrowError('format', `${files.join(', ')}: no line with a date that is known`, {
    hint: 'logs of nginx and Apache in the common or combined format are read, and lines with ISO dates',
  });
}

/** Before its first line a log tells nothing. */
function tellLog({ logged, olderThan }: GcRequest, context: Context): void {
  if (logged?.from === undefined || olderThan === undefined || logged.from <= Date.now() - olderThan) return;
  const since = new Date(logged.from).toISOString();
  context.say(
    `warning: the log begins at ${since}: what was there before counts as used until then; give older logs, too`,
  );
}

function gcJson(result: GcResult, { store }: GcRequest, dryRun: boolean): Record<string, unknown> {
  const { inventory, plan, uses, records, strays, narsStay, bytes, files, leases } = result;
  const rows = plan.steps.flat();
  return {
    dryRun,
    url: store.files.url,
    paths: inventory.rows.length,
    size: inventory.size,
    kept: {
      rooted: plan.rooted,
      held: plan.held,
      used: inventory.rows.length - rows.length - plan.rooted - plan.held,
    },
    removed: rows.map((row) => ({
      path: printStorePath(store.storeDir, inventory.rows[row]!.path),
      fileSize: inventory.nars[inventory.narOf[row]!]!.file?.size,
      lastUsed: Math.floor(uses[row]! / 1000),
    })),
    records,
    leftovers: strays.map((file) => ({ file: file.reference, fileSize: file.size })),
    damaged: inventory.damaged.map(({ reference, message }) => ({ file: reference, message })),
    running: leases.live,
    narsStay,
    bytes,
    files,
  };
}

/** Nobody can tell them: they keep it in a database of their own. */
const stale =
  '  clients whose Nix knows a path that is gone ask for it for up to 30 days: narrow doctor there finds out, nix --refresh helps';

function gcLines(result: GcResult, { store }: GcRequest, { dryRun, list }: GcOptions): string[] {
  const { inventory, plan, uses, strays, narsStay, bytes, leases, records } = result;
  const rows = plan.steps.flat();
  const used = inventory.rows.length - rows.length - plan.rooted - plan.held;
  const lines = [
    `${store.files.url}: ${count(inventory.rows.length, 'path')}, ${formatBytes(inventory.size)}`,
    `  stay: ${plan.rooted} pinned or named, ${plan.held} new or being pushed, ${used} used of late`,
    `  ${dryRun ? 'would go' : 'gone'}: ${count(rows.length, 'path')}, ${records.length} generations and notes, ${count(strays.length, 'file')} that nothing names: ${formatBytes(bytes)}`,
  ];
  if (leases.live > 0)
    lines.push(
      `  ${leases.live === 1 ? 'somebody is' : `${leases.live} are`} pushing${narsStay ? ': NARs stay this time, the next collection takes them' : ''}`,
    );
  for (const { reference, message } of inventory.damaged) lines.push(`  cannot be read: ${reference}: ${message}`);
  if (rows.length > 0 && dryRun !== true) lines.push(stale);
  if (!list) return lines;
  const table = rows.map((row) => [
    formatBytes(inventory.nars[inventory.narOf[row]!]!.file?.size ?? 0),
    new Date(uses[row]!).toISOString().slice(0, 10),
    printStorePath(store.storeDir, inventory.rows[row]!.path),
  ]);
  return [...lines, ...formatTable(table, [true]).map((line) => `  ${line}`)];
}
