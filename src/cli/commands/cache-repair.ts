// narrow cache repair: what narrow cache verify finds is fetched from other stores. Exit status 3 when something stays wrong.

import type { Command } from 'commander';
import { repairCache } from '../../cache/repair.ts';
import type { CacheRepaired } from '../../cache/repair.ts';
import { readUpstreams } from '../../cache/upstream.ts';
import { NarrowError } from '../../errors.ts';
import { printStorePath } from '../../model/store-path.ts';
import type { StoreDir } from '../../model/store-path.ts';
import { openCacheStore } from '../../store/open-cache.ts';
import type { Context } from '../context.ts';
import { openContext } from '../context.ts';
import { repeat } from '../options.ts';
import { count, formatBytes } from '../output/human.ts';
import { startProgress } from '../output/progress.ts';
import { withKeys } from '../secret-keys.ts';
import { openAll, problemJson, signatureHint } from './cache-verify.ts';

interface RepairOptions {
  readonly from?: readonly string[];
  readonly remove?: boolean;
  readonly key?: readonly string[];
  readonly contents: boolean;
  readonly trust: boolean;
  readonly trustedPublicKey?: readonly string[];
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export function defineRepair(cache: Command, context: Context): void {
  cache
    .command('repair')
    .description('Mend what narrow cache verify finds: damaged and missing files, references and signatures.')
    .argument('<cache>')
    .option('--from <url>', 'a store that may have what is missing (repeatable, asked in this order)', repeat)
    .option('--remove', 'remove what cannot be mended, with all that needs it: what is left is whole')
    .option('--key <file>', 'sign what is written with this secret key (repeatable)', repeat)
    .option('--no-contents', 'do not read the NARs: only sizes are looked at')
    .option('--no-trust', 'do not ask for signatures')
    .option('--trusted-public-key <key>', 'trust this key, too (repeatable)', repeat)
    .option('--dry-run', 'say what would be mended, and from where, and stop')
    .option('--json', 'print a JSON object')
    .addHelpText('after', help)
    .action((url: string, options: RepairOptions) => runRepair(url, options, context));
}

const help = `
A path is written again only with the contents that its narinfo promised, unless nobody
trusted signed that narinfo and somebody trusted signed what the other store has.
Pins and generations that name what is not there stay as they are.

Examples:
  narrow cache repair /srv/cache --from auto --from https://cache.nixos.org --dry-run
  narrow cache repair /srv/cache --from ssh://builder --remove`;

async function runRepair(url: string, options: RepairOptions, context: Context): Promise<void> {
  const { signal } = context;
  const { remove = false, dryRun = false } = options;
  if (!options.from && !remove)
    throw new NarrowError('usage', 'nothing says where to mend from', {
      hint: 'give --from STORE, or --remove to have the damage removed',
    });
  const open = openContext(context, { trustedPublicKey: options.trustedPublicKey ?? [] });
  await using stack = new AsyncDisposableStack();
  const place = withKeys(url, options.key ?? []);
  const store = stack.use(await openCacheStore(place, open, dryRun ? 'read' : 'write'));
  const sources = await openAll(options.from ?? [], open, stack);
  const upstreams = await openAll(await readUpstreams(store, { signal }), open, stack);
  const progress = startProgress(context);
  stack.defer(() => progress.stop());
  const result = await repairCache({
    store,
    sources,
    upstreams,
    remove,
    dryRun,
    contents: options.contents,
    trustedKeys: options.trust ? open.trustedKeys : undefined,
    onBytes: (bytes) => progress.read(bytes),
    onPhase: (text) => progress.event({ type: 'phase', text }),
    signal,
  });
  progress.stop();
  const gone = new Set(result.removed?.plan.steps.flat().map((row) => result.removed!.inventory.rows[row]!.path));
  const left = result.unmended.filter(({ problem: { path } }) => path === undefined || !gone.has(path));
  if (left.length > 0) context.status = 3;
  if (options.json) return await context.out(JSON.stringify(repairJson(result, store.storeDir, dryRun)));
  for (const { problem, why } of result.unmended)
    await context.out(`${problem.file}: ${problem.message}; not mended: ${why}`);
  const hint = signatureHint(left.map(({ problem }) => problem));
  for (const line of [...repairLines(result, dryRun), ...hint]) context.say(line);
}

function repairLines({ problems, mended, unmended, bytes, removed }: CacheRepaired, dryRun: boolean): string[] {
  const from = Map.groupBy(mended, (one) => one.from ?? 'signatures');
  const sources = [...from].map(([url, all]) => `${all.length} from ${url}`).join(', ');
  const verb = dryRun ? 'would be mended' : 'mended';
  const lines = [
    `${count(problems, 'problem')}: ${mended.length} ${verb}${sources === '' ? '' : ` (${sources})`}, ${unmended.length} not; ${formatBytes(bytes)} written`,
  ];
  if (removed) lines.push(`removed ${count(removed.plan.steps.flat().length, 'path')}, ${formatBytes(removed.bytes)}`);
  return lines;
}

function repairJson(
  { problems, mended, unmended, bytes, removed }: CacheRepaired,
  storeDir: StoreDir,
  dryRun: boolean,
): Record<string, unknown> {
  return {
    dryRun,
    problems,
    mended: mended.map(({ problem, path, from }) => ({
      ...problemJson(storeDir, problem),
      mendedWith: printStorePath(storeDir, path),
      from,
    })),
    unmended: unmended.map(({ problem, why }) => ({ ...problemJson(storeDir, problem), why })),
    removed: (removed?.plan.steps.flat() ?? []).map((row) =>
      printStorePath(storeDir, removed!.inventory.rows[row]!.path),
    ),
    bytes,
  };
}
