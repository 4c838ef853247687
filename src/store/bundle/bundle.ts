// An opened bundle: its volumes, and what they say of themselves, checked as far as it can be without the contents.

import type { BaseClosure } from '../../delta/base-closure.ts';
import { formatError } from '../../errors.ts';
import { parseRealisation } from '../../format/realisation-json.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { Realisation } from '../../model/realisation.ts';
import type { TrustedKeys } from '../../model/signature.ts';
import type { StorePath } from '../../model/store-path.ts';
import type { Store } from '../store.ts';
import { completeInfo } from '../narrow/proof.ts';
import { Rebuilding } from '../narrow/rebuilding.ts';
import { Bases } from './bases.ts';
import type { StoreOpener } from './bases.ts';
import { placeSegments, readHead } from './body.ts';
import type { About, BundleHead, PlacedSegment } from './body.ts';
import { unpackDerivations } from './derivations.ts';
import type { BroughtDerivation } from './derivations.ts';
import { signedText } from './volume.ts';
import { VolumeSet } from './volume-set.ts';

/** Who vouches for the whole of a bundle, which makes no path acceptable. */
export interface BundleSignature {
  readonly name: string;
  readonly standing: 'trusted' | 'wrong' | 'unknown';
}

export interface BundleOptions {
  /** Where paths that are not in the bundle are looked for, in this order. */
  readonly bases?: readonly StoreOpener[];
  /** Opens the caches that the bundle names; without it they are not asked. */
  readonly openCache?: ((url: string) => Promise<Store>) | undefined;
  /** What it needs, for one that tells only the digest of that. */
  readonly needs?: BaseClosure | undefined;
  readonly signal?: AbortSignal | undefined;
}

export class Bundle implements AsyncDisposable {
  readonly volumes: VolumeSet;
  readonly about: About;
  /** What the paths that are brought need, by number. */
  readonly needs: BundleHead['needs'];
  /** Those that are brought, by number, references first: those of deltas, then {@link derivations}. */
  readonly infos: PathInfo[];
  readonly numbers: Map<StorePath, number> = new Map();
  readonly segments: readonly PlacedSegment[];
  readonly bases: Bases;
  readonly rebuilding: Rebuilding;
  /** Of the paths that are brought. */
  readonly realisations: readonly Realisation[];
  /** How many paths are in deltas. */
  readonly deltaCount: number;
  /** Those after them. */
  #derivations: readonly BroughtDerivation[] = [];

  private constructor(
    volumes: VolumeSet,
    head: BundleHead & { readonly end: number },
    { bases = [], openCache, signal }: BundleOptions,
  ) {
    this.volumes = volumes;
    this.about = head.about;
    this.needs = head.needs;
    const caches = openCache ? (head.about.substitutable ?? []).map(({ url }) => url) : [];
    const opened = caches.map((url) => ({ url, open: () => openCache!(url) }));
    this.bases = new Bases(bases, head.about.storeDir, { caches: opened, signal });
    const { bases: store, needs: base } = this;
    this.rebuilding = new Rebuilding({ store, base, known: store.known, infos: head.infos, signal });
    const { list } = this.rebuilding.fresh;
    this.segments = placeSegments(volumes, head.end, list.length);
    this.deltaCount = list.length;
    const told = head.about.realisations ?? [];
    this.realisations = told.map((text) => parseRealisation(text, undefined, { source: volumes.name }));
    this.infos = list.map((sent) => {
      const info = completeInfo(sent);
      if (info) return info;
      throw formatError(`${sent.path} has no NAR hash`, { source: volumes.name });
    });
  }

  /** Throws `format`, `integrity`, `io`, and `missing` when volumes are not there. */
  static async open(files: readonly string[], options: BundleOptions = {}): Promise<Bundle> {
    await using stack = new AsyncDisposableStack();
    const volumes = stack.use(await VolumeSet.open(files));
    const head = await readHead(volumes, options.needs);
    const bundle = new Bundle(volumes, head, options);
    await bundle.#learnDerivations(head);
    bundle.#expectWhole();
    stack.move();
    return bundle;
  }

  /** The text of a path that is in no delta. */
  textOf(number: number): Uint8Array {
    return this.#derivations[number - this.deltaCount]!.text;
  }

  /** Paths that `number` is a delta against. */
  basesOf(number: number): StorePath[] {
    const { bases } = this.rebuilding.fresh.list[number] ?? { bases: [] };
    return bases.map((base) => this.needs.infos[base]!.path);
  }

  /** Needed paths that are to be fetched where they are not there, and from which cache. */
  get substitutable(): Map<StorePath, string> {
    const { substitutable = [] } = this.about;
    return new Map(
      substitutable.flatMap(({ url, needs }) => needs.map((number) => [this.needs.infos[number]!.path, url])),
    );
  }

  /** Bytes of all NARs. */
  get narSize(): number {
    return this.infos.reduce((sum, { narSize }) => sum + narSize, 0);
  }

  /** Those who signed all volumes. */
  signatures(keys: TrustedKeys): BundleSignature[] {
    const known = new Set(keys.names());
    const names = new Set(this.volumes.volumes.flatMap(({ signatures }) => signatures.map(signer)));
    return [...names].map((name): BundleSignature => {
      const all = this.volumes.volumes.every(({ digest, signatures }) =>
        signatures.some((one) => signer(one) === name && keys.verifies(signedText(digest), one)),
      );
      return { name, standing: all ? 'trusted' : known.has(name) ? 'wrong' : 'unknown' };
    });
  }

  async #learnDerivations({ derivations }: BundleHead): Promise<void> {
    const before = [...this.needs.infos, ...this.infos].map(({ path }) => path);
    this.#derivations = await unpackDerivations(derivations, this.about.storeDir, before);
    this.infos.push(...this.#derivations.map(({ info }) => info));
    for (const [number, { path }] of this.infos.entries()) this.numbers.set(path, number);
  }

  /** Every path once, each reference known before it, each root there or needed. */
  #expectWhole(): void {
    const source = this.volumes.name;
    const known = new Set(this.needs.infos.map(({ path }) => path));
    for (const { path, references } of this.infos) {
      const unknown = references.find((reference) => reference !== path && !known.has(reference));
      if (unknown !== undefined)
        throw formatError(`${path} refers to ${unknown}, which is neither before it nor needed`, { source });
      if (known.has(path)) throw formatError(`${path} is there twice`, { source });
      known.add(path);
    }
    const count = this.needs.infos.length;
    for (const number of (this.about.substitutable ?? []).flatMap(({ needs }) => needs))
      if (number < 0 || number >= count)
        throw formatError(
          'a path to be fetched that is not needed',
          { source },
          { expected: `one of ${count}`, got: `${number}` },
        );
    for (const root of this.about.roots)
      if (!known.has(root)) throw formatError(`the root ${root} is neither brought nor needed`, { source });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bases[Symbol.asyncDispose]();
    await this.volumes[Symbol.asyncDispose]();
  }
}

function signer(signature: string): string {
  return signature.slice(0, Math.max(signature.indexOf(':'), 0));
}
