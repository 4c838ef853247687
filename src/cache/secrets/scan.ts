// Looks for secrets in paths before they leave: what is pushed to a cache lies on its disk in the clear, for everybody who can
// read it. Every file of a path is read once, as it streams by in the NAR.

import { displayBytes } from '../../bytes/byte-string.ts';
import type { ByteString } from '../../bytes/byte-string.ts';
import { decodableEncodings, decode } from '../../format/compression.ts';
import { NarParser } from '../../format/nar/parser.ts';
import type { NarVisitor } from '../../format/nar/tree.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { StorePath } from '../../model/store-path.ts';
import type { Store } from '../../store/store.ts';
import { isBareKey } from './patterns.ts';
import type { SecretPattern } from './patterns.ts';

export interface FoundSecret {
  readonly path: StorePath;
  /** Within the path, without a slash in front; empty where the path itself is the file. */
  readonly file: string;
  readonly kind: string;
  /** Byte of the file at which it begins. */
  readonly offset: number;
}

/** Bytes before a match that may lie in the chunk before, and longest match. */
const overlap = 4096;
/** Findings of one path: more say nothing new. */
const mostOfPath = 20;
/** A bare key with its line feed. */
const bareKeySize = 46;

/** All secrets in the path's files, at most twenty. Throws what reading it throws. */
export async function scanPath(
  source: Store,
  info: PathInfo,
  patterns: readonly SecretPattern[],
  signal?: AbortSignal,
): Promise<FoundSecret[]> {
  const scanner = new Scanner(info.path, patterns);
  const nar = await source.open(info, { encodings: decodableEncodings, signal });
  const parser = new NarParser(scanner, info.path);
  for await (const chunk of decode(nar.encoding, nar.bytes, { signal, source: info.path })) {
    signal?.throwIfAborted();
    parser.push(chunk);
  }
  parser.end();
  return scanner.found;
}

interface Prepared extends SecretPattern {
  readonly bytes: readonly Buffer[] | undefined;
}

/** Sees the files of a NAR. */
export class Scanner implements NarVisitor {
  readonly found: FoundSecret[] = [];
  readonly #path: StorePath;
  readonly #patterns: readonly Prepared[];
  readonly #directories: string[] = [];
  #name = '';
  #size = 0;
  /** Bytes of the present file before {@link #tail} ends. */
  #position = 0;
  #tail: Buffer = Buffer.alloc(0);
  #kinds = new Set<string>();

  constructor(path: StorePath, patterns: readonly SecretPattern[]) {
    this.#path = path;
    this.#patterns = patterns.map((one) => ({ ...one, bytes: one.literals?.map((text) => Buffer.from(text)) }));
  }

  directory(name: ByteString): void {
    this.#directories.push(displayBytes(name));
  }

  leave(): void {
    this.#directories.pop();
  }

  regular(name: ByteString, _executable: boolean, size: number): void {
    this.#name = displayBytes(name);
    this.#size = size;
    this.#position = 0;
    this.#tail = Buffer.alloc(0);
    this.#kinds = new Set();
  }

  contents(chunk: Uint8Array): void {
    const bytes =
      this.#tail.length === 0
        ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
        : Buffer.concat([this.#tail, chunk]);
    const start = this.#position - this.#tail.length;
    if (
      this.#size <= bareKeySize &&
      bytes.length === this.#size &&
      isBareKey(bytes.toString('latin1'), `${this.#name}${this.#path}`)
    )
      this.#add('key of WireGuard', 0);
    for (const pattern of this.#patterns) this.#look(pattern, bytes, start);
    this.#position += chunk.length;
    // the chunk is lent
    this.#tail =
      this.#position < this.#size ? Buffer.from(bytes.subarray(Math.max(0, bytes.length - overlap))) : Buffer.alloc(0);
  }

  closeRegular(): void {}
  symlink(): void {}

  #look(pattern: Prepared, bytes: Buffer, start: number): void {
    if (this.#kinds.has(pattern.kind) || (pattern.maxFile !== undefined && this.#size > pattern.maxFile)) return;
    if (!pattern.bytes) return this.#match(pattern, bytes.toString('latin1'), start);
    for (const literal of pattern.bytes) {
      for (let at = bytes.indexOf(literal); at >= 0; at = bytes.indexOf(literal, at + overlap)) {
        const from = Math.max(0, at - overlap);
        this.#match(pattern, bytes.toString('latin1', from, at + 2 * overlap), start + from);
        if (this.#kinds.has(pattern.kind)) return;
      }
    }
  }

  #match({ kind, pattern, confirm }: SecretPattern, text: string, start: number): void {
    for (const match of text.matchAll(new RegExp(pattern, `${pattern.flags.replace('g', '')}g`))) {
      if (confirm && !confirm(match[0])) continue;
      this.#add(kind, start + match.index);
      return;
    }
  }

  #add(kind: string, offset: number): void {
    this.#kinds.add(kind);
    if (this.found.length >= mostOfPath) return;
    const file = [...this.#directories.slice(1), this.#name].filter((part) => part !== '').join('/');
    this.found.push({ path: this.#path, file, kind, offset });
  }
}
