// The first pass of an import: which paths a stream holds, where, and their hashes. Nothing is kept but that.

import { createHash } from 'node:crypto';
import type { Hash as Hasher } from 'node:crypto';
import { ByteReader } from '../bytes/reader.ts';
import type { ByteSource } from '../bytes/source.ts';
import { formatError } from '../errors.ts';
import { readExport } from '../format/export-stream.ts';
import type { ExportInfo } from '../format/export-stream.ts';
import { NarParser } from '../format/nar/parser.ts';
import type { NarVisitor } from '../format/nar/tree.ts';
import type { StoreDir } from '../model/store-path.ts';
import type { FileEntry } from './export-file.ts';

/** An object that was found; its info has neither content address nor signatures yet. */
export interface ScannedObject extends FileEntry {
  /** SHA-256 of the contents, where the object is a single file. */
  readonly fileDigest: Uint8Array | undefined;
}

export interface ScanOptions {
  readonly storeDir: StoreDir;
  /** What the input is called in errors. */
  readonly name: string;
  /** Sees every chunk of the NARs (borrowed). */
  readonly onNar?: ((chunk: Uint8Array) => Promise<void>) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads an export stream to its end, object by object, and the input to its end, too: two streams in one file would else be
 * one that is imported and one that is not. Throws `format` with the byte offset.
 */
export async function* scanExport(
  source: ByteSource,
  options: ScanOptions,
): AsyncGenerator<ScannedObject, void, undefined> {
  await using reader = new ByteReader(source, options.name);
  for await (const object of readExport(reader, options)) {
    const digest = new NarDigest();
    for await (const chunk of object.nar(digest)) await take(digest, chunk, options);
    yield digest.scanned(await object.info(), object.offset);
  }
  await reader.expectEnd('the export stream');
}

/** Reads a NAR that is all there is; `info` says what streams say of theirs. Throws `format` with the byte offset. */
export async function scanNar(source: ByteSource, info: ExportInfo, options: ScanOptions): Promise<ScannedObject> {
  const digest = new NarDigest();
  const parser = new NarParser(digest, options.name);
  for await (const chunk of source) {
    const used = parser.push(chunk);
    await take(digest, chunk.subarray(0, used), options);
    if (used === chunk.length) continue;
    throw formatError(
      'bytes after the end of the NAR',
      { source: options.name, offset: parser.position },
      { expected: 'the end of the input' },
    );
  }
  parser.end();
  return digest.scanned(info, 0);
}

async function take(digest: NarDigest, chunk: Uint8Array, { onNar, signal }: ScanOptions): Promise<void> {
  signal?.throwIfAborted();
  digest.update(chunk);
  if (onNar) await onNar(chunk);
}

/** Hashes a NAR, and the file in it where it is only one. */
class NarDigest implements NarVisitor {
  readonly #nar: Hasher = createHash('sha256');
  #size = 0;
  #file: Hasher | undefined;
  #depth = 0;

  update(chunk: Uint8Array): void {
    this.#nar.update(chunk);
    this.#size += chunk.length;
  }

  scanned(info: ExportInfo, offset: number): ScannedObject {
    const { path, references, deriver } = info;
    const narHash = { algo: 'sha256', bytes: this.#nar.digest() } as const;
    return {
      info: { path, narHash, narSize: this.#size, references, deriver, signatures: [] },
      offset,
      fileDigest: this.#file?.digest(),
    };
  }

  directory(): void {
    this.#depth++;
  }

  leave(): void {
    this.#depth--;
  }

  regular(): void {
    if (this.#depth === 0) this.#file = createHash('sha256');
  }

  contents(chunk: Uint8Array): void {
    this.#file?.update(chunk);
  }

  closeRegular(): void {}
  symlink(): void {}
}
