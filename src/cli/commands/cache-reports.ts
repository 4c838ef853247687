// narrow cache info and stats: what a cache is and what fills it.

import type { Command } from 'commander';
import { takeInventory } from '../../cache/inventory.ts';
import { readRoots } from '../../cache/roots.ts';
import { cacheStats } from '../../cache/stats.ts';
import { readUpstreams } from '../../cache/upstream.ts';
import { isLive, readClaim } from '../../store/cache/claim.ts';
import { collectorMark, collectorSilence, readLeases } from '../../store/cache/leases.ts';
import { openCacheStore } from '../../store/open-cache.ts';
import { parseCount } from '../amounts.ts';
import type { Context } from '../context.ts';
import { openContext } from '../context.ts';
import { count, formatBytes, formatTable } from '../output/human.ts';

export function defineReports(cache: Command, context: Context): void {
  cache
    .command('info')
    .description('Show what a cache is: how much it holds, what it keeps, who is at work in it.')
    .argument('<cache>')
    .option('--json', 'print a JSON object')
    .action((url: string, options: { json?: boolean }) => runInfo(url, options, context));
  cache
    .command('stats')
    .description('Show what fills a cache: sizes by package, what shared files spare, how it grew.')
    .argument('<cache>')
    .option('--top <n>', 'show this many packages; 0 for all', '20')
    .option('--json', 'print a JSON object with all of them')
    .action((url: string, options: { json?: boolean; top: string }) => runStats(url, options, context));
}

/** Milliseconds: a lease that is silent for longer is dead. */
const leaseSilence = 3_600_000;

async function runInfo(url: string, options: { json?: boolean }, context: Context): Promise<void> {
  const { signal } = context;
  await using store = await openCacheStore(url, openContext(context), 'read');
  const { files, storeDir, abilities } = store;
  const inventory = await takeInventory(store, { signal });
  const roots = await readRoots(store, { signal });
  const collector = await readClaim(files, collectorMark, { signal });
  const [upstreams, { space }, leases] = await Promise.all([
    readUpstreams(store, { signal }),
    store.inspect({ signal }),
    readLeases(files, Date.now(), leaseSilence, { signal }),
  ]);
  const unnamed = inventory.orphans.reduce((sum, file) => sum + file.size, 0);
  const facts = {
    url: store.url,
    storeDir,
    deltasOnly: store.deltasOnly,
    priority: abilities.priority,
    paths: inventory.rows.length,
    size: inventory.size,
    unnamed,
    free: space?.free,
    upstreams,
    names: [...roots.names].map(([name, [newest]]) => ({ name, generation: newest!.generation, time: newest!.time })),
    pins: roots.pins.length,
    pushing: leases.live,
    collecting: collector !== undefined && isLive(collector, Date.now(), collectorSilence),
    damaged: inventory.damaged.length + roots.damaged.length,
  };
  if (options.json) return await context.out(JSON.stringify(facts));
  const free = facts.free === undefined ? '' : `, ${formatBytes(facts.free)} free`;
  const lines = [
    `${store.url}, store directory ${storeDir}, priority ${facts.priority}`,
    `${count(facts.paths, 'path')}, ${formatBytes(facts.size)}${free}`,
    ...(facts.deltasOnly ? ['generations after the first are here as deltas alone, which Nix does not see'] : []),
    ...facts.names.map(({ name, generation, time }) => `name:${name}: generation ${generation}, ${ago(time)}`),
    ...(facts.pins > 0 ? [count(facts.pins, 'pin')] : []),
    ...(upstreams.length > 0 ? [`what is not here is at ${upstreams.join(', ')}`] : []),
    ...(unnamed > 0 ? [`${formatBytes(unnamed)} in NARs that nothing names: narrow cache gc removes them`] : []),
    ...(facts.damaged > 0
      ? [`${count(facts.damaged, 'file')} that cannot be read: narrow cache verify names them`]
      : []),
    ...(facts.pushing > 0 ? [`being pushed to by ${facts.pushing}`] : []),
    ...(facts.collecting ? ['being collected'] : []),
  ];
  for (const line of lines) await context.out(line);
}

function ago(seconds: number): string {
  const hours = (Date.now() / 1000 - seconds) / 3600;
  if (hours < 1) return 'pushed within the hour';
  return hours < 48 ? `pushed ${Math.floor(hours)} hours ago` : `pushed ${Math.floor(hours / 24)} days ago`;
}

async function runStats(url: string, options: { json?: boolean; top: string }, context: Context): Promise<void> {
  const top = parseCount('--top', options.top, 0);
  await using store = await openCacheStore(url, openContext(context), 'read');
  const stats = cacheStats(await takeInventory(store, { signal: context.signal }));
  if (options.json) return await context.out(JSON.stringify(stats));
  const packages = top === 0 ? stats.packages : stats.packages.slice(0, top);
  const rows = packages.map((one) => [
    formatBytes(one.fileSize),
    formatBytes(one.narSize),
    String(one.paths),
    String(one.versions),
    one.name,
  ]);
  const right = [true, true, true, true];
  for (const line of formatTable([['files', 'NARs', 'paths', 'versions', 'package'], ...rows], right))
    await context.out(line);
  const hidden = stats.packages.length - packages.length;
  if (hidden > 0) await context.out(`and ${count(hidden, 'package')} more`);
  for (const { month, paths, fileSize } of stats.months)
    await context.out(`${month}: ${count(paths, 'path')}, ${formatBytes(fileSize)}`);
  const deltas = stats.deltaSize > 0 ? `; deltas take ${formatBytes(stats.deltaSize)}` : '';
  const spared = stats.shared > 0 ? `; shared files spare ${formatBytes(stats.shared)}` : '';
  await context.out(
    `${count(stats.paths, 'path')}: ${formatBytes(stats.fileSize)} of files, ${formatBytes(stats.narSize)} of NARs${spared}${deltas}`,
  );
}
