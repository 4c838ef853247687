// narrow verify: are paths what their store says, and does somebody trusted say so? Exit status 3 when something is not.

import type { Command } from 'commander';
import { walkClosure } from '../../closure/walk.ts';
import type { Closure } from '../../closure/walk.ts';
import { NarrowError } from '../../errors.ts';
import type { PathInfo } from '../../model/path-info.ts';
import { printStorePath } from '../../model/store-path.ts';
import type { StorePath } from '../../model/store-path.ts';
import { closureQuery } from '../../store/closure-query.ts';
import { openStore } from '../../store/open.ts';
import { isListed } from '../../store/store.ts';
import type { ListOptions, Store } from '../../store/store.ts';
import { makePlan } from '../../transfer/plan.ts';
import { verifyPaths } from '../../transfer/verify.ts';
import type { Problem, VerifyRequest } from '../../transfer/verify.ts';
import type { Context } from '../context.ts';
import { openContext } from '../context.ts';
import { answerNo, pathArguments, repeat, resolvePaths, storeOption } from '../options.ts';
import { count, formatBytes } from '../output/human.ts';
import { startProgress } from '../output/progress.ts';

interface VerifyOptions {
  readonly store: string;
  readonly all?: boolean;
  readonly recursive?: boolean;
  readonly contents: boolean;
  readonly trust: boolean;
  readonly sigs?: string;
  readonly trustedPublicKey?: readonly string[];
  readonly json?: boolean;
  readonly stdin?: boolean;
}

export function define(command: Command, context: Context): void {
  command.description('Check contents, content addresses and signatures of paths. Every problem is listed.');
  storeOption(pathArguments(command))
    .option('--all', 'every path of the store')
    .option('-r, --recursive', 'with all they refer to')
    .option('--no-contents', 'do not read the contents')
    .option('--no-trust', 'do not ask for signatures')
    .option('--sigs <n>', 'ask for this many signatures by trusted keys, also of what was built here')
    .option('--trusted-public-key <key>', 'trust this key, too (repeatable)', repeat)
    .option('--json', 'print a JSON object with the problems')
    .addHelpText('after', examples)
    .action((paths: string[], options: VerifyOptions) => runVerify(paths, options, context));
}

const examples = `
Exit status 3 when something is wrong, 1 when that could not be told.

Examples:
  narrow verify -r ./result
  narrow verify --all --store file:///srv/cache --trusted-public-key "$(narrow key public cache.sec)"
  narrow verify --all --no-trust --store 'local?root=/mnt'`;

/** A problem, with the path or, for what cannot be read at all, the store. */
type Found = Problem & { readonly path: string };

async function runVerify(given: readonly string[], options: VerifyOptions, context: Context): Promise<void> {
  const { signal } = context;
  const signatures = wholeNumber(options.sigs);
  const open = openContext(context, { trustedPublicKey: options.trustedPublicKey ?? [] });
  await using store = await openStore(options.store, open);
  const found: Found[] = [];
  const onDamage = ({ message }: Error): void => void found.push({ path: store.url, kind: 'contents', message });
  const paths = options.all
    ? await allPaths(store, given, { signal, onDamage })
    : await resolvePaths(store, given, options.stdin).catch(answerNo);
  await using _hold = await store.hold(paths);
  const { infos, missing } = await gather(store, paths, options.recursive ?? false, signal);
  for (const { path, referrer } of missing) {
    const message = `it is not in the store${referrer ? `, but ${referrer} refers to it` : ''}`;
    found.push({ path: printStorePath(store.storeDir, path), kind: 'contents', message });
  }
  const trust = options.trust ? { keys: open.trustedKeys, signatures } : undefined;
  const bytes = await check(store, infos, { contents: options.contents, trust }, found, context);
  await print(infos.size + missing.length, bytes, found, options, context);
}

/** Checks the paths, with progress. Adds to `found`; returns the bytes that were read. */
async function check(
  store: Store,
  infos: ReadonlyMap<StorePath, PathInfo>,
  rules: Pick<VerifyRequest, 'contents' | 'trust'>,
  found: Found[],
  context: Context,
): Promise<number> {
  const progress = startProgress(context);
  progress.event({ type: 'plan', plan: makePlan(store.storeDir, infos, new Map()) });
  const onBytes = (path: StorePath, bytes: number): void => progress.event({ type: 'bytes', path, bytes });
  let read = 0;
  try {
    for await (const { path, problems, bytes } of verifyPaths({
      store,
      infos: infos.values(),
      ...rules,
      onBytes,
      signal: context.signal,
    })) {
      read += bytes;
      progress.event({ type: 'outcome', outcome: { status: 'added', path, bytes } });
      for (const problem of problems) found.push({ path: printStorePath(store.storeDir, path), ...problem });
    }
  } finally {
    progress.stop();
  }
  return read;
}

async function allPaths(store: Store, given: readonly string[], how: ListOptions): Promise<readonly StorePath[]> {
  if (given.length > 0) throw new NarrowError('usage', '--all takes no paths');
  if (isListed(store)) return store.allPaths(how);
  throw new NarrowError('unsupported', `${store.url} cannot list what it has`, {
    hint: 'name the paths, with -r for all they refer to',
  });
}

async function gather(
  store: Store,
  paths: readonly StorePath[],
  recursive: boolean,
  signal: AbortSignal,
): Promise<Closure> {
  if (recursive) return walkClosure(closureQuery(store, { signal }), paths);
  const infos = await store.pathInfos(paths, { signal });
  return { infos, missing: paths.filter((p) => !infos.has(p)).map((path) => ({ path, referrer: undefined })) };
}

function wholeNumber(text = '0'): number {
  if (/^\d{1,4}$/.test(text)) return Number(text);
  throw new NarrowError('usage', `--sigs takes a number, got '${text}'`);
}

async function print(
  paths: number,
  bytes: number,
  problems: readonly Found[],
  options: VerifyOptions,
  context: Context,
): Promise<void> {
  const bad = new Set(problems.map((problem) => problem.path)).size;
  if (options.json) await context.out(JSON.stringify({ paths, bytes, problems }));
  else for (const { path, message } of problems) await context.out(`${path}: ${message}`);
  const verdict = bad === 0 ? 'all is well' : `${count(problems.length, 'problem')} in ${count(bad, 'path')}`;
  if (!options.json) context.say(`checked ${count(paths, 'path')}, ${formatBytes(bytes)} read: ${verdict}`);
  if (!options.json && problems.some((problem) => problem.kind === 'signatures'))
    context.say(
      '  hint: --trusted-public-key KEY trusts a key, --no-trust does not ask for signatures, narrow sign adds one',
    );
  if (bad > 0) context.status = problems.some((problem) => problem.kind === 'unreadable') ? 1 : 3;
}
