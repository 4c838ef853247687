// The serve protocol's operations (`nix-store --serve`): one row each.

import type { PathInfo } from '../../model/path-info.ts';
import type { StorePath } from '../../model/store-path.ts';
import type { BasicDerivation, BuildOptions, BuildResult } from '../codec/build.ts';
import { basicDerivation, buildOptions, serveBuildResult } from '../codec/build.ts';
import type { Codec } from '../codec/codec.ts';
import { constant, fields, flag, ignored, list, nothing, text, u64 } from '../codec/codec.ts';
import { serveAddInfo, serveInfos } from '../codec/path-info.ts';
import { path, pathSet } from '../codec/store-path.ts';

/** Data beside the fields: a bare NAR, an export stream. */
export type ServeBody = 'none' | 'nar' | 'export';

export interface ServeOperation<Q, R> {
  readonly name: string;
  readonly number: number;
  /** First minor version of 2.x that has it. */
  readonly since: number;
  readonly request: Codec<Q>;
  readonly reply: Codec<R>;
  /** What follows the request. */
  readonly body: ServeBody;
  /** What comes instead of a reply. */
  readonly answer: ServeBody;
}

function row<Q, R>(
  number: number,
  name: string,
  request: Codec<Q>,
  reply: Codec<R>,
  more: Partial<Pick<ServeOperation<Q, R>, 'since' | 'body' | 'answer'>> = {},
): ServeOperation<Q, R> {
  return { number, name, request, reply, since: 1, body: 'none', answer: 'none', ...more };
}

export interface ValidQuery {
  /** Keep those that are valid for the life of the session; only with --write. */
  readonly lock: boolean;
  /** Let the server fetch what it lacks from its own substituters; only with --write. */
  readonly substitute: boolean;
  readonly paths: readonly StorePath[];
}

/** Status 0, or another one and what went wrong. */
export interface BuildStatus {
  readonly status: number;
  readonly message: string;
}

const buildStatus: Codec<BuildStatus> = {
  put(out, { status, message }) {
    out.u64(status);
    if (status !== 0) out.text(message);
  },
  async get(input, peer) {
    const status = await u64.get(input, peer);
    return { status, message: status === 0 ? '' : await text.get(input, peer) };
  },
};

export interface ServeTable {
  readonly queryValidPaths: ServeOperation<ValidQuery, readonly StorePath[]>;
  readonly queryPathInfos: ServeOperation<{ paths: readonly StorePath[] }, readonly PathInfo[]>;
  readonly dumpStorePath: ServeOperation<{ path: StorePath }, void>;
  readonly importPaths: ServeOperation<void, void>;
  readonly exportPaths: ServeOperation<{ sign: void; paths: readonly StorePath[] }, void>;
  readonly buildPaths: ServeOperation<{ targets: readonly string[]; options: BuildOptions }, BuildStatus>;
  readonly queryClosure: ServeOperation<{ includeOutputs: boolean; paths: readonly StorePath[] }, readonly StorePath[]>;
  readonly buildDerivation: ServeOperation<
    { path: StorePath; derivation: BasicDerivation; options: BuildOptions },
    BuildResult
  >;
  readonly addToStoreNar: ServeOperation<{ info: PathInfo }, void>;
}

export const serveOperations: ServeTable = {
  queryValidPaths: row(
    1,
    'QueryValidPaths',
    fields<ValidQuery>({ lock: flag, substitute: flag, paths: pathSet }),
    pathSet,
  ),
  queryPathInfos: row(2, 'QueryPathInfos', fields({ paths: pathSet }), serveInfos),
  dumpStorePath: row(3, 'DumpStorePath', fields({ path }), nothing, { answer: 'nar' }),
  importPaths: row(4, 'ImportPaths', nothing, constant(1), { body: 'export' }),
  exportPaths: row(
    5,
    'ExportPaths',
    fields<{ sign: void; paths: readonly StorePath[] }>({ sign: ignored(0), paths: pathSet }),
    nothing,
    {
      answer: 'export',
    },
  ),
  buildPaths: row(6, 'BuildPaths', fields({ targets: list(text), options: buildOptions }), buildStatus),
  queryClosure: row(7, 'QueryClosure', fields({ includeOutputs: flag, paths: pathSet }), pathSet),
  buildDerivation: row(
    8,
    'BuildDerivation',
    fields({ path, derivation: basicDerivation, options: buildOptions }),
    serveBuildResult,
  ),
  addToStoreNar: row(9, 'AddToStoreNar', fields({ info: serveAddInfo }), constant(1), { since: 5, body: 'nar' }),
};

/** Rows by number. */
export const serveByNumber: ReadonlyMap<number, ServeOperation<unknown, unknown>> = new Map(
  Object.values(serveOperations as unknown as Record<string, ServeOperation<unknown, unknown>>).map((op) => [
    op.number,
    op,
  ]),
);
