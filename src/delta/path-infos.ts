// Path infos of new paths, told by what is not as it follows from their bases: a path that was only rebuilt costs its new
// hash part, a signature or a NAR hash, perhaps its deriver's hash part, and a byte. Writer and reader predict alike.

import type { Hash } from '../model/hash.ts';
import type { PathInfo } from '../model/path-info.ts';
import { isContentAddressed } from '../model/path-info.ts';
import type { StoreDir, StorePath } from '../model/store-path.ts';
import { hashPart, isDerivationPath, pathName } from '../model/store-path.ts';
import { decodeBase32 } from '../model/base32.ts';
import type { BaseClosure } from './base-closure.ts';
import { bad, hashPartBytes, pathFrom, readCount } from './base-closure.ts';
import type { ColumnReader, ColumnWriter } from './columns.ts';
import { AddressKinds } from './info-addresses.ts';
import type { SentAddress } from './info-addresses.ts';
import { column, deriverIs, headBits } from './info-columns.ts';
import { KnownDerivers, deriverNames, readName, writeName } from './info-names.ts';
import { ReferencePrediction } from './info-references.ts';
import { SignatureKeys, isEd25519 } from './info-signatures.ts';
import { PathNumbers } from './path-numbers.ts';

export type { SentAddress } from './info-addresses.ts';
export { infoColumns } from './info-columns.ts';

/** A path info as it arrives: what proves the content is not always its NAR hash. */
export interface SentInfo {
  readonly path: StorePath;
  /**
   * SHA-256 of the NAR. Absent: it is computed from what was rebuilt, and is right only if a trusted signature then signs
   * it, or if the path's content address, computed alike, makes the path. Nothing else proves the content.
   */
  readonly narHash: Hash | undefined;
  readonly narSize: number;
  readonly references: readonly StorePath[];
  readonly deriver: StorePath | undefined;
  readonly signatures: readonly string[];
  readonly ca: SentAddress | undefined;
  /** Numbers in the base closure, the best first. */
  readonly bases: readonly number[];
}

/** What both sides remember of the paths before. */
class Prediction {
  readonly base: BaseClosure;
  readonly numbers: PathNumbers;
  readonly references: ReferencePrediction;
  readonly derivers = new KnownDerivers<StorePath>();
  readonly keys = new SignatureKeys();
  readonly addresses = new AddressKinds();
  nextBase = 0;
  hashed = false;

  constructor(base: BaseClosure) {
    this.base = base;
    this.numbers = new PathNumbers(base);
    this.references = new ReferencePrediction(base, this.numbers);
  }

  predictedBase(): readonly number[] {
    return this.nextBase < this.base.infos.length ? [this.nextBase] : [];
  }

  nameOf(base: number | undefined): string {
    return base === undefined ? '' : pathName(this.base.infos[base]!.path);
  }

  sizeOf(base: number | undefined): number {
    return base === undefined ? 0 : this.base.infos[base]!.narSize;
  }

  /** The path is told, all but its references. */
  begin(path: StorePath): void {
    this.numbers.add(path);
    if (isDerivationPath(path)) this.derivers.add(pathName(path), path);
  }

  end(path: StorePath, base: number | undefined): void {
    if (base === undefined) return;
    this.references.add(path, base);
    this.nextBase = base + 1;
  }
}

export interface PathInfoWriterOptions {
  readonly storeDir: StoreDir;
  /** Whether the receiver needs no NAR hash for a signed path. By default: when a signature has the form of one. */
  readonly signed?: (info: PathInfo) => boolean;
  /** For a receiver that has to know everything before it sees contents: every hash is sent. */
  readonly complete?: boolean;
}

export class PathInfoWriter {
  readonly #state: Prediction;
  readonly #options: PathInfoWriterOptions;

  constructor(base: BaseClosure, options: PathInfoWriterOptions) {
    this.#state = new Prediction(base);
    this.#options = options;
  }

  /**
   * Appends to columns ({@link infoColumns} of them; they may be taken away in between). References before referrers, or
   * they cost more. `bases` that the base closure does not have are left out.
   */
  write(info: PathInfo, bases: readonly StorePath[], out: ColumnWriter): void {
    const state = this.#state;
    const numbers = bases.map((path) => state.base.numberOf(path)).filter((number) => number >= 0);
    const base = numbers[0];
    let head = this.#writeBases(numbers, out) | this.#writeName(info.path, base, out);
    state.begin(info.path);
    head |= this.#writeReferences(info, base, out) | this.#writeSize(info, base, out);
    const provedByPath = !this.#options.complete && isRecomputable(this.#options.storeDir, info);
    head |= this.#writeHash(info, provedByPath, out) | state.keys.write(info.signatures, out);
    head |= state.addresses.write(addressOf(info, provedByPath), out) | this.#writeDeriver(info, out);
    out.varint(column.head, head);
    state.end(info.path, base);
  }

  #writeBases(numbers: readonly number[], out: ColumnWriter): number {
    const predicted = this.#state.predictedBase();
    if (numbers.length === predicted.length && numbers[0] === predicted[0]) return 0;
    out.varint(column.bases, numbers.length);
    let from = this.#state.nextBase;
    for (const number of numbers) {
      out.signed(column.bases, number - from);
      from = number;
    }
    return headBits.bases;
  }

  #writeName(path: StorePath, base: number | undefined, out: ColumnWriter): number {
    out.bytes(column.parts, decodeBase32(hashPart(path), hashPartBytes)!);
    const [name, predicted] = [pathName(path), this.#state.nameOf(base)];
    if (name === predicted) return 0;
    writeName(name, predicted, out);
    return headBits.name;
  }

  #writeReferences(info: PathInfo, base: number | undefined, out: ColumnWriter): number {
    const predicted = this.#state.references.predict(info.path, base);
    if (new Set(predicted).symmetricDifference(new Set(info.references)).size === 0) return 0;
    this.#state.references.write(info.references, predicted, out);
    return headBits.references;
  }

  #writeSize(info: PathInfo, base: number | undefined, out: ColumnWriter): number {
    const difference = info.narSize - this.#state.sizeOf(base);
    if (difference === 0) return 0;
    out.signed(column.sizes, difference);
    return headBits.size;
  }

  #writeHash(info: PathInfo, provedByPath: boolean, out: ColumnWriter): number {
    const { complete = false, signed: isSigned = hasEd25519 } = this.#options;
    const signed = !complete && isSigned(info);
    const hashed = !signed && !provedByPath;
    if (hashed) out.bytes(column.digests, info.narHash.bytes);
    const same = hashed === this.#state.hashed;
    this.#state.hashed = hashed;
    return same ? 0 : headBits.hashed;
  }

  #writeDeriver({ path, deriver }: PathInfo, out: ColumnWriter): number {
    const { derivers, numbers, base } = this.#state;
    if (deriver === undefined) return deriverIs.none;
    if (derivers.of(pathName(path)) === deriver) return deriverIs.known;
    if (numbers.isSent(deriver) || base.numberOf(deriver) >= 0) {
      numbers.write(deriver, column.kinds, out);
      return deriverIs.numbered;
    }
    const name = pathName(deriver);
    const { ofPath, ofPackage } = deriverNames(pathName(path));
    out.bytes(column.derivers, decodeBase32(hashPart(deriver), hashPartBytes)!);
    derivers.add(name, deriver);
    if (name === ofPath) return deriverIs.ofPath;
    if (name === ofPackage) return deriverIs.ofPackage;
    writeName(name, ofPath, out);
    return deriverIs.named;
  }
}

function hasEd25519({ signatures }: PathInfo): boolean {
  return signatures.some(isEd25519);
}

/** Whether the receiver finds the address from the content, and the path proves it. git's trees are too much to ask for. */
function isRecomputable(storeDir: StoreDir, info: PathInfo): boolean {
  return info.ca !== undefined && info.ca.method !== 'git' && isContentAddressed(storeDir, info);
}

function addressOf({ ca }: PathInfo, recomputable: boolean): SentAddress | undefined {
  return ca && { method: ca.method, algo: ca.hash.algo, digest: recomputable ? undefined : ca.hash.bytes };
}

export class PathInfoReader {
  readonly #state: Prediction;

  constructor(base: BaseClosure) {
    this.#state = new Prediction(base);
  }

  /** The next info. Throws `format`; what is allocated is bounded by what was read, and in references by a fixed limit. */
  read(input: ColumnReader): SentInfo {
    const state = this.#state;
    const head = input.varint(column.head);
    if (head >= headBits.address * 2) throw bad('head', `a number below ${headBits.address * 2}`, `${head}`);
    const bases = head & headBits.bases ? this.#readBases(input) : state.predictedBase();
    const base = bases[0];
    const part = input.bytes(column.parts, hashPartBytes);
    const path = pathFrom(part, head & headBits.name ? readName(state.nameOf(base), input) : state.nameOf(base));
    state.begin(path);
    const references = this.#readReferences(path, base, head, input);
    const narSize = state.sizeOf(base) + (head & headBits.size ? input.signed(column.sizes) : 0);
    if (narSize < 0) throw bad('size', 'at least 0', `${narSize}`);
    if (head & headBits.hashed) state.hashed = !state.hashed;
    const narHash: Hash | undefined = state.hashed
      ? { algo: 'sha256', bytes: Uint8Array.from(input.bytes(column.digests, 32)) }
      : undefined;
    const signatures = state.keys.read(head, input);
    const ca = state.addresses.read(head, input);
    const deriver = this.#readDeriver(path, head & 7, input);
    state.end(path, base);
    return { path, narHash, narSize, references, deriver, signatures, ca, bases };
  }

  #readBases(input: ColumnReader): number[] {
    const count = this.#state.base.infos.length;
    let from = this.#state.nextBase;
    return Array.from({ length: readCount(input, column.bases) }, () => {
      from += input.signed(column.bases);
      if (from < 0 || from >= count) throw bad('number of a base', `0 to ${count - 1}`, `${from}`);
      return from;
    });
  }

  #readReferences(path: StorePath, base: number | undefined, head: number, input: ColumnReader): StorePath[] {
    const { references } = this.#state;
    const predicted = references.predict(path, base);
    return references.read(predicted, head & headBits.references ? input : undefined);
  }

  #readDeriver(path: StorePath, kind: number, input: ColumnReader): StorePath | undefined {
    const { derivers, numbers } = this.#state;
    const name = pathName(path);
    if (kind === deriverIs.none) return undefined;
    if (kind === deriverIs.numbered) return numbers.read(column.kinds, input);
    if (kind === deriverIs.known) {
      const known = derivers.of(name);
      if (known === undefined) throw bad('deriver', `one that was told before for '${name}'`, 'none');
      return known;
    }
    const { ofPath, ofPackage } = deriverNames(name);
    const part = input.bytes(column.derivers, hashPartBytes);
    const deriver = pathFrom(part, this.#deriverName(kind, ofPath, ofPackage, input));
    derivers.add(pathName(deriver), deriver);
    return deriver;
  }

  #deriverName(kind: number, ofPath: string, ofPackage: string, input: ColumnReader): string {
    if (kind === deriverIs.ofPath) return ofPath;
    if (kind === deriverIs.ofPackage) return ofPackage;
    if (kind === deriverIs.named) return readName(ofPath, input);
    throw bad('kind of deriver', '0 to 5', `${kind}`);
  }
}
