// Realisations that travel with paths: registered when all paths are there, and a path counts as added only then.

import { NarrowError } from '../../errors.ts';
import type { Realisation } from '../../model/realisation.ts';
import { realisationId } from '../../model/realisation.ts';
import type { StorePath } from '../../model/store-path.ts';
import { namesByPath } from '../../protocol/codec/realisation.ts';
import type { WorkerClient } from '../../protocol/worker/client.ts';
import { workerOperations as ops } from '../../protocol/worker/operations.ts';
import type { Item, Outcome } from '../store.ts';

/** True when this daemon speaks the form that these have. */
export function takesRealisations(client: WorkerClient, realisations: readonly Realisation[]): boolean {
  const kind = namesByPath(client.peer) ? 'traced' : 'hashed';
  return client.has(ops.registerDrvOutput as never) && realisations.every((r) => r.kind === kind);
}

/** What an item is refused with whose realisations the daemon cannot be given. */
export function untakable(url: string, { info }: Item): NarrowError {
  return new NarrowError('refused', `${url} cannot be told the realisations of ${info.path}`, {
    hint: 'it speaks another form of them; the Nix there is too old, or too new',
  });
}

export class Registration {
  /** Of items that are on their way, by path. */
  readonly #realisations = new Map<StorePath, readonly Realisation[]>();
  /** Outcomes that wait for them. */
  readonly #unregistered: Outcome[] = [];

  remember(path: StorePath, realisations: readonly Realisation[]): void {
    if (realisations.length > 0) this.#realisations.set(path, realisations);
  }

  /** Tells an outcome, unless it has to wait. */
  tellAdded(outcome: Outcome, tell: (outcome: Outcome) => void): void {
    if ('error' in outcome || !this.#realisations.has(outcome.path)) tell(outcome);
    else this.#unregistered.push(outcome);
  }

  /** They depend on each other otherwise than the paths do: those that others name go first. */
  async register(getClient: () => Promise<WorkerClient>, tell: (outcome: Outcome) => void): Promise<void> {
    const waiting = this.#unregistered.splice(0);
    const realisations = waiting.flatMap((o) => this.#realisations.get(o.path) ?? []);
    this.#realisations.clear();
    if (realisations.length === 0) return;
    const client = await getClient();
    const failed = new Map<StorePath, Error>();
    const register = (realisation: Realisation): Promise<void> =>
      client.call(ops.registerDrvOutput, { realisation }).catch((error: Error) => {
        if (client.broken) throw error;
        failed.set(realisation.outPath, error);
      });
    await Promise.all(dependenciesFirst(realisations).map(register));
    for (const outcome of waiting) {
      const error = failed.get(outcome.path);
      tell(error ? { status: 'failed', path: outcome.path, bytes: 0, error } : outcome);
    }
  }
}

/**
 * In the order of registration. Daemons up to 2.31 want those that others depend on to be registered, also of outputs that
 * are not content-addressed, whose own realisations say nothing new and do not travel: they are made up from the reference.
 */
function dependenciesFirst(realisations: readonly Realisation[]): Realisation[] {
  const byId = new Map(realisations.map((r) => [realisationId(r), r]));
  const ordered = new Map<string, Realisation>();
  const visit = (realisation: Realisation): void => {
    const id = realisationId(realisation);
    byId.delete(id);
    const needs = realisation.kind === 'hashed' ? Object.entries(realisation.dependentRealisations) : [];
    for (const [needed, outPath] of needs) {
      const known = byId.get(needed);
      if (known) visit(known);
      else if (!ordered.has(needed) && needed !== id) {
        ordered.set(needed, { kind: 'hashed', id: needed, outPath, signatures: [], dependentRealisations: {} });
      }
    }
    ordered.set(id, realisation);
  };
  for (const realisation of realisations) if (byId.has(realisationId(realisation))) visit(realisation);
  return [...ordered.values()];
}
