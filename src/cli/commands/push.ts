// narrow push: a closure into a static cache, signed, without what others have, and noted under a name.

import type { Command } from 'commander';
import type { DeltaPlan, DeltaRules } from '../../cache/deltas/pushing.ts';
import { checkRootName } from '../../cache/layout.ts';
import { push } from '../../cache/push.ts';
import type { PushRequest, PushResult } from '../../cache/push.ts';
import { NarrowError } from '../../errors.ts';
import type { CacheStore } from '../../store/cache/cache-store.ts';
import { parseCount } from '../amounts.ts';
import type { Context } from '../context.ts';
import { openContext } from '../context.ts';
import { buildInstallables } from '../flake-installable.ts';
import { resolveNames } from '../name-roots.ts';
import { pathArguments, repeat, resolvePaths } from '../options.ts';
import { preflightLines } from '../output/plan.ts';
import { startProgress } from '../output/progress.ts';
import type { Progress } from '../output/progress.ts';
import { pushJson, pushLines, pushPlanLines } from '../output/push.ts';
import type { PushRun } from '../output/push.ts';
import { openPlaces } from '../push-places.ts';
import type { PlaceOptions, PushPlaces } from '../push-places.ts';
import { secretRules } from '../secret-rules.ts';
import type { SecretOptions } from '../secret-rules.ts';
import { version } from '../version.ts';

interface PushOptions extends PlaceOptions, SecretOptions {
  readonly name?: string;
  readonly deltas?: string;
  readonly trustedPublicKey?: readonly string[];
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
  const { signal } = context;
  const { name, bases } = generationsOf(options);
  const dryRun = options.dryRun ?? false;
  const open = openContext(context, { trustedPublicKey: options.trustedPublicKey ?? [] });
  const wanted = await buildInstallables(given, options.from, signal);
  const progress = startProgress(context);
  await using stack = new AsyncDisposableStack();
  stack.defer(() => progress.stop());
  const places = await openPlaces(stack, cacheText, options, open);
  const { source, cache } = places;
  const deltas = deltaRules(cache, name, bases);
  const names = { from: [options.from], checkSigs: true, dryRun, say: context.say };
  const roots = await resolvePaths(source, await resolveNames(wanted, names, open), options.stdin);
  const ownKeys = { keys: cache.params.secretKeys, files: open.settings.list('secret-key-files') ?? [] };
  const secrets = await secretRules(source.storeDir, options, ownKeys);
  const watch = new Watch(places, progress, options.json === true ? undefined : context.say, dryRun);
  const { trustedKeys } = open;
  const request = { ...places, roots, name, trustedKeys, secrets, deltas, dryRun, signal };
  const result = await push({ ...request, ...watch.listeners });
  progress.stop();
  await report(result, places, watch.run(), options, context);
}

async function report(
  result: PushResult,
  { source, cache }: PushPlaces,
  run: PushRun,
  { json }: PushOptions,
  context: Context,
): Promise<void> {
  const { generation, plan, secrets, findings } = result;
  if (generation && cache.params.secretKeys.length === 0) {
    const what = `generation ${generation.generation} of ${generation.name}`;
    context.say(`warning: ${what} is not signed: give a key with --key`);
  }
  if (json) await context.out(JSON.stringify(pushJson(result, source, run)));
  else for (const line of pushLines(result, source, run)) context.say(line);
  const speaksAgainst = secrets.length > 0 || findings.some((finding) => finding.level === 'error');
  if (plan.differs.length > 0 || (run.dryRun && speaksAgainst)) context.status = 3;
}

/** The name, and how many generations of it deltas are laid from. Throws `usage`. */
function generationsOf(options: PushOptions): {
  readonly name: string | undefined;
  readonly bases: number | undefined;
} {
  const name = options.name === undefined ? undefined : checkRootName(options.name);
  const bases = options.deltas === undefined ? undefined : parseCount('--deltas', options.deltas, 1);
  if (bases === undefined || name !== undefined) return { name, bases };
  throw new NarrowError('usage', '--deltas are from generations of a name: give --name, too');
}

/** Throws `usage`. */
function deltaRules(
  { params: { deltasOnly } }: CacheStore,
  name: string | undefined,
  bases: number | undefined,
): DeltaRules | undefined {
  if (deltasOnly && name === undefined)
    throw new NarrowError('usage', 'a cache of deltas takes generations of a name: give --name');
  return bases !== undefined || deltasOnly ? { count: bases ?? 1, by: `narrow ${version()}` } : undefined;
}

/** Tells of a push while it runs. */
class Watch {
  readonly listeners: Pick<PushRequest, 'onDeltas' | 'onEvent'>;
  readonly #dryRun: boolean;
  readonly #started = performance.now();
  #bytesRead = 0;

  /** Without `say` only progress is shown. */
  constructor(places: PushPlaces, progress: Progress, say: Context['say'] | undefined, dryRun: boolean) {
    this.#dryRun = dryRun;
    let deltas: DeltaPlan | undefined;
    const tell = (lines: readonly string[]): void => lines.forEach((line) => say?.(line));
    this.listeners = {
      onDeltas: (plan) => (deltas = plan),
      onEvent: (event) => {
        progress.event(event);
        if (event.type === 'bytes') this.#bytesRead += event.bytes;
        if (event.type === 'plan') tell(pushPlanLines(event.plan, places, deltas, dryRun));
        if (event.type === 'preflight') tell(preflightLines(event.findings, dryRun, event.plan));
      },
    };
  }
  /** What it was until now. */
  run(): PushRun {
    const seconds = (performance.now() - this.#started) / 1000;
    return { dryRun: this.#dryRun, bytesRead: this.#bytesRead, seconds };
  }
}
