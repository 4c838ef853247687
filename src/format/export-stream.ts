// Export streams (`nix-store --export`, serve commands 4 and 5): NARs one after the other, each followed by what its store
// path refers to.
//
//   stream = { u64 1, object } u64 0
//   object = NAR, u64 "NIXE", path, n, n × reference, deriver or "", u64 0 | (u64 1, legacy signature)
//
// Everything is read as it streams past: stock Nix buffers each object whole, since the path comes after the NAR.

import { byteStringOf, compareBytes } from '../bytes/byte-string.ts';
import type { ByteString } from '../bytes/byte-string.ts';
import { ByteReader } from '../bytes/reader.ts';
import type { ByteSource } from '../bytes/source.ts';
import { ByteWriter } from '../bytes/writer.ts';
import { NarrowError, formatError, isNarrowError } from '../errors.ts';
import { parseStorePath, printStorePath } from '../model/store-path.ts';
import type { StoreDir, StorePath } from '../model/store-path.ts';
import { NarParser } from './nar/parser.ts';
import { noVisitor } from './nar/tree.ts';
import type { NarVisitor } from './nar/tree.ts';

/** "NIXE", after each NAR. */
const MAGIC = 0x4558494e;
/** The longest string of a trailer: a full path; a legacy signature (an s-expression in Guix's case). */
const PATH_LIMIT = 4096;
const SIGNATURE_LIMIT = 1 << 20;

/** What stands after an object's NAR. */
export interface ExportInfo {
  readonly path: StorePath;
  /** Sorted, unique; as the sender says. */
  readonly references: readonly StorePath[];
  readonly deriver?: StorePath | undefined;
  /** In the slot for signatures of Nix 1.x, which readers ignore. */
  readonly legacySignature?: ByteString | undefined;
}

/** One object of a stream that is being read, valid until the next is asked for. */
export interface ExportedObject {
  /** Where the object begins in the stream, in bytes. */
  readonly offset: number;
  /** The NAR, checked as it passes, and told to `visitor` if there is one. Once only; what is left unread is skipped. */
  nar(visitor?: NarVisitor): ByteSource;
  /** What follows the NAR, once that was read. Skips what was not. */
  info(): Promise<ExportInfo>;
}

export interface ReadExportOptions {
  readonly storeDir: StoreDir;
  /** What the input is called in errors. */
  readonly name?: string | undefined;
}

/** The objects of a stream in order. Stops behind the final 0 and reads nothing more, as Nix does. */
export async function* readExport(
  source: ByteSource | ByteReader,
  { storeDir, name }: ReadExportOptions,
): AsyncGenerator<ExportedObject, void, undefined> {
  const reader = source instanceof ByteReader ? source : new ByteReader(source, name);
  try {
    for (;;) {
      const offset = reader.position;
      const tag = await reader.u64('the number before an object');
      if (tag === 0) return;
      if (tag !== 1) {
        throw formatError(
          'bad export stream',
          { source: reader.name, offset },
          {
            expected: '1 (an object follows) or 0 (the end)',
            got: String(tag),
          },
        );
      }
      const object = new ObjectReader(reader, storeDir);
      yield object;
      await object.info();
    }
  } finally {
    if (reader !== source) await reader[Symbol.asyncDispose]();
  }
}

class ObjectReader implements ExportedObject {
  readonly offset: number;
  readonly #reader: ByteReader;
  readonly #storeDir: StoreDir;
  #parser: NarParser | undefined;
  #info: Promise<ExportInfo> | undefined;

  constructor(reader: ByteReader, storeDir: StoreDir) {
    this.offset = reader.position;
    this.#reader = reader;
    this.#storeDir = storeDir;
  }

  nar(visitor: NarVisitor = noVisitor): ByteSource {
    if (this.#parser !== undefined) throw new Error('the NAR of an exported object can be read only once');
    return this.#rest((this.#parser = new NarParser(visitor, this.#reader.name, this.offset)));
  }

  info(): Promise<ExportInfo> {
    return (this.#info ??= this.#readInfo());
  }

  async *#rest(parser: NarParser): AsyncGenerator<Uint8Array, void, undefined> {
    while (!parser.done) {
      const chunk = await this.#reader.peek();
      if (chunk === undefined) return parser.end();
      const size = parser.push(chunk);
      this.#reader.consume(size);
      yield size === chunk.length ? chunk : chunk.subarray(0, size);
    }
  }

  async #readInfo(): Promise<ExportInfo> {
    this.#parser ??= new NarParser(noVisitor, this.#reader.name, this.offset);
    for await (const _ of this.#rest(this.#parser));
    const reader = this.#reader;
    await this.#expectMagic();
    const path = await this.#path('the path of an exported object');
    const references = new Set<StorePath>();
    // The count is a claim: nothing is allocated for it, and each reference that is there has to be a store path.
    for (let left = await reader.u64('the number of references'); left > 0; left--) {
      references.add(await this.#path('a reference'));
    }
    const deriver = await this.#deriver();
    const legacySignature = await this.#signature();
    return { path, references: [...references].sort(compareBytes), deriver, legacySignature };
  }

  async #expectMagic(): Promise<void> {
    const offset = this.#reader.position;
    const magic = await this.#reader.u64('the magic number after a NAR');
    // Read as a 32-bit number by Nix, but never written with more.
    if (magic === MAGIC) return;
    throw formatError(
      'bad export stream',
      { source: this.#reader.name, offset },
      {
        expected: '"NIXE" after the NAR',
        got: `0x${magic.toString(16)}`,
      },
    );
  }

  async #path(what: string): Promise<StorePath> {
    const offset = this.#reader.position;
    return this.#parsePath(await this.#reader.string(PATH_LIMIT, what), what, offset);
  }

  #parsePath(text: string, what: string, offset: number): StorePath {
    try {
      return parseStorePath(this.#storeDir, text);
    } catch (error) {
      if (!isNarrowError(error)) throw error;
      const expected = `a store path in ${this.#storeDir}`;
      throw formatError(
        `${what} is bad`,
        { source: this.#reader.name, offset },
        { expected, got: error.message, cause: error },
      );
    }
  }

  async #deriver(): Promise<StorePath | undefined> {
    const offset = this.#reader.position;
    const text = await this.#reader.string(PATH_LIMIT, 'the deriver');
    return text === '' ? undefined : this.#parsePath(text, 'the deriver', offset);
  }

  async #signature(): Promise<ByteString | undefined> {
    const offset = this.#reader.position;
    const present = await this.#reader.u64('the mark of a legacy signature');
    if (present === 0) return undefined;
    if (present === 1) return this.#reader.string(SIGNATURE_LIMIT, 'a legacy signature');
    throw formatError(
      'bad export stream',
      { source: this.#reader.name, offset },
      {
        expected: '0, or 1 before a legacy signature',
        got: String(present),
      },
    );
  }
}

/** One object to write: its info, and its NAR, opened when its turn comes. */
export interface ExportItem {
  readonly info: ExportInfo;
  /** Verified by whoever supplies it: a stream cannot be taken back. */
  nar(): ByteSource | Promise<ByteSource>;
}

/** Writes a stream of `items`, which must come references first: readers rely on it. Chunks are borrowed. */
export async function* writeExport(
  items: AsyncIterable<ExportItem> | Iterable<ExportItem>,
  storeDir: StoreDir,
): AsyncGenerator<Uint8Array, void, undefined> {
  const writer = new ByteWriter();
  for await (const item of items) {
    yield writer.u64(1).take();
    yield* exportObject(await item.nar(), item.info, storeDir);
  }
  yield writer.u64(0).take();
}

/** One object, without the number before it. */
async function* exportObject(
  nar: ByteSource,
  info: ExportInfo,
  storeDir: StoreDir,
): AsyncGenerator<Uint8Array, void, undefined> {
  // A NAR that is cut short, or followed by something, would make every later object unreadable.
  const parser = new NarParser(noVisitor, printStorePath(storeDir, info.path));
  for await (const chunk of nar) {
    if (parser.push(chunk) < chunk.length) {
      throw new NarrowError('format', `bytes after the end of the NAR of ${printStorePath(storeDir, info.path)}`);
    }
    yield chunk;
  }
  parser.end();
  yield formatTrailer(info, storeDir);
}

function formatTrailer(info: ExportInfo, storeDir: StoreDir): Buffer {
  const full = (path: StorePath): ByteString => byteStringOf(printStorePath(storeDir, path));
  const writer = new ByteWriter(1024).u64(MAGIC).string(full(info.path));
  writer.strings([...new Set(info.references)].sort(compareBytes).map(full));
  writer.string(info.deriver === undefined ? byteStringOf('') : full(info.deriver));
  if (info.legacySignature === undefined) return writer.u64(0).take();
  return writer.u64(1).string(info.legacySignature).take();
}
