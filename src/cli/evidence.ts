// What an import may take over besides its stream: a file of path infos, and a store that is asked for signatures.

import { parsePathInfos } from '../format/path-info-json.ts';
import { openStore } from '../store/open.ts';
import type { OpenContext } from '../store/open-context.ts';
import type { WritableStore } from '../store/store.ts';
import type { Evidence } from '../transfer/import.ts';
import type { Context } from './context.ts';
import { readText } from './text-file.ts';

export interface EvidenceOptions {
  readonly pathInfo?: string;
  readonly sigsFrom?: string;
}

/** In the order in which it is asked. Stores that are opened for it belong to `stack`. */
export async function evidenceFor(
  { pathInfo, sigsFrom }: EvidenceOptions,
  destination: WritableStore,
  open: OpenContext,
  stack: AsyncDisposableStack,
  { signal }: Pick<Context, 'signal'>,
): Promise<Evidence[]> {
  const evidence: Evidence[] = [];
  if (pathInfo !== undefined) {
    const infos = parsePathInfos(await readText(pathInfo, 'read path infos from'), destination.storeDir, {
      source: pathInfo,
    });
    evidence.push(async () => infos);
  }
  if (sigsFrom !== undefined) {
    const store = stack.use(await openStore(sigsFrom, open));
    evidence.push((paths) => store.pathInfos(paths, { signal }));
  }
  return evidence;
}
