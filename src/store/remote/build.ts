// Building over the worker and the serve protocol.

import { NarrowError } from '../../errors.ts';
import { formatOutputSpec } from '../../model/output-spec.ts';
import type { StoreDir, StorePath } from '../../model/store-path.ts';
import { derivationName } from '../../model/derivation.ts';
import { printStorePath } from '../../model/store-path.ts';
import type { BuildResult } from '../../protocol/codec/build.ts';
import { buildStatuses, isBuilt } from '../../protocol/codec/build.ts';
import type { BuiltOutput } from '../../protocol/codec/realisation.ts';
import { cleanMessage, plainText, remoteError } from '../../protocol/remote-error.ts';
import type { ServeClient } from '../../protocol/serve/client.ts';
import { serveOperations } from '../../protocol/serve/operations.ts';
import type { WorkerClient } from '../../protocol/worker/client.ts';
import type { Message } from '../../protocol/worker/message.ts';
import { workerOperations as ops } from '../../protocol/worker/operations.ts';
import type { BuildOutcome, BuildTarget } from '../building.ts';

const nothing: ReadonlyMap<string, StorePath> = new Map();
/** Activities and results of builds, as Nix numbers them. */
const buildActivity = 105;
const buildLogLine = 101;

/**
 * A target as both protocols write it. A derivation alone means all its outputs to every Nix but those daemons that read
 * it as a path to be made valid (1.30 and later), which know the star.
 */
export function buildWord(storeDir: StoreDir, { drv, outputs }: BuildTarget, star: boolean): string {
  const path = printStorePath(storeDir, drv);
  if (outputs === 'all') return star ? `${path}!*` : path;
  return `${path}!${formatOutputSpec(outputs)}`;
}

/** Builds through a daemon. Before 1.34 it does not tell more than that all went well. */
export async function buildOverWorker(client: WorkerClient, targets: readonly BuildTarget[]): Promise<BuildOutcome[]> {
  const { storeDir, version } = client.peer;
  const request = { targets: targets.map((target) => buildWord(storeDir, target, version >= 30)), mode: 0 };
  if (version < ops.buildPathsWithResults.since) {
    await client.call(ops.buildPaths, request);
    return targets.map(({ drv }) => ({ status: 'done', drv, how: 'built', outputs: nothing }));
  }
  const results = await client.call(ops.buildPathsWithResults, request);
  return targets.map(({ drv }) => {
    const path = printStorePath(storeDir, drv);
    const answer = results.find(({ target }) => target.startsWith(path));
    if (!answer) throw new NarrowError('format', `${client.name} did not say what became of ${drv}`);
    return outcomeOf(client, drv, answer.result);
  });
}

function outcomeOf(client: WorkerClient, drv: StorePath, result: BuildResult): BuildOutcome {
  const how = buildStatuses[result.status] ?? `status ${result.status}`;
  if (isBuilt(result.status))
    return { status: 'done', drv, how, outputs: new Map(result.builtOutputs.map(namedOutput)) };
  return { status: 'failed', drv, error: buildError(client, drv, result.errorMsg, how) };
}

function namedOutput(built: BuiltOutput): [string, StorePath] {
  const name = built.kind === 'named' ? built.output : built.id.slice(built.id.lastIndexOf('!') + 1);
  return [name, built.outPath];
}

function buildError(client: WorkerClient, drv: StorePath, message: string, how: string): NarrowError {
  const who = client.name;
  const clean = cleanMessage(message);
  const { code, hint } = remoteError(who, message);
  return new NarrowError(code, `${who} could not build ${drv} (${how})${clean === '' ? '' : `: ${clean}`}`, {
    hint:
      hint ?? (clean.includes('nix log') ? undefined : `its log: nix log ${printStorePath(client.peer.storeDir, drv)}`),
    data: { path: drv, status: how },
  });
}

/** Shows the lines of builds with the names of what is built, and what is begun. */
export function buildMessages(
  onLog: (line: string) => void,
  others: (message: Message) => void,
): (message: Message) => void {
  const names = new Map<bigint, string>();
  return (message) => {
    if (message.kind === 'start' && message.type === buildActivity) {
      const file = plainText(String(message.fields[0])).split('/').at(-1) ?? '';
      names.set(message.id, file.replace(/^[0-9a-z]{32}-/, '').replace(/\.drv$/, ''));
    }
    if (message.kind !== 'result' || message.type !== buildLogLine) return others(message);
    const name = names.get(message.id);
    onLog(`${name === undefined ? '' : `${name}> `}${plainText(String(message.fields[0]))}`);
  };
}

/** No limits of ours: those of the machine's own nix.conf are overwritten by any number. */
const noLimits = {
  maxSilentTime: 0,
  buildTimeout: 0,
  maxLogSize: 0,
  repeats: 0,
  enforceDeterminism: false,
  keepFailed: false,
};

/** Builds over `nix-store --serve`, which says of all targets together whether they are there, and logs on its standard error. */
export async function buildOverServe(
  client: ServeClient,
  storeDir: StoreDir,
  targets: readonly BuildTarget[],
): Promise<BuildOutcome[]> {
  await client.ready;
  const words = targets.map((target) => buildWord(storeDir, target, false));
  const { status, message } = await client.call(serveOperations.buildPaths, { targets: words, options: noLimits });
  if (status === 0) return targets.map(({ drv }) => ({ status: 'done', drv, how: 'built', outputs: nothing }));
  const which = targets.length === 1 ? derivationName(targets[0]!.drv) : `${targets.length} derivations`;
  const { code, hint } = remoteError(client.name, message);
  throw new NarrowError(code, `${client.name} could not build ${which}: ${cleanMessage(message)}`, {
    hint: hint ?? 'the log above says why',
    data: { status },
  });
}

/** Ends the conversation when `signal` says so, which ends the build; to be disposed when it is over. */
export function failOnAbort(client: { fail(error: Error): void }, signal: AbortSignal | undefined): Disposable {
  const stop = (): void => client.fail(signal?.reason as Error);
  if (signal?.aborted) stop();
  signal?.addEventListener('abort', stop, { once: true });
  return { [Symbol.dispose]: () => signal?.removeEventListener('abort', stop) };
}
