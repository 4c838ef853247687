// Adding through a daemon: in bulk, one stream of many paths (1.32 and later), or one by one. Either way the daemon works
// through them in order and stops a stream at the first it does not take, so that which one that was can be asked.

import { ByteWriter } from '../../bytes/writer.ts';
import { NarrowError } from '../../errors.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { StorePath } from '../../model/store-path.ts';
import { bulkInfo } from '../../protocol/codec/path-info.ts';
import type { WorkerClient } from '../../protocol/worker/client.ts';
import { workerOperations as ops } from '../../protocol/worker/operations.ts';
import { difference } from '../verdict.ts';
import type { AddOptions, Item, Outcome } from '../store.ts';
import { loadAhead } from './outgoing.ts';

export interface BulkOptions extends AddOptions {
  readonly dontCheckSignatures: boolean;
}

/** At most so many paths in one stream. */
export const bulkItems = 2000;

/** What became of a stream: those added, the one that failed with its error, those not reached. */
export interface Round {
  readonly outcomes: readonly Outcome[];
  readonly left: readonly Item[];
}

/** Adds items in one stream. Throws when the connection breaks. */
export async function addBulk(client: WorkerClient, items: readonly Item[], options: BulkOptions): Promise<Round> {
  const request = { repair: options.repair ?? false, dontCheckSignatures: options.dontCheckSignatures };
  try {
    await client.upload(ops.addMultipleToStore, request, bulkBody(client, items, options));
  } catch (error) {
    if (client.broken || options.signal?.aborted) throw error;
    return await afterFailure(client, items, error as Error);
  }
  return { outcomes: items.map(added), left: [] };
}

async function* bulkBody(
  client: WorkerClient,
  items: readonly Item[],
  options: BulkOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const head = new ByteWriter();
  yield head.u64(items.length).take();
  for await (const { item, nar } of loadAhead(items, options)) {
    bulkInfo.put(head, { ...item.info, ultimate: false, registrationTime: 0 }, client.peer);
    yield head.take();
    yield* nar();
  }
}

/** Those before the failing one are valid; it is the first that is not. */
async function afterFailure(client: WorkerClient, items: readonly Item[], error: Error): Promise<Round> {
  const paths = items.map((i) => i.info.path);
  const valid = new Set(await client.call(ops.queryValidPaths, { paths, substitute: false }));
  const at = items.findIndex((i) => !valid.has(i.info.path));
  if (at < 0) return { outcomes: items.map(added), left: [] };
  return { outcomes: [...items.slice(0, at).map(added), failure(items[at]!, error)], left: items.slice(at + 1) };
}

/** Adds items one by one, each asked for before the last is answered. */
export async function addSingly(
  client: WorkerClient,
  items: readonly Item[],
  options: BulkOptions,
  tell: (outcome: Outcome) => void,
): Promise<void> {
  const failed = new Set<StorePath>();
  for await (const { item, nar } of loadAhead(items, options)) {
    const { info } = item;
    const lost = info.references.find((r) => failed.has(r));
    const outcome = lost
      ? failure(item, new NarrowError('missing', `${info.path} needs ${lost}, which failed`))
      : await client
          .upload(
            ops.addToStoreNar,
            {
              info: { ...info, ultimate: false, registrationTime: 0 },
              repair: options.repair ?? false,
              dontCheckSignatures: options.dontCheckSignatures,
            },
            nar(),
          )
          .then(
            () => added(item),
            (error: unknown) => {
              if (client.broken || options.signal?.aborted) throw error;
              return failure(item, error as Error);
            },
          );
    if (outcome.status === 'failed' || outcome.status === 'refused') failed.add(info.path);
    tell(outcome);
  }
}

export function added({ info }: Item): Outcome {
  return { status: 'added', path: info.path, bytes: info.narSize };
}

/** An outcome of a path that was not taken. */
export function failure({ info }: Item, error: Error): Outcome {
  const refused = error instanceof NarrowError && error.code === 'refused';
  return { status: refused ? 'refused' : 'failed', path: info.path, bytes: 0, error };
}

/** The outcome of a path without sending it: undefined when it is not there. */
export function outcomeOfKnown(here: PathInfo | undefined, offered: PathInfo): Outcome | undefined {
  if (!here) return undefined;
  const { path } = offered;
  const why = difference(here, offered);
  if (why === undefined) return { status: 'valid', path, bytes: 0 };
  return { status: 'differs', path, bytes: 0, error: new NarrowError('differs', why, { data: { path } }) };
}
