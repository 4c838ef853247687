// Writes the NAR file of one path: encoded here from a plain NAR that is checked on its way, or passed through untouched as
// another cache stores it. The name is the hash of the file, so it is staged and named at the end.

import { createHash } from 'node:crypto';
import type { Hash as Hasher } from 'node:crypto';
import { Channel } from '../../bytes/channel.ts';
import type { ByteSource } from '../../bytes/source.ts';
import { NarrowError } from '../../errors.ts';
import { canDecode, compressionSuffix, decodableEncodings, encode } from '../../format/compression.ts';
import { ListingBuilder } from '../../format/nar/listing.ts';
import type { Listing } from '../../format/nar/listing.ts';
import { encodeHash, equalHash, formatHash } from '../../model/hash.ts';
import type { Hash } from '../../model/hash.ts';
import type { NarFile } from '../../model/path-info.ts';
import { takeNar } from '../intake.ts';
import type { Intake } from '../intake.ts';
import type { Item, OpenNar } from '../store.ts';
import type { CacheFiles, CommitOptions, FileOptions, StagedFile } from './files.ts';
import { mediaTypes } from './files.ts';
import type { CacheParams } from './params.ts';
import { defaultCompression } from './params.ts';
import type { NarReplacer } from './replacing.ts';
import type { Slots } from './slots.ts';

export interface WriteNarOptions extends FileOptions {
  readonly params: CacheParams;
  /** Threads for this one NAR. */
  readonly threads: number;
  /** How many streams of this encoding are written at once. */
  readonly encoders: (encoding: string) => Slots;
  readonly onBytes?: ((bytes: number) => void) | undefined;
  /** A file of that name and size may be damaged: it is written again, by this. */
  readonly replacer?: NarReplacer | undefined;
}

export interface WrittenNar {
  readonly file: NarFile & { readonly size: number };
  /** Bytes that were written: none when the very file was there. */
  readonly bytes: number;
  /** Where it was asked for. */
  readonly listing: Listing | undefined;
}

/** Throws what {@link takeNar} throws, `integrity` for a file that is not what its narinfo said, `io`, `unavailable`. */
export async function writeNar(files: CacheFiles, item: Item, options: WriteNarOptions): Promise<WrittenNar> {
  const { params, signal } = options;
  const { compression } = params;
  const nar = await item.open({ encodings: compression === undefined ? decodableEncodings : [compression], signal });
  const listing = params.writeListing || params.indexDebugInfo ? new ListingBuilder() : undefined;
  await using staged = new HashedStage(await files.stage({ signal }));
  const encoding = await fill(staged, item, nar, listing, options);
  const file = staged.file(encoding);
  const written = await name(files, item, staged, file, options);
  return { file, bytes: written ? file.size : 0, listing: listing?.root };
}

/** Gives it its name; false when the very file is there. */
async function name(
  files: CacheFiles,
  item: Item,
  staged: HashedStage,
  file: NarFile,
  options: WriteNarOptions,
): Promise<boolean> {
  const { replacer, signal } = options;
  if (replacer) return replacer.replace(item, file.url, (how) => staged.commit(file.url, { ...how, signal }));
  if (await isThere(files, file, options)) return false;
  await staged.commit(file.url, { signal });
  return true;
}

async function isThere(files: CacheFiles, file: NarFile, options: FileOptions): Promise<boolean> {
  if ((file.size ?? 0) < (files.askFrom ?? 0)) return false;
  const there = await files.stat(file.url, options);
  return there !== undefined && (there.size === undefined || there.size === file.size);
}

/** Streams the NAR into the staged file, in the encoding that is returned. */
async function fill(
  staged: HashedStage,
  item: Item,
  nar: OpenNar,
  listing: ListingBuilder | undefined,
  options: WriteNarOptions,
): Promise<string> {
  const untouched = nar.encoding !== 'none' || item.info.file?.compression === 'none';
  const target = options.params.compression ?? (untouched ? nar.encoding : defaultCompression);
  if (target !== nar.encoding)
    await options.encoders(target).run(() => recode(staged, item, nar, target, listing, options));
  else if (nar.hash && nar.encoding !== 'none' && !listing) await passThrough(staged, item, nar, options);
  else await passVerified(staged, item, nar, listing, options);
  return target;
}

/** The file's own hash vouches for it: nothing is decoded. */
async function passThrough(staged: HashedStage, item: Item, nar: OpenNar, options: WriteNarOptions): Promise<void> {
  const limit = nar.size ?? Infinity;
  for await (const chunk of nar.bytes) {
    options.signal?.throwIfAborted();
    options.onBytes?.(chunk.length);
    if (staged.size + chunk.length > limit) throw notTheFile(item, `${limit} bytes`, 'more');
    await staged.write(chunk);
  }
  const [expected, got] = [nar.hash!, staged.hash(nar.hash!.algo)];
  if (staged.size < limit && limit !== Infinity) throw notTheFile(item, `${limit} bytes`, `${staged.size}`);
  if (!equalHash(expected, got)) throw notTheFile(item, formatHash(expected), formatHash(got));
}

function notTheFile(item: Item, expected: string, got: string): NarrowError {
  return new NarrowError(
    'integrity',
    `the file ${item.info.file?.url ?? ''} of ${item.info.path} is not what its narinfo says: expected ${expected}, got ${got}`,
    {
      hint: 'the source is damaged or lies; take this path from another one',
      data: { path: item.info.path, expected, got },
    },
  );
}

/** Kept as it is, and decoded beside that: no hash of the file is known, or its contents are to be listed. */
async function passVerified(
  staged: HashedStage,
  item: Item,
  nar: OpenNar,
  listing: ListingBuilder | undefined,
  options: WriteNarOptions,
): Promise<void> {
  if (!canDecode(nar.encoding)) throw new NarrowError('unsupported', `cannot verify compression '${nar.encoding}'`);
  const tapped = (async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of nar.bytes) {
      await staged.write(chunk);
      yield chunk;
    }
  })();
  await take(item, { ...nar, bytes: tapped }, listing, options);
}

async function recode(
  staged: HashedStage,
  item: Item,
  nar: OpenNar,
  target: string,
  listing: ListingBuilder | undefined,
  options: WriteNarOptions,
): Promise<void> {
  const plain = new Channel();
  const { params, threads, signal } = options;
  const encoded = encode(target, plain, { level: params.level, threads, signal, size: item.info.narSize });
  const taken = take(item, nar, listing, options, (chunk) => plain.push(chunk)).then(
    () => plain.end(),
    (error: unknown) => {
      plain.end(error as Error);
      throw error;
    },
  );
  const written = drain(encoded, staged).catch((error: unknown) => {
    plain.leave();
    throw error;
  });
  // both must be over before the staged file is; where both fail, the reason is the side that did not merely stop
  const [intake, output] = await Promise.allSettled([taken, written]);
  if (output.status === 'rejected') throw output.reason;
  if (intake.status === 'rejected') throw intake.reason;
}

async function drain(source: ByteSource, staged: HashedStage): Promise<void> {
  for await (const chunk of source) await staged.write(chunk);
}

function take(
  item: Item,
  nar: OpenNar,
  visitor: ListingBuilder | undefined,
  { onBytes, signal }: WriteNarOptions,
  onChunk?: (chunk: Uint8Array) => Promise<void>,
): Promise<Intake> {
  const opened: Item = { info: item.info, open: () => Promise.resolve(nar) };
  return takeNar(opened, { visitor, onBytes, onChunk, signal });
}

/** A staged file that knows its SHA-256. */
class HashedStage implements AsyncDisposable {
  readonly #staged: StagedFile;
  readonly #hasher: Hasher = createHash('sha256');
  #digest: Buffer | undefined;
  size = 0;

  constructor(staged: StagedFile) {
    this.#staged = staged;
  }

  async write(chunk: Uint8Array): Promise<void> {
    const written = this.#staged.write(chunk);
    this.#hasher.update(chunk);
    this.size += chunk.length;
    await written;
  }

  hash(algo: Hash['algo'] = 'sha256'): Hash {
    this.#digest ??= this.#hasher.digest();
    if (algo !== 'sha256') throw new NarrowError('unsupported', `a FileHash of ${algo}: only sha256 is checked`);
    return { algo, bytes: this.#digest };
  }

  file(encoding: string): NarFile & { readonly size: number } {
    const hash = this.hash();
    const url = `nar/${encodeHash(hash, 'base32')}.nar${compressionSuffix(encoding)}`;
    return { url, compression: encoding, hash, size: this.size };
  }

  commit(reference: string, options: CommitOptions): Promise<void> {
    return this.#staged.commit(reference, mediaTypes.nar, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#staged[Symbol.asyncDispose]();
  }
}
