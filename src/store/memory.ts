// A store in memory: for tests, and the shortest example of the interface.

import { bytesOf } from '../bytes/source.ts';
import { NarrowError } from '../errors.ts';
import { MemorySink, memoryTree } from '../format/nar/memory-tree.ts';
import type { MemoryNode } from '../format/nar/memory-tree.ts';
import type { FileTree } from '../format/nar/tree.ts';
import { equalHash } from '../model/hash.ts';
import type { Hash } from '../model/hash.ts';
import type { PathInfo } from '../model/path-info.ts';
import { isContentAddressed, sortedUnique } from '../model/path-info.ts';
import { realisationId } from '../model/realisation.ts';
import type { Realisation } from '../model/realisation.ts';
import type { TrustedKeys } from '../model/signature.ts';
import { defaultStoreDir, hashPart } from '../model/store-path.ts';
import type { StoreDir, StorePath } from '../model/store-path.ts';
import { verdictOnKnown } from './verdict.ts';
import { takeNar } from './intake.ts';
import type { Abilities, AddOptions, Item, OpenNar, OpenOptions, Outcome, Verdict, WritableStore } from './store.ts';

export interface MemoryStoreOptions {
  readonly storeDir?: StoreDir;
  /** Refuse paths that none of these keys signed; without it nothing is asked for. */
  readonly trustedKeys?: TrustedKeys | undefined;
}

/** An empty store in memory. */
export function memoryStore(options: MemoryStoreOptions = {}): WritableStore {
  return new MemoryStore(options);
}

interface Entry {
  readonly info: PathInfo;
  readonly nar: Buffer;
  readonly root: MemoryNode;
}

class MemoryStore implements WritableStore {
  readonly url = 'memory:';
  readonly storeDir: StoreDir;
  readonly abilities: Abilities = { ranges: true, encodings: false, trusted: false, nearby: true, priority: 0 };
  readonly #trustedKeys: TrustedKeys | undefined;
  readonly #entries = new Map<StorePath, Entry>();
  readonly #realisations = new Map<string, Realisation>();

  constructor({ storeDir = defaultStoreDir, trustedKeys }: MemoryStoreOptions) {
    this.storeDir = storeDir;
    this.#trustedKeys = trustedKeys;
  }

  pathInfos(paths: Iterable<StorePath>): Promise<Map<StorePath, PathInfo>> {
    const found = [...paths].flatMap((path): [StorePath, PathInfo][] => {
      const entry = this.#entries.get(path);
      return entry ? [[path, entry.info]] : [];
    });
    return Promise.resolve(new Map(found));
  }

  pathByHashPart(part: string): Promise<StorePath | undefined> {
    return Promise.resolve([...this.#entries.keys()].find((path) => hashPart(path) === part));
  }

  open(info: PathInfo, { offset = 0 }: OpenOptions = {}): Promise<OpenNar> {
    return this.#entry(info.path).then(({ nar }) => ({
      encoding: 'none',
      size: nar.length,
      hash: info.narHash,
      bytes: bytesOf(nar.subarray(offset)),
    }));
  }

  async tree(info: PathInfo): Promise<FileTree> {
    return memoryTree((await this.#entry(info.path)).root);
  }

  hold(): Promise<AsyncDisposable> {
    return Promise.resolve({ [Symbol.asyncDispose]: () => Promise.resolve() });
  }

  realisations(paths: readonly PathInfo[]): Promise<Realisation[]> {
    const wanted = new Set(paths.map((info) => info.path));
    return Promise.resolve([...this.#realisations.values()].filter((r) => wanted.has(r.outPath)));
  }

  check(infos: readonly PathInfo[], options: AddOptions = {}): Promise<Map<StorePath, Verdict>> {
    return Promise.resolve(new Map(infos.map((info) => [info.path, this.#verdict(info, options)])));
  }

  async *add(items: AsyncIterable<Item>, options: AddOptions = {}): AsyncGenerator<Outcome, void, undefined> {
    for await (const item of items) yield await this.#addOne(item, options);
  }

  async addSignatures(path: StorePath, narHash: Hash, signatures: readonly string[]): Promise<void> {
    const entry = await this.#entry(path);
    if (!equalHash(entry.info.narHash, narHash)) throw new NarrowError('differs', `${path} has other contents`);
    const info = { ...entry.info, signatures: sortedUnique([...entry.info.signatures, ...signatures]) };
    this.#entries.set(path, { ...entry, info });
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async #addOne(item: Item, options: AddOptions): Promise<Outcome> {
    const { path } = item.info;
    try {
      const verdict = this.#verdict(item.info, options);
      if (verdict.status === 'differs' || verdict.status === 'refused') {
        throw new NarrowError(verdict.status, `${path}: ${verdict.why}`);
      }
      if (verdict.status === 'missing' || options.repair === true)
        this.#entries.set(path, await this.#take(item, options));
      for (const realisation of item.realisations ?? [])
        this.#realisations.set(realisationId(realisation), realisation);
      if (verdict.status === 'valid') return { status: 'valid', path, bytes: 0 };
      return { status: 'added', path, bytes: item.info.narSize };
    } catch (cause) {
      options.signal?.throwIfAborted();
      const error = cause as Error;
      const code = error instanceof NarrowError ? error.code : 'failed';
      return { status: code === 'differs' || code === 'refused' ? code : 'failed', path, bytes: 0, error };
    }
  }

  async #take(item: Item, { signal, onBytes }: AddOptions): Promise<Entry> {
    const { file, registrationTime, ultimate, ...info } = item.info;
    const absent = info.references.find((reference) => reference !== info.path && !this.#entries.has(reference));
    if (absent !== undefined) throw new NarrowError('refused', `${info.path} refers to ${absent}, which is not here`);
    const sink = new MemorySink();
    const chunks: Buffer[] = [];
    await takeNar(item, {
      visitor: sink,
      onChunk: (chunk) => void chunks.push(Buffer.from(chunk)),
      onBytes: onBytes && ((bytes) => onBytes(info.path, bytes)),
      signal,
    });
    return { info, nar: Buffer.concat(chunks), root: sink.root! };
  }

  #verdict(info: PathInfo, { checkSignatures = true }: AddOptions): Verdict {
    const there = this.#entries.get(info.path);
    if (there) return verdictOnKnown(there.info, info);
    if (!checkSignatures || !this.#trustedKeys || isContentAddressed(this.storeDir, info)) return { status: 'missing' };
    if (this.#trustedKeys.validSignatures(this.storeDir, info).length > 0) return { status: 'missing' };
    return { status: 'refused', why: 'no trusted key signed it' };
  }

  async #entry(path: StorePath): Promise<Entry> {
    const entry = this.#entries.get(path);
    if (!entry) throw new NarrowError('missing', `${path} is not in memory`, { data: { path } });
    return entry;
  }
}
