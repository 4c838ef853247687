// Realisations as JSON: in cache files (`realisations/<id>.doi` up to Nix 2.34, `build-trace-v2/<drv>/<output>.doi` from
// 2.35 on) and in the text that their signatures sign. Compact, keys sorted, no line feed at the end.

import type { Place } from '../errors.ts';
import { NarrowError, formatError } from '../errors.ts';
import { sortedUnique } from '../model/path-info.ts';
import type { Realisation, RealisationKey } from '../model/realisation.ts';
import { parseRealisationId, realisationId } from '../model/realisation.ts';
import type { SecretKey, TrustedKeys } from '../model/signature.ts';
import { normaliseSignature, signText } from '../model/signature.ts';
import type { StorePath } from '../model/store-path.ts';
import { parseBaseName } from '../model/store-path.ts';
import type { JsonCursor } from './json-cursor.ts';
import { readJson, sortedJson } from './json-cursor.ts';

/** Longest realisation that is read, in bytes. */
const maxSize = 2 ** 20;

/** Directories of a cache that hold realisations, by kind. */
export const realisationDirs = { hashed: 'realisations', traced: 'build-trace-v2' } as const;

/** Where a cache keeps it, relative to the cache's root. */
export function realisationFileName(key: RealisationKey): string {
  if (key.kind === 'hashed') return `${realisationDirs.hashed}/${key.id}.doi`;
  return `${realisationDirs.traced}/${key.drvPath}/${key.output}.doi`;
}

/** The inverse of {@link realisationFileName}. Throws `format`. */
export function parseRealisationFileName(name: string): RealisationKey {
  const hashed = /^realisations\/([^/]+)\.doi$/.exec(name);
  const traced = /^build-trace-v2\/([^/]+)\/([^/]+)\.doi$/.exec(name);
  const id = hashed ? hashed[1] : traced && `${traced[1]}^${traced[2]}`;
  const key = id ? parseRealisationId(id) : undefined;
  if (key === undefined || realisationFileName(key) !== name) {
    throw new NarrowError('format', `bad name of a realisation file: '${name.slice(0, 300)}'`);
  }
  return key;
}

/**
 * Reads a realisation in any form. A cache file of the newer kind does not say what it is about: `key` does, from its
 * name. Where both say it they have to agree. Throws `format`.
 */
export function parseRealisation(text: string | Uint8Array, key?: RealisationKey, place: Place = {}): Realisation {
  const json = readJson(text, 'realisation', place, maxSize);
  const value = json.optional('value') ?? json;
  const about = keyIn(json) ?? key;
  if (!about) throw json.fault("a field 'id' or 'key'", 'neither, and no file name that tells');
  if (key && realisationId(key) !== realisationId(about)) {
    const contrast = { expected: realisationId(key), got: realisationId(about) };
    throw formatError('a realisation of another output', place, contrast);
  }
  const outPath = value.field('outPath').parse(parseBaseName, 'a store path');
  const signatures = sortedUnique((value.optional('signatures')?.list() ?? []).map(readSignature));
  if (about.kind === 'traced') return { ...about, outPath, signatures };
  return { ...about, outPath, signatures, dependentRealisations: readDependents(json) };
}

function keyIn(json: JsonCursor): RealisationKey | undefined {
  const id = json.optional('id');
  if (id) return id.parse(hashedKey, "'sha256:…!output'");
  const key = json.optional('key');
  if (!key) return undefined;
  const output = key.field('outputName').string();
  return key.field('drvPath').parse((drv) => parseRealisationId(`${drv}^${output}`), 'a derivation');
}

function hashedKey(text: string): RealisationKey & { readonly kind: 'hashed' } {
  const key = parseRealisationId(text);
  if (key.kind !== 'hashed') throw new NarrowError('format', `expected 'sha256:…!output', got '${text}'`);
  return key;
}

/** `name:base64`, or from 2.35 on `{"keyName":…,"sig":…}`. */
function readSignature(json: JsonCursor): string {
  if (typeof json.value === 'string') return json.parse(normaliseSignature, 'a signature');
  const name = json.field('keyName').string();
  return json.field('sig').parse((sig) => normaliseSignature(`${name}:${sig}`), 'a signature');
}

function readDependents(json: JsonCursor): Record<string, StorePath> {
  const entries = json.optional('dependentRealisations')?.entries() ?? [];
  return Object.fromEntries(entries.map(([id, path]) => [hashedKey(id).id, path.parse(parseBaseName, 'a store path')]));
}

/** The contents of its cache file, byte for byte as Nix writes it. */
export function formatRealisationFile(realisation: Realisation): string {
  return sortedJson(realisation.kind === 'hashed' ? toJson(realisation) : traceValue(realisation));
}

/** The whole realisation, with what it is about. */
export function formatRealisation(realisation: Realisation): string {
  return sortedJson(toJson(realisation));
}

/** The text that its signatures sign. */
export function realisationFingerprint(realisation: Realisation): string {
  return sortedJson(toJson(realisation, false));
}

function toJson(realisation: Realisation, signed = true): unknown {
  if (realisation.kind === 'traced') {
    const { drvPath, output } = realisation;
    return { key: { drvPath, outputName: output }, value: traceValue(realisation, signed) };
  }
  const { id, outPath, signatures, dependentRealisations } = realisation;
  return { id, outPath, dependentRealisations, ...(signed && { signatures }) };
}

function traceValue({ outPath, signatures }: Realisation, signed = true): unknown {
  const split = (sig: string): unknown => {
    const colon = sig.indexOf(':');
    return { keyName: sig.slice(0, colon), sig: sig.slice(colon + 1) };
  };
  return { outPath, ...(signed && { signatures: signatures.map(split) }) };
}

/** The realisation with the keys' signatures added. */
export function signRealisation(realisation: Realisation, keys: readonly SecretKey[]): Realisation {
  const text = realisationFingerprint(realisation);
  return {
    ...realisation,
    signatures: sortedUnique([...realisation.signatures, ...keys.map((k) => signText(k, text))]),
  };
}

/** Its signatures that verify. */
export function validRealisationSignatures(realisation: Realisation, trusted: TrustedKeys): string[] {
  if (trusted.size === 0 || realisation.signatures.length === 0) return [];
  const text = realisationFingerprint(realisation);
  return realisation.signatures.filter((sig) => trusted.verifies(text, sig));
}
