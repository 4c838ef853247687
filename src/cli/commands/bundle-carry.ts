// narrow bundle create, in formats that stock Nix reads.

import { extname } from 'node:path';
import { carryAway } from '../../bundle/formats/carry.ts';
import type { CarriedAway, CarryFormat, CarryPlan } from '../../bundle/formats/carry.ts';
import { NarrowError } from '../../errors.ts';
import { encodableEncodings } from '../../format/compression.ts';
import { printStorePath } from '../../model/store-path.ts';
import type { StorePath } from '../../model/store-path.ts';
import type { Store } from '../../store/store.ts';
import type { Context } from '../context.ts';
import { openContext } from '../context.ts';
import { count, formatBytes } from '../output/human.ts';
import { startProgress } from '../output/progress.ts';
import { version } from '../version.ts';

export interface CarryOptions {
  readonly out: string;
  readonly level: 'fast' | 'best';
  readonly compression?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** Of NARs in caches: every Nix since 2.4 reads zstd. */
const narEncodings = { fast: 'zstd', best: 'xz' } as const;
const levels: Readonly<Record<string, Readonly<Record<CarryOptions['level'], number>>>> = {
  zstd: { fast: 9, best: 19 },
  xz: { fast: 6, best: 9 },
};

export async function runCarry(
  { source, roots, there }: { source: Store; roots: readonly StorePath[]; there: Iterable<StorePath> },
  format: CarryFormat,
  options: CarryOptions,
  context: Context,
): Promise<void> {
  const { out: file, level, dryRun = false } = options;
  const how = encodingsFor(format, options);
  const progress = startProgress(context);
  using stack = new DisposableStack();
  stack.defer(() => progress.stop());
  const started = performance.now();
  const made = await carryAway({
    source,
    roots,
    there: new Set(there),
    file,
    format,
    ...how,
    level: levels[how.encoding === 'none' ? how.narEncoding : how.encoding]?.[level],
    by: `narrow ${version()}`,
    dryRun,
    onPlan: (plan) => planLines(plan, format).forEach((line) => context.say(line)),
    onEvent: (event) => progress.event(event),
    warn: openContext(context).warn,
    signal: context.signal,
  });
  progress.stop();
  const seconds = (performance.now() - started) / 1000;
  if (options.json) return await context.out(JSON.stringify(carriedJson(made, format, source, options, seconds)));
  if (!dryRun)
    context.say(`${file}: ${count(made.infos.size, 'path')} in ${formatBytes(made.size)}, ${seconds.toFixed(1)} s`);
}

/** What names of files say of them. */
const suffixes: Readonly<Record<string, string>> = {
  '.xz': 'xz',
  '.txz': 'xz',
  '.zst': 'zstd',
  '.tzst': 'zstd',
  '.bz2': 'bzip2',
  '.lz4': 'lz4',
  '.gz': 'gzip',
  '.tgz': 'gzip',
};

/** How the whole file is compressed, and how its NARs: never both. Throws `usage`. */
function encodingsFor(format: CarryFormat, options: CarryOptions): { encoding: string; narEncoding: string } {
  const { out, compression, level } = options;
  const named = suffixes[extname(out)];
  for (const method of [compression, named])
    if (method !== undefined && !encodableEncodings.includes(method))
      throw new NarrowError('usage', `${method} can only be read, not written`, {
        hint: `what can be written: ${encodableEncodings.join(', ')}`,
      });
  if (format === 'nix-export') return { encoding: compression ?? named ?? 'none', narEncoding: 'none' };
  if (format === 'self-extract' || named === undefined)
    return { encoding: 'none', narEncoding: compression ?? narEncodings[level] };
  return { encoding: named, narEncoding: compression ?? 'none' };
}

function planLines({ total, infos, needs, narSize }: CarryPlan, format: CarryFormat): string[] {
  const lines = [`${count(infos.size, 'path')} of ${total} to bring, ${formatBytes(narSize)} of NARs, all in full`];
  if (needs.length > 0) lines.push(`${count(needs.length, 'path')} have to be there: what is brought refers to them`);
  const signed = [...infos.values()].filter(({ signatures }) => signatures.length > 0).length;
  if (format === 'nix-export' && signed > 0)
    lines.push('export streams have no place for signatures: --format cache-tar keeps them');
  return lines;
}

function carriedJson(
  { infos, needs, total, narSize, size }: CarriedAway,
  format: CarryFormat,
  { storeDir }: Store,
  { dryRun = false, out }: CarryOptions,
  seconds: number,
): Record<string, unknown> {
  const full = (path: StorePath): string => printStorePath(storeDir, path);
  return {
    dryRun,
    format,
    files: dryRun ? [] : [out],
    size: dryRun ? undefined : size,
    total,
    paths: [...infos.values()].map((info) => ({ path: full(info.path), narSize: info.narSize })),
    narSize,
    needs: needs.map(full),
    seconds: Math.round(seconds * 1000) / 1000,
  };
}
