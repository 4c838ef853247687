// What opening a store needs to know of the user's settings.

import type { NixSettings } from '../config/nix-conf.ts';
import type { TrustedKeys } from '../model/signature.ts';
import type { Store } from './store.ts';

export interface OpenContext {
  readonly settings: NixSettings;
  readonly trustedKeys: TrustedKeys;
  /** The destination of what is opened: where a bundle looks first for what it does not bring. */
  readonly bases?: (() => Store) | undefined;
  readonly warn: (text: string) => void;
  /** Called when another program may ask something on the terminal, with what settles when it has done. */
  readonly onLogin?: ((until: Promise<unknown>) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** `read` never creates or locks anything; `write` is a destination. */
export type OpenMode = 'read' | 'write';
