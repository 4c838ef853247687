// Makes a bundle, and says what goes into it and what it came to.

import { createBundle } from '../../bundle/create.ts';
import type { BundlePlan, CreateRequest, CreatedBundle } from '../../bundle/create.ts';
import type { Inventory } from '../../bundle/inventory.ts';
import { printStorePath } from '../../model/store-path.ts';
import type { StorePath } from '../../model/store-path.ts';
import type { Store } from '../../store/store.ts';
import type { Context } from '../context.ts';
import { count, formatBytes } from '../output/human.ts';
import { startProgress } from '../output/progress.ts';
import { version } from '../version.ts';
import type { CreateOptions } from './bundle-create-options.ts';

/** What is printed with `--json`. */
export interface MadeJson {
  readonly files: readonly string[];
  readonly [key: string]: unknown;
}

/** Says the rest for people unless JSON is asked for, which is the caller's to print. */
export async function makeBundle(
  what: Pick<CreateRequest, 'source' | 'roots' | 'caches' | 'there' | 'since' | 'keys' | 'volumeSize'>,
  options: CreateOptions,
  context: Context,
): Promise<MadeJson> {
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
      progress.event({ type: 'phase', text: `writing ${file}`, bytes: plan.narSize });
    },
    onPath: (info) => progress.read(info.narSize),
    signal: context.signal,
  });
  progress.stop();
  const seconds = (performance.now() - started) / 1000;
  if (!options.json && !dryRun) context.say(madeLine(made, seconds));
  return madeJson(made, what.source, dryRun, seconds);
}

function madeLine({ files, fresh, size }: CreatedBundle, seconds: number): string {
  const names = files.length === 1 ? files[0]! : `${files[0]!} to ${files.at(-1)!}`;
  return `${names}: ${count(fresh.size, 'path')} in ${formatBytes(size)}, ${seconds.toFixed(1)} s`;
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

function madeJson(made: CreatedBundle, { storeDir }: Store, dryRun: boolean, seconds: number): MadeJson {
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
