// What a destination says of a path before any byte moves, made of what it has there and of what it trusts.

import { formatHash } from '../model/hash.ts';
import type { PathInfo } from '../model/path-info.ts';
import { equalHash } from '../model/hash.ts';
import type { Verdict } from './store.ts';
import type { TrustPolicy } from './trust.ts';
import { pathRefusal } from './trust.ts';

/** What differs between the path that is there and the one offered; undefined when they are the same object. */
export function difference(here: PathInfo, offered: PathInfo): string | undefined {
  const { path } = offered;
  if (here.path !== path) return `${path} has its hash part in common with ${here.path}, which is there`;
  if (!equalHash(here.narHash, offered.narHash)) {
    return `${path} has other contents there: NAR hash ${formatHash(here.narHash)}, offered ${formatHash(offered.narHash)}`;
  }
  // Old databases do not know every size.
  if (here.narSize !== 0 && here.narSize !== offered.narSize) {
    return `${path} is registered there with ${here.narSize} bytes, offered are ${offered.narSize}`;
  }
  const missing = offered.references.filter((r) => !here.references.includes(r));
  const extra = here.references.filter((r) => !offered.references.includes(r));
  if (missing.length + extra.length === 0) return undefined;
  const parts = [
    missing.length > 0 && `without ${missing.join(', ')}`,
    extra.length > 0 && `with ${extra.join(', ')} besides`,
  ];
  return `${path} has other references there: ${parts.filter(Boolean).join(', ')}`;
}

/** The verdict on a path that is there. */
export function verdictOnKnown(here: PathInfo, offered: PathInfo): Verdict {
  const why = difference(here, offered);
  if (why !== undefined) return { status: 'differs', why };
  const known = new Set(here.signatures);
  return { status: 'valid', newSignatures: offered.signatures.filter((signature) => !known.has(signature)) };
}

/** The verdict on one path; `here` is what the store knows of it. */
export function verdictOn(
  policy: TrustPolicy,
  here: PathInfo | undefined,
  offered: PathInfo,
  checkSignatures: boolean,
): Verdict {
  if (here) return verdictOnKnown(here, offered);
  const refusal = pathRefusal(policy, offered, checkSignatures);
  return refusal ? { status: 'refused', why: refusal.message, hint: refusal.hint } : { status: 'missing' };
}
