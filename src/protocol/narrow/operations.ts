// The operations of narrow's own protocol (`narrow stdio`): one row each. Path infos, recipes and contents are packed by
// src/delta and travel here as bytes; see docs/formats/stdio.md.

import { formatRealisation, parseRealisation } from '../../format/realisation-json.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { StorePath } from '../../model/store-path.ts';
import type { Hash } from '../../model/hash.ts';
import type { Realisation } from '../../model/realisation.ts';
import { encodeHash, parseHash } from '../../model/hash.ts';
import type { Codec } from '../codec/codec.ts';
import { blob, fields, flag, list, mapped, nothing, optional, text, textual, u64 } from '../codec/codec.ts';
import { bulkInfo, signatures } from '../codec/path-info.ts';
import { path, pathSet } from '../codec/store-path.ts';
import type { NarrowError } from '../../errors.ts';
import { indices } from './indices.ts';
import { failure } from './reply.ts';

export interface NarrowOperation<Q, R> {
  readonly name: string;
  readonly number: number;
  readonly request: Codec<Q>;
  readonly reply: Codec<R>;
  /** What follows the request: nothing, or framed bytes. */
  readonly body: 'none' | 'frames';
  /** What comes before the reply. */
  readonly answer: 'none' | 'frames';
}

export type OperationRequest<O> = O extends NarrowOperation<infer Q, infer _> ? Q : never;
export type OperationAnswer<O> = O extends NarrowOperation<infer _, infer R> ? R : never;

/** A closure that paths can be rebuilt from, named by its root. */
export interface Candidate {
  readonly root: StorePath;
  /** Eight bytes over the closure's paths and NAR hashes: who has the same closure knows it by this. */
  readonly digest: Uint8Array;
  /** Paths in the closure. */
  readonly count: number;
}

/** What a receiver tells before anything is sent to it. */
export interface Offer {
  readonly candidates: readonly Candidate[];
  /** What it can pack compressed files with. */
  readonly tools: readonly string[];
  /** It takes paths without signatures from this user. */
  readonly trusted: boolean;
  readonly requireSignatures: boolean;
  /** `name:base64`. */
  readonly trustedKeys: readonly string[];
  /** Facts for the checks before the first byte, JSON of a StoreFacts. */
  readonly facts: string;
}

/** What a path is at the receiver. */
export type Standing =
  | { readonly status: 'missing' }
  | { readonly status: 'valid'; readonly info: PathInfo }
  | { readonly status: 'refused'; readonly why: string; readonly hint: string | undefined };

/** What became of a path; one that was added is not spoken of. */
export interface Ending {
  readonly status: 'valid' | 'differs' | 'refused' | 'failed';
  readonly error: NarrowError | undefined;
}

/** Columns, packed: of a million files or paths. */
const packedLimit = 64 * 1024 * 1024;
const packed: Codec<Uint8Array> = {
  put: (out, value) => void out.string(value),
  get: (input) => input.stringBytes(packedLimit),
};

const candidate: Codec<Candidate> = fields<Candidate>({ root: path, digest: blob, count: u64 });

const offer: Codec<Offer> = fields<Offer>({
  candidates: list(candidate),
  tools: list(text),
  trusted: flag,
  requireSignatures: flag,
  trustedKeys: list(text),
  facts: text,
});

const standing: Codec<Standing> = {
  put(out, value, peer) {
    out.u64(['missing', 'valid', 'refused'].indexOf(value.status));
    if (value.status === 'valid') bulkInfo.put(out, value.info, peer);
    if (value.status !== 'refused') return;
    text.put(out, value.why, peer);
    optional(text).put(out, value.hint, peer);
  },
  async get(input, peer) {
    switch (await u64.get(input, peer)) {
      case 0:
        return { status: 'missing' };
      case 1:
        return { status: 'valid', info: await bulkInfo.get(input, peer) };
      default:
        return {
          status: 'refused',
          why: await text.get(input, peer),
          hint: await optional(text).get(input, peer),
        };
    }
  },
};

const endings = ['valid', 'differs', 'refused', 'failed'] as const;

const ending: Codec<Ending> = fields<Ending>({
  status: mapped<number, Ending['status']>(
    u64,
    (number) => endings[number] ?? 'failed',
    (status) => endings.indexOf(status),
  ),
  error: optional(failure),
});

const workLevels = ['auto', 'fast', 'best'] as const;

/** How much work a sender is to do for few bytes; `auto`: as much as the line leaves time for. */
export type WorkLevel = (typeof workLevels)[number];

const workLevel: Codec<WorkLevel> = mapped<number, WorkLevel>(
  u64,
  (number) => workLevels[number] ?? 'auto',
  (level) => workLevels.indexOf(level),
);

/** As JSON, the form that both kinds have. */
const realisation: Codec<Realisation> = textual((value) => parseRealisation(value), formatRealisation);

const sha256: Codec<Hash> = textual(
  (value) => parseHash(value, 'sha256'),
  (value) => encodeHash(value, 'base16'),
);

function row<Q, R>(
  number: number,
  name: string,
  request: Codec<Q>,
  reply: Codec<R>,
  more: Partial<Pick<NarrowOperation<Q, R>, 'body' | 'answer'>> = {},
): NarrowOperation<Q, R> {
  return { number, name, request, reply, body: 'none', answer: 'none', ...more };
}

/** A path that is not simply missing at the receiver, by its number among those surveyed. */
export interface NumberedStanding {
  readonly number: number;
  readonly standing: Standing;
}

/** What became of a path that was not simply added, by its number among those surveyed. */
export interface NumberedEnding {
  readonly number: number;
  readonly ending: Ending;
}

/** Of paths that were surveyed, or told of: their numbers, in the order in which they come. */
export interface Numbered {
  readonly numbers: readonly number[];
}

export interface NarrowTable {
  /** For whoever is going to send `roots`: what is here to rebuild them from. Holds what it offers. */
  readonly offer: NarrowOperation<{ roots: readonly StorePath[] }, Offer>;
  /** The inventory of closures, packed. */
  readonly describe: NarrowOperation<{ roots: readonly StorePath[] }, Uint8Array>;
  /** Infos of paths that may come, packed against the closures of `bases`; holds them. */
  readonly survey: NarrowOperation<
    {
      bases: readonly StorePath[];
      checkSignatures: boolean;
      infos: Uint8Array;
      /** Eight bytes over the signatures that the client has for paths of the base closures; empty: none. */
      signatures: Uint8Array;
      /** Paths with bases that the client does not have. */
      unknown: readonly number[];
    },
    {
      standings: readonly NumberedStanding[];
      /** The paths of the base closures have the same signatures here. */
      sameSignatures: boolean;
      /** Of those unknown that are missing: digests of the files that their bases come to once translated, packed. */
      digests: Uint8Array;
    }
  >;
  /** The delta of surveyed paths follows. */
  readonly rebuild: NarrowOperation<
    Numbered & {
      /** Those of them that come without bases. */
      readonly whole: readonly number[];
      readonly checkSignatures: boolean;
      readonly realisations: readonly Realisation[];
    },
    readonly NumberedEnding[]
  >;
  readonly addSignatures: NarrowOperation<{ path: StorePath; narHash: Hash; signatures: readonly string[] }, void>;
  readonly addRoot: NarrowOperation<{ link: string; path: StorePath }, void>;
  /** The generation's link, where it is told. */
  readonly setProfile: NarrowOperation<{ profile: string; path: StorePath }, string | undefined>;
  readonly query: NarrowOperation<{ paths: readonly StorePath[] }, readonly PathInfo[]>;
  readonly realisations: NarrowOperation<{ paths: readonly StorePath[] }, readonly Realisation[]>;
  /**
   * For whoever is going to fetch `roots`: infos of their closure, packed against those of the candidates that are known
   * here, whose roots are told; `inventory` describes the others.
   */
  readonly closure: NarrowOperation<
    { roots: readonly StorePath[]; candidates: readonly Candidate[]; tools: readonly string[] },
    { bases: readonly StorePath[]; infos: Uint8Array }
  >;
  /** Bytes of the delta of paths that were told of, which is made and not sent. */
  readonly estimate: NarrowOperation<Numbered & { readonly level: WorkLevel }, number>;
  /** The delta of paths that were told of comes before the reply. */
  readonly send: NarrowOperation<Numbered & { readonly whole: readonly number[]; readonly level: WorkLevel }, void>;
}

export const narrowOperations: NarrowTable = {
  offer: row(1, 'Offer', fields({ roots: pathSet }), offer),
  describe: row(2, 'Describe', fields({ roots: pathSet }), packed),
  survey: row(
    3,
    'Survey',
    fields({ bases: pathSet, checkSignatures: flag, infos: packed, signatures: blob, unknown: indices }),
    fields({ standings: list(fields({ number: u64, standing })), sameSignatures: flag, digests: packed }),
  ),
  rebuild: row(
    4,
    'Rebuild',
    fields({ numbers: indices, whole: indices, checkSignatures: flag, realisations: list(realisation) }),
    list(fields({ number: u64, ending })),
    { body: 'frames' },
  ),
  addSignatures: row(5, 'AddSignatures', fields({ path, narHash: sha256, signatures }), nothing),
  addRoot: row(6, 'AddRoot', fields({ link: text, path }), nothing),
  setProfile: row(7, 'SetProfile', fields({ profile: text, path }), optional(text)),
  query: row(8, 'Query', fields({ paths: pathSet }), list(bulkInfo)),
  realisations: row(9, 'Realisations', fields({ paths: pathSet }), list(realisation)),
  closure: row(
    10,
    'Closure',
    fields({ roots: pathSet, candidates: list(candidate), tools: list(text) }),
    fields({ bases: pathSet, infos: packed }),
  ),
  estimate: row(11, 'Estimate', fields({ numbers: indices, level: workLevel }), u64),
  send: row(12, 'Send', fields({ numbers: indices, whole: indices, level: workLevel }), nothing, { answer: 'frames' }),
};

/** Rows by number. */
export const narrowByNumber: ReadonlyMap<number, NarrowOperation<unknown, unknown>> = new Map(
  Object.values(narrowOperations as unknown as Record<string, NarrowOperation<unknown, unknown>>).map((op) => [
    op.number,
    op,
  ]),
);
