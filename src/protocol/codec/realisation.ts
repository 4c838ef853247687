// Realisations: JSON from worker protocol 1.31 on, two strings before; in Nix 2.35, with a feature, fields.

import { formatRealisation, parseRealisation } from '../../format/realisation-json.ts';
import type { HashedRealisation, Realisation, RealisationKey } from '../../model/realisation.ts';
import { parseRealisationId } from '../../model/realisation.ts';
import { NarrowError } from '../../errors.ts';
import type { StorePath } from '../../model/store-path.ts';
import type { Codec, Peer } from './codec.ts';
import { choose, fields, list, mapped, optional, text, textual } from './codec.ts';
import { signatures } from './path-info.ts';
import { baseName, path, pathSet } from './store-path.ts';

/** The feature that names realisations by the derivation's path. */
export const byPath = 'realisation-with-path-not-hash';
export const namesByPath = (peer: Peer): boolean => peer.features.has(byPath);

/** What is asked for: `sha256:…!out`, or derivation and output. */
export const realisationKey: Codec<RealisationKey> = choose<RealisationKey>(
  namesByPath,
  mapped<{ drvPath: StorePath; output: string }, RealisationKey>(
    fields({ drvPath: path, output: text }),
    (value) => ({ kind: 'traced', ...value }),
    (key) => (key.kind === 'traced' ? key : mismatch('derivations')),
  ),
  textual<RealisationKey>(parseRealisationId, (key) => (key.kind === 'hashed' ? key.id : mismatch('hashes'))),
);

function mismatch(spoken: string): never {
  throw new NarrowError('unsupported', `the other side names realisations by ${spoken}`);
}

/** What a question about a realisation brings: where the output is, and before 1.31 nothing else. */
export interface KnownOutput {
  readonly outPath: StorePath;
  readonly realisation?: Realisation | undefined;
  readonly signatures?: readonly string[] | undefined;
}

const json: Codec<KnownOutput> = textual(
  (value) => {
    const realisation = parseRealisation(value);
    return { outPath: realisation.outPath, realisation };
  },
  (value) => (value.realisation ? formatRealisation(value.realisation) : mismatch('JSON')),
);

const asPaths: Codec<readonly KnownOutput[]> = mapped<readonly StorePath[], readonly KnownOutput[]>(
  pathSet,
  (values) => values.map((outPath) => ({ outPath })),
  (values) => values.map((v) => v.outPath),
);

const asFields: Codec<readonly KnownOutput[]> = mapped<KnownOutput | undefined, readonly KnownOutput[]>(
  optional(
    mapped<{ outPath: StorePath; signatures: readonly string[] }, KnownOutput>(
      fields({ outPath: path, signatures }),
      (v) => v,
      (v) => ({ outPath: v.outPath, signatures: v.signatures ?? [] }),
    ),
  ),
  (value) => (value ? [value] : []),
  (values) => values[0],
);

/** The reply to QueryRealisation: none or one. */
export const knownOutputs: Codec<readonly KnownOutput[]> = choose(
  namesByPath,
  asFields,
  choose((peer) => peer.version >= 31, list(json), asPaths),
);

const asText: Codec<Realisation> = textual<Realisation>((value) => parseRealisation(value), formatRealisation);

const twoStrings: Codec<Realisation> = mapped<{ id: string; outPath: StorePath }, Realisation>(
  fields({ id: text, outPath: baseName }),
  ({ id, outPath }) => ({ kind: 'hashed', id, outPath, signatures: [], dependentRealisations: {} }),
  (value) => (value.kind === 'hashed' ? value : mismatch('hashes')),
);

const traced: Codec<Realisation> = mapped<
  { drvPath: StorePath; output: string; outPath: StorePath; signatures: readonly string[] },
  Realisation
>(
  fields({ drvPath: path, output: text, outPath: path, signatures }),
  (value) => ({ kind: 'traced', ...value }),
  (value) => (value.kind === 'traced' ? value : mismatch('derivations')),
);

/** A realisation to be registered. */
export const realisation: Codec<Realisation> = choose(
  namesByPath,
  traced,
  choose((peer) => peer.version >= 31, asText, twoStrings),
);

/** What a build made: by the realisation's id with the JSON, or by the output's name. */
export type BuiltOutput =
  | HashedRealisation
  | {
      readonly kind: 'named';
      readonly output: string;
      readonly outPath: StorePath;
      readonly signatures: readonly string[];
    };

const builtByHash: Codec<readonly BuiltOutput[]> = list(
  mapped<{ id: string; value: string }, BuiltOutput>(
    fields({ id: text, value: text }),
    ({ id, value }) => {
      const built = parseRealisation(value, parseRealisationId(id));
      return built.kind === 'hashed' ? built : mismatch('hashes');
    },
    (built) => (built.kind === 'hashed' ? { id: built.id, value: formatRealisation(built) } : mismatch('hashes')),
  ),
);

const builtByName: Codec<readonly BuiltOutput[]> = list(
  mapped<{ output: string; outPath: StorePath; signatures: readonly string[] }, BuiltOutput>(
    fields({ output: text, outPath: path, signatures }),
    (value) => ({ kind: 'named', ...value }),
    (built) => (built.kind === 'named' ? built : mismatch('names')),
  ),
);

/** `byName` tells which of the two layouts is spoken. */
export function builtOutputs(byName: (peer: Peer) => boolean): Codec<readonly BuiltOutput[]> {
  return choose(byName, builtByName, builtByHash);
}
