// What a way of packing is to the rest.

export type MemberKind = 'gzip' | 'xz' | 'zstd';

export interface Proof {
  readonly tool: string;
  /** Without the byte that names the packer. */
  readonly recipe: Uint8Array;
}

export interface Packer {
  readonly kind: MemberKind;
  readonly magic: readonly number[];
  /** Versions of whatever packs; another one may give other bytes. */
  tools(): string[];
  /** The contents of one member, or undefined: damaged, more than one, more than `limit` bytes. */
  expand(bytes: Uint8Array, limit: number): Uint8Array | undefined;
  /** Finds how to pack `contents` into `bytes`, with one of `tools`. */
  prove(bytes: Uint8Array, contents: Uint8Array, tools: readonly string[]): Proof | undefined;
  /** Packs; undefined for a malformed recipe or when more than `size` bytes come out. Throws `unsupported`. */
  pack(recipe: Uint8Array, contents: Uint8Array, size: number): Uint8Array | undefined;
}

/** True when `a` begins with `b`. */
export function startsWith(a: Uint8Array, b: Uint8Array): boolean {
  return a.length >= b.length && Buffer.compare(a.subarray(0, b.length), b) === 0;
}

/**
 * Options of zlib for contents of probably `expected` bytes and at most `limit`: they come as one buffer, where Node would
 * gather thousands of small ones and join them. Memory that is not written costs nothing.
 */
export function inOnePiece(expected: number, limit: number): { chunkSize: number; maxOutputLength: number } {
  const most = Math.max(limit, 1);
  // one more than comes: a piece that is just full is followed by another
  return { chunkSize: Math.max(64, Math.min(expected, most) + 1), maxOutputLength: most };
}

/** Buffers of less may lie where V8 moves them; C code wants them to stay. */
const leastNative = 128;

/** A buffer that stays where it is in memory, for native code. */
export function pinned(size: number): Buffer {
  return Buffer.allocUnsafeSlow(Math.max(size, leastNative)).subarray(0, size);
}

/** `bytes` where native code may read them: a copy only of what is small. */
export function pinnedView(bytes: Uint8Array): Buffer {
  if (bytes.length >= leastNative) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const copy = pinned(bytes.length);
  copy.set(bytes);
  return copy;
}
