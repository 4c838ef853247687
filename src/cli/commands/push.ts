// narrow push: a closure into a static cache, signed, without what others have, and noted under a name.

import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { checkRootName } from '../../cache/layout.ts';
import { byWayOf, farCache } from '../../cache/far-cache.ts';
import type { DeltaPlan } from '../../cache/deltas/pushing.ts';
import { describeSecret, push } from '../../cache/push.ts';
import type { PushResult, SecretRules } from '../../cache/push.ts';
import { knownSecrets, parsePatterns } from '../../cache/secrets/patterns.ts';
import { ioError } from '../../errors.ts';
import { parseSecretKey } from '../../model/signature.ts';
import { printStorePath } from '../../model/store-path.ts';
import type { StorePath } from '../../model/store-path.ts';
import type { CacheStore } from '../../store/cache/cache-store.ts';
import { cacheUrl, openCacheStore } from '../../store/open-cache.ts';
import { openStore } from '../../store/open.ts';
import type { Store } from '../../store/store.ts';
import { resolveInStore } from '../installable.ts';
import { NarrowError } from '../../errors.ts';
import { parseCount } from '../amounts.ts';
import type { Context } from '../context.ts';
import { openContext } from '../context.ts';
import { buildInstallables } from '../flake-installable.ts';
import { resolveNames } from '../name-roots.ts';
import { pathArguments, repeat, resolvePaths } from '../options.ts';
import { deltaLines } from '../output/deltas.ts';
import { count, formatBytes } from '../output/human.ts';
import { planLines, preflightLines } from '../output/plan.ts';
import { startProgress } from '../output/progress.ts';
import { version } from '../version.ts';
import { withKeys } from '../secret-keys.ts';

interface PushOptions {
  readonly from: string;
  readonly key?: readonly string[];
  readonly name?: string;
  readonly deltas?: string;
  readonly skipUpstream?: readonly string[];
  readonly trustedPublicKey?: readonly string[];
  readonly allowSecret?: readonly string[];
  readonly secretPatterns?: readonly string[];
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly stdin?: boolean;
}

export function define(command: Command, context: Context): void {
  command
    .description('Push paths and all they need into a static cache, signed. Looks for secrets before anything leaves.')
    .argument(
      '<cache>',
      'a directory, file://DIR, sftp://HOST/DIR, s3://BUCKET, http(s)://HOST or ssh://HOST?remote-store=file://DIR, with parameters as in file:///srv/cache?compression=zstd',
    );
  pathArguments(command)
    .option('--from <url>', 'the store that has the paths', 'auto')
    .option('--key <file>', 'sign with this secret key (repeatable)', repeat)
    .option('--name <name>', 'make the paths the next generation of NAME: narrow copy --from CACHE name:NAME')
    .option(
      '--deltas [=n]',
      'lay deltas from the last N generations of NAME beside the NARs, for clients that have one of these (1 if not said)',
    )
    .option(
      '--skip-upstream <url>',
      'leave out what this cache has, signed by a trusted key (repeatable); clients need it, too',
      repeat,
    )
    .option('--trusted-public-key <key>', 'trust this key, too (repeatable)', repeat)
    .option('--allow-secret <path>', 'this path, or this file within one, may hold a secret (repeatable)', repeat)
    .option('--secret-patterns <file>', 'look for these, too: lines KIND: REGEX (repeatable)', repeat)
    .option('--dry-run', 'show the plan and what secrets there are, and stop')
    .option('--json', 'print the result as one JSON object')
    .addHelpText('after', examples);
  withoutValue(command, '--deltas', '1');
  command.action((cache: string, paths: string[], options: PushOptions) => runPush(cache, paths, options, context));
}

/** `--deltas CACHE`: an option's value that may be left out is taken only behind `=`, and not from what follows. */
function withoutValue(command: Command, option: string, value: string): void {
  const parse = command.parseOptions.bind(command);
  command.parseOptions = (argv) => {
    const end = argv.indexOf('--');
    return parse(argv.map((word, at) => (word === option && (end < 0 || at < end) ? `${option}=${value}` : word)));
  };
}

const examples = `
Where Nix is, PATHS may be installables of flakes: it builds them first, for a dry run, too.
Paths that a trusted key signed which is not one of this machine's own came from a
cache, and are not looked at for secrets. Exit status 3: a dry run found some.

Examples:
  narrow push /srv/cache --key home.sec --name fnord ./result
  narrow push /srv/cache --key home.sec --name pi1 .#nixosConfigurations.pi1.config.system.build.toplevel
  narrow push /srv/cache --key home.sec --name fnord --deltas=2 ./result
  narrow push 'sftp://cache.home/srv/cache?layout=deltas' --key home.sec --name fnord ./result
  narrow push 'ssh://cache.home?remote-store=file:///srv/cache' --key home.sec --name fnord ./result
  narrow push 'file:///srv/cache?compression=zstd' --key home.sec --skip-upstream https://cache.nixos.org ./result`;

async function runPush(
  cacheText: string,
  given: readonly string[],
  options: PushOptions,
  context: Context,
): Promise<void> {
  const name = options.name === undefined ? undefined : checkRootName(options.name);
  const dryRun = options.dryRun ?? false;
  const bases = options.deltas === undefined ? undefined : parseCount('--deltas', options.deltas, 1);
  if (bases !== undefined && name === undefined)
    throw new NarrowError('usage', '--deltas are from generations of a name: give --name, too');
  const open = openContext(context, { trustedPublicKey: options.trustedPublicKey ?? [] });
  const wanted = await buildInstallables(given, options.from, context.signal);
  const progress = startProgress(context);
  await using stack = new AsyncDisposableStack();
  stack.defer(() => progress.stop());
  const source = stack.use(await openStore(options.from, open));
  const far = farCache(cacheText);
  const cache = stack.use(await openCacheStore(withKeys(far?.sftp ?? cacheText, options.key ?? []), open, 'write'));
  if (cache.params.deltasOnly && name === undefined)
    throw new NarrowError('usage', 'a cache of deltas takes generations of a name: give --name');
  const upstreams: Store[] = [];
  for (const url of options.skipUpstream ?? []) upstreams.push(stack.use(await openStore(cacheUrl(url), open)));
  // a narrow there cannot be told what need not come since other caches have it
  const host =
    far && upstreams.length === 0 && !cache.params.deltasOnly
      ? stack.use(await openStore(far.ssh, open, 'write'))
      : undefined;
  const names = { from: [options.from], checkSigs: true, dryRun, say: context.say };
  const roots = await resolvePaths(source, await resolveNames(wanted, names, open), options.stdin);
  const secrets = await secretRules(source, cache, options, open.settings.list('secret-key-files') ?? []);
  const started = performance.now();
  let bytesRead = 0;
  let deltaPlan: DeltaPlan | undefined;
  const result = await push({
    source,
    cache,
    way: host && byWayOf(host, cache),
    roots,
    name,
    upstreams,
    trustedKeys: open.trustedKeys,
    secrets,
    deltas:
      bases !== undefined || cache.params.deltasOnly ? { count: bases ?? 1, by: `narrow ${version()}` } : undefined,
    onDeltas: (plan) => (deltaPlan = plan),
    dryRun,
    signal: context.signal,
    onEvent(event) {
      progress.event(event);
      if (event.type === 'bytes') bytesRead += event.bytes;
      if (options.json) return;
      if (event.type === 'plan') {
        for (const line of planLines(event.plan, source, cache, dryRun)) context.say(line);
        if (far && !host) context.say('  whole paths, over SFTP: --skip-upstream and deltas alone need that');
        for (const line of deltaPlan ? deltaPlanLines(deltaPlan, source) : []) context.say(line);
        if (event.plan.elsewhere.length > 0)
          context.say(
            `  ${count(event.plan.elsewhere.length, 'path')} left to ${upstreams.map((u) => u.url).join(', ')}`,
          );
      }
      if (event.type === 'preflight')
        for (const line of preflightLines(event.findings, dryRun, event.plan)) context.say(line);
    },
  });
  progress.stop();
  if (name !== undefined && !dryRun && cache.params.secretKeys.length === 0)
    open.warn(`generation ${result.generation?.generation} of ${name} is not signed: give a key with --key`);
  const seconds = (performance.now() - started) / 1000;
  if (options.json) await context.out(JSON.stringify(pushJson(result, source, { dryRun, bytesRead, seconds })));
  else for (const line of pushLines(result, source, { dryRun, bytesRead, seconds })) context.say(line);
  const unable = result.findings.some((finding) => finding.level === 'error');
  if (result.plan.differs.length > 0 || (dryRun && (result.secrets.length > 0 || unable))) context.status = 3;
}

async function secretRules(
  source: Store,
  cache: CacheStore,
  { allowSecret = [], secretPatterns = [] }: PushOptions,
  ownKeyFiles: readonly string[],
): Promise<SecretRules> {
  const more = await Promise.all(secretPatterns.map(async (file) => parsePatterns(await readText(file), file)));
  const allowed = allowSecret.map((text) => {
    const { path, inner } = resolveInStore(source.storeDir, text);
    return inner === '' ? path : `${path}/${inner}`;
  });
  const own = await Promise.all(ownKeyFiles.map(keyName));
  const ownKeys = [...cache.params.secretKeys.map((key) => key.name), ...own.filter((name) => name !== undefined)];
  return { patterns: [...knownSecrets, ...more.flat()], allowed: new Set(allowed), ownKeys: new Set(ownKeys) };
}

/** Of a key that only others may read there is no name, and what it signed is no less trusted for that. */
async function keyName(file: string): Promise<string | undefined> {
  try {
    return parseSecretKey(await readFile(file, 'utf8')).name;
  } catch {
    return undefined;
  }
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw ioError('read the patterns', file, error);
  }
}

interface Run {
  readonly dryRun: boolean;
  /** From the source, as stored there. */
  readonly bytesRead: number;
  readonly seconds: number;
}

/** What deltas there will be, and whether there will be anything else. */
function deltaPlanLines({ bases, alone, whole, absent }: DeltaPlan, { storeDir, url }: Store): string[] {
  const named = (roots: readonly StorePath[]): string => printStorePath(storeDir, roots[0]!);
  const from = bases.map(named).join(', ');
  return [
    ...(whole === undefined ? [] : [`  in full, since ${whole}`]),
    ...(alone ? [`  as deltas alone, from ${from}: for narrow only, Nix does not see these paths`] : []),
    ...(!alone && bases.length > 0 ? [`  with deltas from ${from}`] : []),
    ...absent.map((roots) => `  no delta from ${named(roots)}, which ${url} does not have`),
  ];
}

function pushLines(result: PushResult, source: Store, { dryRun, bytesRead, seconds }: Run): string[] {
  const { plan, outcomes, bytes, generation, secrets, deltasLaid } = result;
  const found = secrets.map((secret) => `  secret: ${describeSecret(source.storeDir, secret)}`);
  if (dryRun) return found;
  const added = outcomes.filter((o) => o.status === 'added').length;
  const signed = plan.toSign.length > 0 ? `, signatures added to ${plan.toSign.length}` : '';
  const moved = `${formatBytes(bytesRead)} read, ${formatBytes(bytes)} written`;
  const what =
    added === 0
      ? `nothing to push: all ${count(plan.total, 'path')} are there${signed}`
      : `pushed ${count(added, 'path')} in ${seconds.toFixed(1)} s${result.deltas.size > 0 ? '' : `: ${moved}`}${signed}`;
  const deltas = deltasLaid.map(
    ({ from, fileSize, narSize }) =>
      `delta from ${printStorePath(source.storeDir, from[0]!)}: ${formatBytes(fileSize)} for ${formatBytes(narSize)} of NARs`,
  );
  return [
    what,
    ...deltaLines(result.deltas, plan),
    ...deltas,
    ...(generation ? [`generation ${generation.generation} of ${generation.name}`] : []),
  ];
}

function pushJson(
  result: PushResult,
  { storeDir }: Store,
  { dryRun, bytesRead, seconds }: Run,
): Record<string, unknown> {
  const full = (path: StorePath): string => printStorePath(storeDir, path);
  const { plan, findings, outcomes, bytes, generation, secrets } = result;
  return {
    dryRun,
    plan: {
      total: plan.total,
      valid: plan.valid,
      missing: plan.missing.map((i) => ({ path: full(i.path), narSize: i.narSize, fileSize: i.file?.size })),
      upstream: plan.elsewhere.map(full),
      signaturesToAdd: plan.toSign.map((s) => ({ path: full(s.info.path), signatures: s.signatures })),
      differs: plan.differs.map((r) => ({ ...r, path: full(r.path) })),
      narSize: plan.narSize,
      met: plan.met,
      deltaSize: plan.deltaSize,
    },
    preflight: findings,
    secrets: secrets.map((secret) => ({ ...secret, path: full(secret.path) })),
    pushed: outcomes.filter((o) => o.status === 'added').map((o) => ({ path: full(o.path), bytes: o.bytes })),
    bytes,
    bytesRead,
    seconds: Math.round(seconds * 1000) / 1000,
    deltas: result.deltasLaid.map(({ from, to, fileSize, narSize, paths }) => ({
      from: from.map(full),
      to: to.map(full),
      paths,
      fileSize,
      narSize,
    })),
    name: generation?.name,
    generation: generation?.generation,
  };
}
