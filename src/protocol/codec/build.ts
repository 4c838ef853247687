// Builds: what is asked for, and what came of it.

import type { ByteString } from '../../bytes/byte-string.ts';
import { bytesFrom, byteString } from '../../bytes/byte-string.ts';
import type { StorePath } from '../../model/store-path.ts';
import type { Codec } from './codec.ts';
import { blob, fields, flag, list, mapped, optional, since, text, u64 } from './codec.ts';
import type { BuiltOutput } from './realisation.ts';
import { builtOutputs, namesByPath } from './realisation.ts';
import { pathSet } from './store-path.ts';

/** Names of the status codes, in order. */
export const buildStatuses = [
  'built',
  'substituted',
  'already valid',
  'permanent failure',
  'input rejected',
  'output rejected',
  'transient failure',
  'cached failure',
  'timed out',
  'misc failure',
  'dependency failed',
  'log limit exceeded',
  'not deterministic',
  'resolves to already valid',
  'no substituters',
] as const;

export interface BuildResult {
  /** See {@link buildStatuses}; 0 to 2 and 13 are good. */
  readonly status: number;
  /** With ANSI colours. */
  readonly errorMsg: string;
  readonly timesBuilt: number;
  readonly isNonDeterministic: boolean;
  /** Seconds since 1970, 0 unknown. */
  readonly startTime: number;
  readonly stopTime: number;
  /** Microseconds. */
  readonly cpuUser: number | undefined;
  readonly cpuSystem: number | undefined;
  readonly builtOutputs: readonly BuiltOutput[];
}

/** True for the states that leave the outputs valid. */
export function isBuilt(status: number): boolean {
  return status <= 2 || status === 13;
}

export const workerBuildResult: Codec<BuildResult> = fields<BuildResult>({
  status: u64,
  errorMsg: text,
  timesBuilt: since(29, u64, 0),
  isNonDeterministic: since(29, flag, false),
  startTime: since(29, u64, 0),
  stopTime: since(29, u64, 0),
  cpuUser: since(37, optional(u64), undefined),
  cpuSystem: since(37, optional(u64), undefined),
  builtOutputs: since(28, builtOutputs(namesByPath), []),
});

export const serveBuildResult: Codec<BuildResult> = fields<BuildResult>({
  status: u64,
  errorMsg: text,
  timesBuilt: since(3, u64, 0),
  isNonDeterministic: since(3, flag, false),
  startTime: since(3, u64, 0),
  stopTime: since(3, u64, 0),
  cpuUser: since(1000, optional(u64), undefined),
  cpuSystem: since(1000, optional(u64), undefined),
  builtOutputs: since(
    6,
    builtOutputs((peer) => peer.version >= 8),
    [],
  ),
});

/** A derivation as builders get it: its inputs are paths only. */
export interface BasicDerivation {
  /** `path`, `algo` and `hash` are empty where the kind of output has none. */
  readonly outputs: readonly {
    readonly name: string;
    readonly path: string;
    readonly algo: string;
    readonly hash: string;
  }[];
  readonly inputSrcs: readonly StorePath[];
  readonly system: ByteString;
  readonly builder: ByteString;
  readonly args: readonly ByteString[];
  readonly env: readonly { readonly name: ByteString; readonly value: ByteString }[];
}

const bytes: Codec<ByteString> = mapped<Uint8Array, ByteString>(blob, (v) => byteString(v), bytesFrom);

export const basicDerivation: Codec<BasicDerivation> = fields<BasicDerivation>({
  outputs: list(fields({ name: text, path: text, algo: text, hash: text })),
  inputSrcs: pathSet,
  system: bytes,
  builder: bytes,
  args: list(bytes),
  env: list(fields({ name: bytes, value: bytes })),
});

/** Of the serve protocol; seconds, 0 for no limit. */
export interface BuildOptions {
  readonly maxSilentTime: number;
  readonly buildTimeout: number;
  readonly maxLogSize: number;
  readonly repeats: number;
  readonly enforceDeterminism: boolean;
  readonly keepFailed: boolean;
}

export const buildOptions: Codec<BuildOptions> = fields<BuildOptions>({
  maxSilentTime: u64,
  buildTimeout: u64,
  maxLogSize: since(2, u64, 0),
  repeats: since(3, u64, 0),
  enforceDeterminism: since(3, flag, false),
  keepFailed: since(7, flag, false),
});
