// What opening a remote store needs to know of the user's settings, and what all of them have in common.

import type { NixSettings } from '../../config/nix-conf.ts';
import type { TrustedKeys } from '../../model/signature.ts';
import type { StoreDir } from '../../model/store-path.ts';
import { defaultStoreDir } from '../../model/store-path.ts';

export interface RemoteContext {
  readonly settings: NixSettings;
  readonly trustedKeys: TrustedKeys;
  readonly warn: (text: string) => void;
  /** Called when ssh may ask something on the terminal, with what settles when it has done. */
  readonly onLogin?: ((until: Promise<unknown>) => void) | undefined;
  /** Called with what the other side says beside its warnings. */
  readonly debug?: ((text: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** `?store=` as in Nix, else what this machine is set to: the protocols do not tell. */
export function remoteStoreDir(params: URLSearchParams): StoreDir {
  return params.get('store') ?? (process.env['NIX_STORE_DIR'] || defaultStoreDir);
}
