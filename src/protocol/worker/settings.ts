// SetOptions: what the daemon is to do otherwise than its nix.conf says, for this connection.

import type { Codec } from '../codec/codec.ts';
import { fields, flag, ignored, list, mapped, since, text, u64 } from '../codec/codec.ts';

export interface Settings {
  readonly keepFailed: boolean;
  readonly keepGoing: boolean;
  readonly tryFallback: boolean;
  /** 0 error, 1 warn, 2 notice, 3 info, 4 talkative, 5 chatty, 6 debug, 7 vomit. */
  readonly verbosity: number;
  readonly maxBuildJobs: number;
  /** Seconds, 0 for ever. */
  readonly maxSilentTime: number;
  readonly verboseBuild: boolean;
  /** 0: all. */
  readonly buildCores: number;
  readonly useSubstitutes: boolean;
  /** Any other settings, as in nix.conf; an untrusted user's are mostly ignored with a warning. */
  readonly overrides: readonly { readonly name: string; readonly value: string }[];
}

type Wire = Settings & { readonly useBuildHook: void; readonly logType: void; readonly printBuildTrace: void };

/** 0 verbose, 7 (vomit) not. */
const verbose: Codec<boolean> = mapped<number, boolean>(
  u64,
  (value) => value === 0,
  (value) => (value ? 0 : 7),
);

export const settings: Codec<Settings> = mapped<Wire, Settings>(
  fields<Wire>({
    keepFailed: flag,
    keepGoing: flag,
    tryFallback: flag,
    verbosity: u64,
    maxBuildJobs: u64,
    maxSilentTime: u64,
    useBuildHook: ignored(1),
    verboseBuild: verbose,
    logType: ignored(0),
    printBuildTrace: ignored(0),
    buildCores: u64,
    useSubstitutes: flag,
    overrides: since(12, list(fields({ name: text, value: text })), []),
  }),
  ({ useBuildHook: _hook, logType: _type, printBuildTrace: _trace, ...rest }) => rest,
  (value) => ({ ...value, useBuildHook: undefined, logType: undefined, printBuildTrace: undefined }),
);
