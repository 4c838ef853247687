// Having another Nix fetch from its own caches. By itself it gives up all of them when one does not answer, waits five
// minutes for a cache that stalls, and over ssh it ends the session: so this is a conversation of its own, told to go on.

import type { StoreDir, StorePath } from '../../model/store-path.ts';
import { printStorePath } from '../../model/store-path.ts';
import type { ServeClient } from '../../protocol/serve/client.ts';
import { serveOperations } from '../../protocol/serve/operations.ts';
import type { WorkerClient } from '../../protocol/worker/client.ts';
import type { Message } from '../../protocol/worker/message.ts';
import { workerOperations as ops } from '../../protocol/worker/operations.ts';
import type { Settings } from '../../protocol/worker/settings.ts';
import { plainText } from '../../protocol/remote-error.ts';
import type { SubstituteOptions } from '../substituting.ts';
import { failOnAbort } from './build.ts';

/** A cache that is down is left out, one path that fails is not the end of the others, and nobody waits for minutes. */
const settings = [
  ['fallback', 'true'],
  ['keep-going', 'true'],
  ['connect-timeout', '10'],
  ['stalled-download-timeout', '30'],
  ['download-attempts', '2'],
] as const;

/** More words for `nix-store --serve --write`. */
export const serveSubstituteWords: readonly string[] = settings.flatMap(([name, value]) => ['--option', name, value]);

/** The same for a daemon, which takes most of them from trusted users only. Up to 2.8 each download takes a job. */
export function workerSubstituteSettings(trusted: boolean): Settings {
  return {
    keepFailed: false,
    keepGoing: true,
    tryFallback: true,
    verbosity: 2,
    maxBuildJobs: 8,
    maxSilentTime: 0,
    verboseBuild: false,
    buildCores: 0,
    useSubstitutes: true,
    overrides: trusted ? settings.slice(2).map(([name, value]) => ({ name, value })) : [],
  };
}

/** Asks a serving session, which reports on its standard error. */
export async function substituteOverServe(
  client: ServeClient,
  paths: readonly StorePath[],
  signal: AbortSignal | undefined,
): Promise<void> {
  using _stop = failOnAbort(client, signal);
  await client.call(serveOperations.queryValidPaths, { lock: false, substitute: true, paths });
}

/** Those of `paths` that a daemon would fetch. (QuerySubstitutablePaths leaves out caches that do not ask for mass queries.) */
export async function substitutableOverWorker(
  client: WorkerClient,
  storeDir: StoreDir,
  paths: readonly StorePath[],
): Promise<readonly StorePath[]> {
  const targets = paths.map((path) => printStorePath(storeDir, path));
  const { willSubstitute } = await client.call(ops.queryMissing, { targets });
  const wanted = new Set(paths);
  return willSubstitute.filter((path) => wanted.has(path));
}

/** Asks a daemon; before 1.27 that is two questions. */
export async function substituteOverWorker(
  client: WorkerClient,
  storeDir: StoreDir,
  paths: readonly StorePath[],
  signal: AbortSignal | undefined,
): Promise<void> {
  using _stop = failOnAbort(client, signal);
  if (client.peer.version >= 27) {
    await client.call(ops.queryValidPaths, { paths, substitute: true });
    return;
  }
  const offered = await client.call(ops.querySubstitutablePaths, { paths });
  const targets = offered.map((path) => printStorePath(storeDir, path));
  if (targets.length > 0) await client.call(ops.buildPaths, { targets, mode: 0 });
}

const progress = 105;

/** Tells of what a daemon does: of lines, and of bytes that come in, which a stalled download reports without any coming. */
export function substituteMessages({ onLine, onProgress }: SubstituteOptions): (message: Message) => void {
  const last = new Map<string, string>();
  return (message) => {
    if (message.kind === 'log') return onLine?.(plainText(message.text).trim());
    if (message.kind === 'start') {
      onProgress?.();
      if (message.text !== '') onLine?.(plainText(message.text));
    }
    if (message.kind !== 'result' || message.type !== progress) return;
    const [id, fields] = [String(message.id), message.fields.join(' ')];
    if (last.get(id) === fields) return;
    last.set(id, fields);
    onProgress?.();
  };
}
