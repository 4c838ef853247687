// Derivations: what to build, from what, and where it will go. A value; its text is format/drv.ts.

import { NarrowError } from '../errors.ts';
import type { ByteString } from '../bytes/byte-string.ts';
import type { ContentAddress, IngestionMethod } from './content-address.ts';
import { contentAddressedPath } from './content-address.ts';
import type { HashAlgo } from './hash.ts';
import { encodeBase32 } from './base32.ts';
import { foldHash, hashBytes } from './hash.ts';
import type { StoreDir, StorePath } from './store-path.ts';
import { hashPart, isDerivationPath, pathName } from './store-path.ts';

export type DerivationOutput =
  /** Its path follows from the derivation. */
  | { readonly kind: 'input-addressed'; readonly path: StorePath }
  /** Its path follows from the content, which is known beforehand: a fixed-output derivation. */
  | { readonly kind: 'fixed'; readonly path: StorePath; readonly ca: ContentAddress }
  /** Its path follows from the content, which is not known yet. */
  | { readonly kind: 'floating'; readonly method: IngestionMethod; readonly algo: HashAlgo }
  /** Input-addressed, but by inputs whose paths are not known yet. */
  | { readonly kind: 'deferred' }
  /** Built anew each time. */
  | { readonly kind: 'impure'; readonly method: IngestionMethod; readonly algo: HashAlgo };

export type OutputKind = DerivationOutput['kind'];

/** Which outputs of an input derivation are used; `dynamic` those of derivations that its outputs are. */
export interface InputNode {
  /** Sorted, unique. */
  readonly outputs: readonly string[];
  readonly dynamic: ReadonlyMap<string, InputNode>;
}

export interface Derivation {
  /** The name of its store path without `.drv`; the text does not hold it. */
  readonly name: string;
  readonly outputs: ReadonlyMap<string, DerivationOutput>;
  readonly inputDrvs: ReadonlyMap<StorePath, InputNode>;
  /** Sorted, unique. */
  readonly inputSrcs: readonly StorePath[];
  readonly system: ByteString;
  readonly builder: ByteString;
  readonly args: readonly ByteString[];
  readonly env: ReadonlyMap<ByteString, ByteString>;
}

/** The derivation's name, from its store path. Throws `format` for other paths. */
export function derivationName(path: StorePath): string {
  if (!isDerivationPath(path) || pathName(path) === '.drv') {
    throw new NarrowError('format', `not a derivation: expected a path that ends in .drv, got ${path}`);
  }
  return pathName(path).slice(0, -'.drv'.length);
}

/** What an output's path is called: the derivation's name, with `-OUTPUT` for all but `out`. */
export function outputPathName(drvName: string, output: string): string {
  return output === 'out' ? drvName : `${drvName}-${output}`;
}

/** The path of a fixed output. Throws `refused` for hashes that Nix has no path for. */
export function fixedOutputPath(storeDir: StoreDir, ca: ContentAddress, drvName: string, output: string): StorePath {
  return contentAddressedPath(storeDir, ca, outputPathName(drvName, output), { others: [], self: false });
}

/**
 * The kind of its outputs. Throws `format` when there are none, kinds are mixed, a fixed output is not the only one and
 * named `out`, or floating ones differ in their hash algorithm.
 */
export function derivationKind(outputs: ReadonlyMap<string, DerivationOutput>): OutputKind {
  const [first, ...rest] = outputs.values();
  const fail = (expected: string, got: string): NarrowError =>
    new NarrowError('format', `bad outputs: expected ${expected}, got ${got}`, { data: { expected, got } });
  if (!first) throw fail('at least one', 'none');
  const other = rest.find((output) => output.kind !== first.kind);
  if (other) throw fail('one kind', `${first.kind} beside ${other.kind}`);
  if (first.kind === 'fixed' && (rest.length > 0 || !outputs.has('out'))) {
    throw fail("one fixed output named 'out'", [...outputs.keys()].join(', '));
  }
  if (first.kind === 'floating') {
    const odd = rest.find((output) => output.kind === 'floating' && output.algo !== first.algo);
    if (odd?.kind === 'floating') throw fail('one hash algorithm', `${first.algo} beside ${odd.algo}`);
  }
  return first.kind;
}

/** The paths it refers to as a store object: input derivations and sources, sorted. */
export function derivationReferences(drv: Derivation): StorePath[] {
  return [...new Set([...drv.inputDrvs.keys(), ...drv.inputSrcs])].sort();
}

/** What stands for an own output whose path is not known: `/` and 52 digits. */
export function outputPlaceholder(output: string): string {
  return `/${encodeBase32(hashBytes(`nix-output:${output}`).bytes)}`;
}

/** What stands for an output of another derivation whose path is not known. */
export function upstreamPlaceholder(drv: StorePath, output: string): string {
  return `/${encodeBase32(upstreamDigest(drv, output))}`;
}

/** What stands for the output `outputs[n]` of the derivation that is output `outputs[n-1]` … of `drv`. */
export function dynamicPlaceholder(drv: StorePath, first: string, ...outputs: readonly string[]): string {
  const digest = outputs.reduce(
    (before, output) => hashBytes(`nix-computed-output:${encodeBase32(foldHash(before, 20))}:${output}`).bytes,
    upstreamDigest(drv, first),
  );
  return `/${encodeBase32(digest)}`;
}

function upstreamDigest(drv: StorePath, output: string): Uint8Array {
  return hashBytes(`nix-upstream-output:${hashPart(drv)}:${outputPathName(derivationName(drv), output)}`).bytes;
}
