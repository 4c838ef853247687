// Which paths a local store takes: the rules of Nix. What is content-addressed proves itself; anything else needs a signature
// by a trusted key, unless the user vouches for the source or the store asks for none.

import { NarrowError } from '../errors.ts';
import { validRealisationSignatures } from '../format/realisation-json.ts';
import { fixedOutputDigest, formatContentAddress } from '../model/content-address.ts';
import { formatHash } from '../model/hash.ts';
import type { PathInfo } from '../model/path-info.ts';
import { isContentAddressed } from '../model/path-info.ts';
import type { Realisation } from '../model/realisation.ts';
import { realisationId } from '../model/realisation.ts';
import type { TrustedKeys } from '../model/signature.ts';
import type { StoreDir } from '../model/store-path.ts';
import { printStorePath } from '../model/store-path.ts';

export interface TrustPolicy {
  readonly storeDir: StoreDir;
  readonly trustedKeys: TrustedKeys;
  /** Nix's `require-sigs`. */
  readonly requireSignatures: boolean;
}

const hint =
  'add the key to trusted-public-keys, sign the path (narrow sign), or vouch for the source with --no-check-sigs';

/** Why the path is not taken, or undefined when it is. */
export function pathRefusal(policy: TrustPolicy, info: PathInfo, checkSignatures: boolean): NarrowError | undefined {
  const { storeDir, trustedKeys } = policy;
  if (info.narHash.algo !== 'sha256') {
    return new NarrowError('refused', `${info.path} has a NAR hash of ${info.narHash.algo}; a store keeps only sha256`);
  }
  if (info.ca) {
    if (isContentAddressed(storeDir, info)) return undefined;
    return new NarrowError(
      'refused',
      `${info.path} claims to be content-addressed by ${formatContentAddress(info.ca)}, but is not`,
      {
        hint: 'its name, references or content address were changed; take it from another source',
      },
    );
  }
  if (!checkSignatures || !policy.requireSignatures) return undefined;
  if (trustedKeys.validSignatures(storeDir, info).length > 0) return undefined;
  const names = info.signatures.map((s) => s.slice(0, s.indexOf(':')));
  const has = names.length === 0 ? 'it has no signature' : `it is signed by ${names.join(', ')}`;
  const trusted = trustedKeys.size === 0 ? 'no key is trusted' : `trusted are ${trustedKeys.names().join(', ')}`;
  return new NarrowError('refused', `${info.path} lacks a valid signature by a trusted key: ${has}, ${trusted}`, {
    hint,
  });
}

/** Why the realisation of a path is not taken, or undefined when it is. */
export function realisationRefusal(
  policy: TrustPolicy,
  info: PathInfo,
  realisation: Realisation,
  checkSignatures: boolean,
): NarrowError | undefined {
  if (!checkSignatures || !policy.requireSignatures || isFixedOutput(policy.storeDir, info, realisation))
    return undefined;
  if (validRealisationSignatures(realisation, policy.trustedKeys).length > 0) return undefined;
  return new NarrowError(
    'refused',
    `the realisation ${realisationId(realisation)} of ${info.path} lacks a valid signature by a trusted key`,
    { hint },
  );
}

/**
 * True when the id is that of a fixed output: a hash over the very path, which thus proves itself. Nix writes such
 * realisations, unsigned, where ca-derivations is enabled.
 */
export function isFixedOutput(storeDir: StoreDir, info: PathInfo, realisation: Realisation): boolean {
  if (realisation.kind !== 'hashed' || !info.ca || realisation.outPath !== info.path) return false;
  const bytes = fixedOutputDigest(info.ca, printStorePath(storeDir, info.path));
  return realisation.id === `${formatHash({ algo: 'sha256', bytes }, 'base16')}!out`;
}
