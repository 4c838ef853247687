// What a destination says of a path it has under the same hash part.

import { equalHash, formatHash } from '../../model/hash.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { Verdict } from '../store.ts';

/** Compares what is `there` with what is `offered`: equal by path, NAR hash, NAR size and references, or *differs*. */
export function compareInfos(there: PathInfo, offered: PathInfo): Verdict {
  const why = difference(there, offered);
  if (why !== undefined) return { status: 'differs', why };
  const known = new Set(there.signatures);
  return { status: 'valid', newSignatures: offered.signatures.filter((signature) => !known.has(signature)) };
}

function difference(there: PathInfo, offered: PathInfo): string | undefined {
  if (there.path !== offered.path) return `another path has its hash part: ${there.path}`;
  if (!equalHash(there.narHash, offered.narHash))
    return `NAR hash ${formatHash(there.narHash)} there, ${formatHash(offered.narHash)} offered`;
  if (there.narSize !== offered.narSize) return `NAR size ${there.narSize} there, ${offered.narSize} offered`;
  if (there.references.join(' ') === offered.references.join(' ')) return undefined;
  return `references [${there.references.join(' ')}] there, [${offered.references.join(' ')}] offered`;
}
