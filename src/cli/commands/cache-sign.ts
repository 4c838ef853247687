// narrow cache sign: signatures for what lies in a cache, in place.

import type { Command } from 'commander';
import { signCache } from '../../cache/sign.ts';
import type { CacheSigned } from '../../cache/sign.ts';
import { printStorePath } from '../../model/store-path.ts';
import { openCacheStore } from '../../store/open-cache.ts';
import type { Context } from '../context.ts';
import { openContext } from '../context.ts';
import { repeat, resolvePaths } from '../options.ts';
import { count } from '../output/human.ts';
import { startProgress } from '../output/progress.ts';
import { readSecretKey } from '../secret-keys.ts';
import { infosOf } from './sign.ts';

interface SignOptions {
  readonly key: readonly string[];
  readonly recursive?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export function defineSign(cache: Command, context: Context): void {
  cache
    .command('sign')
    .description('Sign what is in a cache: these paths, or everything, with the generations of names.')
    .argument('<cache>')
    .argument('[paths...]')
    .requiredOption('--key <file>', 'the secret key (repeatable)', repeat)
    .option('-r, --recursive', 'with all that the paths refer to')
    .option('--dry-run', 'say what would be signed and stop')
    .option('--json', 'print a JSON object: what was signed, and the signatures')
    .addHelpText('after', help)
    .action((url: string, paths: string[], options: SignOptions) => runSign(url, paths, options, context));
}

const help = `
What the cache says of its paths is signed; NARs are not read (narrow cache verify does). What has
the signatures stays as it is, so that a run that was stopped goes on. What is signed was used now,
for a later narrow cache gc --older-than.

Examples:
  narrow cache sign /srv/cache --key home-2.sec
  narrow cache sign sftp://pi/srv/cache --key home-1.sec --key home-2.sec -r /nix/store/…-system`;

async function runSign(url: string, given: readonly string[], options: SignOptions, context: Context): Promise<void> {
  const { signal } = context;
  const { dryRun = false } = options;
  const keys = await Promise.all(options.key.map(readSecretKey));
  await using stack = new AsyncDisposableStack();
  const store = stack.use(await openCacheStore(url, openContext(context), dryRun ? 'read' : 'write'));
  const progress = startProgress(context);
  stack.defer(() => progress.stop());
  const infos =
    given.length === 0
      ? undefined
      : (await infosOf(store, await resolvePaths(store, given), options.recursive ?? false, signal)).values();
  const onPhase = (text: string): void => progress.event({ type: 'phase', text });
  const result = await signCache({ store, keys, infos, dryRun, onPhase, signal });
  progress.stop();
  for (const { message } of result.damaged) context.say(`warning: not signed: ${message}`);
  if (result.damaged.length > 0) context.status = 3;
  if (options.json) return await context.out(JSON.stringify(signJson(result, store.storeDir, dryRun)));
  const named = result.generations.length > 0 ? ` and ${count(result.generations.length, 'generation')}` : '';
  context.say(
    `${dryRun ? 'would sign' : 'signed'} ${count(result.signed.length, 'path')}${named} with ${keys.map((key) => key.name).join(', ')}, ${result.unchanged} had the signature already`,
  );
}

function signJson(
  { signed, generations, unchanged, damaged }: CacheSigned,
  storeDir: string,
  dryRun: boolean,
): unknown {
  return {
    dryRun,
    signed: signed.map(({ path, signatures }) => ({ path: printStorePath(storeDir, path), signatures })),
    generations: generations.map(({ name, generation }) => ({ name, generation })),
    unchanged,
    damaged: damaged.map(({ reference, message }) => ({ file: reference, message })),
  };
}
