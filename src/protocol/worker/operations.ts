// The worker protocol's operations: one row each. Both sides, and the tests, work from this table.

import type { PathInfo } from '../../model/path-info.ts';
import type { Realisation, RealisationKey } from '../../model/realisation.ts';
import type { StorePath } from '../../model/store-path.ts';
import type { BasicDerivation, BuildResult } from '../codec/build.ts';
import { basicDerivation, workerBuildResult } from '../codec/build.ts';
import type { Codec } from '../codec/codec.ts';
import {
  choose,
  constant,
  fields,
  flag,
  list,
  nothing,
  optional,
  orNone,
  since,
  text,
  textual,
  u64,
} from '../codec/codec.ts';
import type { UnkeyedInfo } from '../codec/path-info.ts';
import { pathInfo, signatures, unkeyedInfo } from '../codec/path-info.ts';
import type { KnownOutput } from '../codec/realisation.ts';
import { knownOutputs, realisation, realisationKey } from '../codec/realisation.ts';
import { baseName, hashDigits, optionalPath, path, pathSet } from '../codec/store-path.ts';
import type { GarbageRequest, GarbageResult } from './garbage.ts';
import { garbageRequest, garbageResult } from './garbage.ts';
import type { Settings } from './settings.ts';
import { settings } from './settings.ts';

/** Data that follows the fields of a request, or the messages before a reply. */
export type Body = 'none' | 'framed' | 'nar';

export interface Operation<Q, R> {
  readonly name: string;
  readonly number: number;
  /** First minor version that has it. */
  readonly since: number;
  readonly request: Codec<Q>;
  readonly reply: Codec<R>;
  /** What follows the request; before 1.23 data is asked for by the daemon, or raw. */
  readonly body: Body;
  /** What follows instead of a reply. */
  readonly answer: Body;
}

function row<Q, R>(
  number: number,
  name: string,
  request: Codec<Q>,
  reply: Codec<R>,
  more: Partial<Pick<Operation<Q, R>, 'since' | 'body' | 'answer'>> = {},
): Operation<Q, R> {
  return { number, name, request, reply, since: 10, body: 'none', answer: 'none', ...more };
}

/** The u64 1 that means nothing. */
const done: Codec<void> = constant(1);

export interface AddRequest {
  readonly info: PathInfo;
  readonly repair: boolean;
  readonly dontCheckSignatures: boolean;
}

export interface BulkRequest {
  readonly repair: boolean;
  readonly dontCheckSignatures: boolean;
}

export interface AddObjectRequest {
  readonly name: string;
  /** `text:sha256`, `fixed:r:sha256` … */
  readonly method: string;
  readonly references: readonly StorePath[];
  readonly repair: boolean;
}

export interface Missing {
  readonly willBuild: readonly StorePath[];
  readonly willSubstitute: readonly StorePath[];
  readonly unknown: readonly StorePath[];
  readonly downloadSize: number;
  readonly narSize: number;
}

export interface Substitutable {
  readonly path: StorePath;
  readonly deriver: StorePath | undefined;
  readonly references: readonly StorePath[];
  readonly downloadSize: number;
  readonly narSize: number;
}

const targets: Codec<readonly string[]> = list(text);
const one: Codec<{ path: StorePath }> = fields({ path });
const substitutable: Codec<Omit<Substitutable, 'path'>> = fields({
  deriver: optionalPath,
  references: pathSet,
  downloadSize: u64,
  narSize: u64,
});

const withAddresses: Codec<readonly { path: StorePath; ca: string | undefined }[]> = list(
  fields({
    path,
    ca: orNone(
      textual<string>(
        (v) => v,
        (v) => v,
      ),
    ),
  }),
);
const withoutAddresses: Codec<readonly { path: StorePath; ca: string | undefined }[]> = list(
  fields({ path, ca: { put() {}, get: () => undefined } as Codec<string | undefined> }),
);

export interface WorkerTable {
  readonly isValidPath: Operation<{ path: StorePath }, boolean>;
  readonly queryReferrers: Operation<{ path: StorePath }, readonly StorePath[]>;
  readonly addToStore: Operation<AddObjectRequest, PathInfo>;
  readonly addTextToStore: Operation<{ name: string; text: string; references: readonly StorePath[] }, StorePath>;
  readonly buildPaths: Operation<{ targets: readonly string[]; mode: number }, void>;
  readonly ensurePath: Operation<{ path: StorePath }, void>;
  readonly addTempRoot: Operation<{ path: StorePath }, void>;
  readonly addIndirectRoot: Operation<{ link: string }, void>;
  readonly findRoots: Operation<void, readonly { link: string; target: StorePath }[]>;
  readonly setOptions: Operation<Settings, void>;
  readonly collectGarbage: Operation<GarbageRequest, GarbageResult>;
  readonly querySubstitutablePathInfo: Operation<{ path: StorePath }, Omit<Substitutable, 'path'> | undefined>;
  readonly queryAllValidPaths: Operation<void, readonly StorePath[]>;
  readonly queryPathInfo: Operation<{ path: StorePath }, UnkeyedInfo | undefined>;
  readonly queryPathFromHashPart: Operation<{ hashPart: string }, StorePath | undefined>;
  readonly querySubstitutablePathInfos: Operation<
    { paths: readonly { path: StorePath; ca: string | undefined }[] },
    readonly Substitutable[]
  >;
  readonly queryValidPaths: Operation<{ paths: readonly StorePath[]; substitute: boolean }, readonly StorePath[]>;
  readonly querySubstitutablePaths: Operation<{ paths: readonly StorePath[] }, readonly StorePath[]>;
  readonly queryValidDerivers: Operation<{ path: StorePath }, readonly StorePath[]>;
  readonly optimiseStore: Operation<void, void>;
  readonly verifyStore: Operation<{ checkContents: boolean; repair: boolean }, boolean>;
  readonly buildDerivation: Operation<{ path: StorePath; derivation: BasicDerivation; mode: number }, BuildResult>;
  readonly addSignatures: Operation<{ path: StorePath; signatures: readonly string[] }, void>;
  readonly narFromPath: Operation<{ path: StorePath }, void>;
  readonly addToStoreNar: Operation<AddRequest, void>;
  readonly queryMissing: Operation<{ targets: readonly string[] }, Missing>;
  readonly queryDerivationOutputMap: Operation<
    { path: StorePath },
    readonly { name: string; path: StorePath | undefined }[]
  >;
  readonly registerDrvOutput: Operation<{ realisation: Realisation }, void>;
  readonly queryRealisation: Operation<{ key: RealisationKey }, readonly KnownOutput[]>;
  readonly addMultipleToStore: Operation<BulkRequest, void>;
  readonly addBuildLog: Operation<{ drv: StorePath }, void>;
  readonly buildPathsWithResults: Operation<
    { targets: readonly string[]; mode: number },
    readonly { target: string; result: BuildResult }[]
  >;
  readonly addPermRoot: Operation<{ path: StorePath; link: string }, string>;
}

export const workerOperations: WorkerTable = {
  isValidPath: row(1, 'IsValidPath', one, flag),
  queryReferrers: row(6, 'QueryReferrers', one, pathSet),
  addToStore: row(7, 'AddToStore', fields({ name: text, method: text, references: pathSet, repair: flag }), pathInfo, {
    since: 25,
    body: 'framed',
  }),
  addTextToStore: row(8, 'AddTextToStore', fields({ name: text, text, references: pathSet }), path),
  buildPaths: row(9, 'BuildPaths', fields({ targets, mode: since(15, u64, 0) }), done),
  ensurePath: row(10, 'EnsurePath', one, done),
  addTempRoot: row(11, 'AddTempRoot', one, done),
  addIndirectRoot: row(12, 'AddIndirectRoot', fields({ link: text }), done),
  findRoots: row(14, 'FindRoots', nothing, list(fields({ link: text, target: path }))),
  setOptions: row(19, 'SetOptions', settings, nothing),
  collectGarbage: row(20, 'CollectGarbage', garbageRequest, garbageResult),
  querySubstitutablePathInfo: row(21, 'QuerySubstitutablePathInfo', one, optional(substitutable)),
  queryAllValidPaths: row(23, 'QueryAllValidPaths', nothing, pathSet),
  queryPathInfo: row(
    26,
    'QueryPathInfo',
    one,
    choose<UnkeyedInfo | undefined>(
      (peer) => peer.version >= 17,
      optional(unkeyedInfo),
      unkeyedInfo as Codec<UnkeyedInfo | undefined>,
    ),
  ),
  queryPathFromHashPart: row(29, 'QueryPathFromHashPart', fields({ hashPart: hashDigits }), optionalPath),
  querySubstitutablePathInfos: row(
    30,
    'QuerySubstitutablePathInfos',
    fields({ paths: choose((peer) => peer.version >= 22, withAddresses, withoutAddresses) }),
    list(fields<Substitutable>({ path, deriver: optionalPath, references: pathSet, downloadSize: u64, narSize: u64 })),
  ),
  queryValidPaths: row(31, 'QueryValidPaths', fields({ paths: pathSet, substitute: since(27, flag, false) }), pathSet),
  querySubstitutablePaths: row(32, 'QuerySubstitutablePaths', fields({ paths: pathSet }), pathSet),
  queryValidDerivers: row(33, 'QueryValidDerivers', one, pathSet),
  optimiseStore: row(34, 'OptimiseStore', nothing, done),
  verifyStore: row(35, 'VerifyStore', fields({ checkContents: flag, repair: flag }), flag),
  buildDerivation: row(
    36,
    'BuildDerivation',
    fields({ path, derivation: basicDerivation, mode: u64 }),
    workerBuildResult,
  ),
  addSignatures: row(37, 'AddSignatures', fields({ path, signatures }), done),
  narFromPath: row(38, 'NarFromPath', one, nothing, { answer: 'nar' }),
  addToStoreNar: row(
    39,
    'AddToStoreNar',
    fields<AddRequest>({ info: pathInfo, repair: flag, dontCheckSignatures: flag }),
    nothing,
    {
      body: 'framed',
    },
  ),
  queryMissing: row(
    40,
    'QueryMissing',
    fields({ targets }),
    fields<Missing>({ willBuild: pathSet, willSubstitute: pathSet, unknown: pathSet, downloadSize: u64, narSize: u64 }),
    { since: 19 },
  ),
  queryDerivationOutputMap: row(
    41,
    'QueryDerivationOutputMap',
    one,
    list(fields<{ name: string; path: StorePath | undefined }>({ name: text, path: optionalPath })),
    { since: 22 },
  ),
  registerDrvOutput: row(42, 'RegisterDrvOutput', fields({ realisation }), nothing, { since: 27 }),
  queryRealisation: row(43, 'QueryRealisation', fields({ key: realisationKey }), knownOutputs, { since: 27 }),
  addMultipleToStore: row(
    44,
    'AddMultipleToStore',
    fields<BulkRequest>({ repair: flag, dontCheckSignatures: flag }),
    nothing,
    {
      since: 32,
      body: 'framed',
    },
  ),
  addBuildLog: row(45, 'AddBuildLog', fields({ drv: baseName }), done, { since: 33, body: 'framed' }),
  buildPathsWithResults: row(
    46,
    'BuildPathsWithResults',
    fields({ targets, mode: u64 }),
    list(fields({ target: text, result: workerBuildResult })),
    { since: 34 },
  ),
  addPermRoot: row(47, 'AddPermRoot', fields({ path, link: text }), text, { since: 36 }),
};

/** Rows by number. */
export const workerByNumber: ReadonlyMap<number, Operation<unknown, unknown>> = new Map(
  Object.values(workerOperations as unknown as Record<string, Operation<unknown, unknown>>).map((op) => [
    op.number,
    op,
  ]),
);
