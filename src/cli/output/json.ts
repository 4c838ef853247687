// Path infos as JSON: today's `nix path-info --json` values under documented names.

import { formatContentAddress } from '../../model/content-address.ts';
import { formatHash, formatSri } from '../../model/hash.ts';
import type { PathInfo } from '../../model/path-info.ts';
import { isContentAddressed } from '../../model/path-info.ts';
import type { StoreDir } from '../../model/store-path.ts';
import { printStorePath } from '../../model/store-path.ts';

/** One path's info; absent facts are left out. Hashes in SRI, sizes in bytes, times in seconds since 1970. */
export function pathInfoJson(storeDir: StoreDir, info: PathInfo): Record<string, unknown> {
  return {
    path: printStorePath(storeDir, info.path),
    narHash: formatSri(info.narHash),
    narSize: info.narSize,
    references: info.references.map((r) => printStorePath(storeDir, r)),
    deriver: info.deriver && printStorePath(storeDir, info.deriver),
    ca: info.ca && formatContentAddress(info.ca),
    contentAddressed: isContentAddressed(storeDir, info) || undefined,
    signatures: info.signatures,
    registrationTime: info.registrationTime,
    ultimate: info.ultimate || undefined,
    url: info.file?.url,
    compression: info.file?.compression,
    downloadHash: info.file?.hash && formatHash(info.file.hash),
    downloadSize: info.file?.size,
  };
}
