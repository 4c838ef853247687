// Applies what others write: an export stream, a cache in a tar archive, derivations. Checked first, then a copy.

import type { PathInfo } from '../model/path-info.ts';
import type { StorePath } from '../model/store-path.ts';
import type { Carried } from '../store/bundle/carried-store.ts';
import type { WritableStore } from '../store/store.ts';
import { copyClosure } from '../transfer/copy.ts';
import type { CopyResult } from '../transfer/copy.ts';
import type { OnEvent } from '../transfer/events.ts';
import { expectReferences } from '../transfer/import.ts';

export interface ApplyCarriedRequest {
  readonly carried: Carried;
  readonly destination: WritableStore;
  readonly checkSignatures: boolean;
  readonly dryRun?: boolean | undefined;
  /** Called when everything is there and held. */
  readonly finish?: (() => Promise<void>) | undefined;
  readonly onEvent?: OnEvent | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Throws `missing` with all references that are nowhere, and `refused`, before anything is written. */
export async function applyCarried(request: ApplyCarriedRequest): Promise<CopyResult> {
  const { carried, destination, dryRun = false, signal, ...rest } = request;
  const { store, infos } = carried;
  const references = [...infos.values()].flatMap((info) => info.references);
  await using _hold = await destination.hold(new Set([...infos.keys(), ...references]));
  await expectReferences(destination, infos, { where: store.url, signal });
  return await copyClosure({
    source: store,
    destination,
    roots: [...infos.keys()],
    recursive: false,
    dryRun,
    signal,
    ...rest,
  });
}

/** Paths that no other refers to. */
export function topsOfInfos(infos: ReadonlyMap<StorePath, PathInfo>): StorePath[] {
  const needed = new Set(
    [...infos.values()].flatMap(({ path, references }) => references.filter((other) => other !== path)),
  );
  return [...infos.keys()].filter((path) => !needed.has(path));
}
