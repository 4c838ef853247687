// narrow cache verify: is a cache what it says? Exit status 3 when it is not.

import type { Command } from 'commander';
import { readUpstreams } from '../../cache/upstream.ts';
import { verifyCache } from '../../cache/verify.ts';
import type { CacheProblem } from '../../cache/verify.ts';
import { printStorePath } from '../../model/store-path.ts';
import type { StoreDir } from '../../model/store-path.ts';
import { openCacheStore } from '../../store/open-cache.ts';
import { openStore } from '../../store/open.ts';
import type { OpenContext } from '../../store/open-context.ts';
import type { Store } from '../../store/store.ts';
import type { Context } from '../context.ts';
import { openContext } from '../context.ts';
import { repeat } from '../options.ts';
import { count, formatBytes } from '../output/human.ts';
import { startProgress } from '../output/progress.ts';

interface VerifyOptions {
  readonly contents: boolean;
  readonly trust: boolean;
  readonly upstream: readonly string[] | boolean;
  readonly trustedPublicKey?: readonly string[];
  readonly json?: boolean;
}

export function defineVerify(cache: Command, context: Context): void {
  cache
    .command('verify')
    .description(
      'Check a cache: hashes and sizes of files and contents, signatures, closures, pins and generations. Every problem is listed.',
    )
    .argument('<cache>')
    .option('--no-contents', 'do not read the NARs')
    .option('--no-trust', 'do not ask for signatures')
    .option('--no-upstream', 'do not ask the caches that pushes left paths to: what is not here is missing')
    .option('--trusted-public-key <key>', 'trust this key, too (repeatable)', repeat)
    .option('--json', 'print a JSON object with the problems')
    .addHelpText(
      'after',
      '\nExample:\n  narrow cache verify /srv/cache --trusted-public-key "$(narrow key public home.sec)"',
    )
    .action((url: string, options: VerifyOptions) => runVerify(url, options, context));
}

async function runVerify(url: string, options: VerifyOptions, context: Context): Promise<void> {
  const { signal } = context;
  const open = openContext(context, { trustedPublicKey: options.trustedPublicKey ?? [] });
  await using stack = new AsyncDisposableStack();
  const store = stack.use(await openCacheStore(url, open, 'read'));
  const urls = options.upstream === false ? [] : await readUpstreams(store, { signal });
  const upstreams = await openAll(urls, open, stack);
  const progress = startProgress(context);
  stack.defer(() => progress.stop());
  progress.event({ type: 'phase', text: 'checking' });
  const problems: CacheProblem[] = [];
  let bytes = 0;
  const { paths, leftovers } = await verifyCache({
    store,
    upstreams,
    contents: options.contents,
    trustedKeys: options.trust ? open.trustedKeys : undefined,
    onProblem: (problem) => void problems.push(problem),
    onBytes(read) {
      bytes += read;
      progress.read(read);
    },
    signal,
  });
  progress.stop();
  if (problems.length > 0) context.status = 3;
  if (options.json) {
    const full = problems.map((problem) => problemJson(store.storeDir, problem));
    return await context.out(JSON.stringify({ paths, bytes, problems: full, leftovers }));
  }
  for (const { file, message } of problems) await context.out(`${file}: ${message}`);
  const left =
    leftovers.files > 0
      ? `; ${count(leftovers.files, 'file')} that nothing names, ${formatBytes(leftovers.bytes)}`
      : '';
  context.say(
    `checked ${count(paths, 'path')}, ${formatBytes(bytes)} read: ${count(problems.length, 'problem')}${left}`,
  );
  for (const line of signatureHint(problems)) context.say(line);
}

/** What to do about signatures, where these problems are of them. */
export function signatureHint(problems: readonly CacheProblem[]): string[] {
  if (!problems.some(({ kind }) => kind === 'signatures')) return [];
  return [
    '  hint: --trusted-public-key KEY trusts a key, --no-trust does not ask for signatures, narrow cache sign adds one',
  ];
}

/** Opened for as long as the stack stands. */
export async function openAll(
  urls: readonly string[],
  open: OpenContext,
  stack: AsyncDisposableStack,
): Promise<Store[]> {
  const stores: Store[] = [];
  for (const url of urls) stores.push(stack.use(await openStore(url, open)));
  return stores;
}

export function problemJson(storeDir: StoreDir, { kind, path, file, message }: CacheProblem): Record<string, unknown> {
  return { kind, path: path && printStorePath(storeDir, path), file, message };
}
