// Exact recompression: a compressed file is opened, its contents go through a delta, and the other side packs them again to
// the very same bytes. What a file was packed with is guessed, and each guess is proved by packing; a recipe says what it was.

import { formatError } from '../../errors.ts';
import { gzip } from './gzip.ts';
import type { MemberKind, Packer } from './packer.ts';
import { xz } from './xz.ts';
import { zstd } from './zstd.ts';

export type { MemberKind } from './packer.ts';

/** Packed or not, files above this are left as they are: all is done in memory. */
export const contentsLimit: number = 64 * 1024 * 1024;

/**
 * Contents may be this many times as long as the packed file, and some more: packing is slow, and a stranger who announces
 * a small file must not make us pack a large one.
 */
const maxRatio = 100;
const ratioSlack = 64 * 1024;

const mostContents = (size: number): number => Math.min(contentsLimit, size * maxRatio + ratioSlack);

/** Index: first byte of a recipe. */
const packers: readonly Packer[] = [gzip, xz, zstd];

const sizesAllowed = `at most ${contentsLimit} bytes, and contents of ${maxRatio} times as many`;

/** What a file is packed as, by its first 6 bytes. */
export function memberKind(head: Uint8Array): MemberKind | undefined {
  return packers.find(({ magic }) => magic.every((byte, at) => head[at] === byte))?.kind;
}

const packerOf = (bytes: Uint8Array): Packer | undefined => packers.find(({ kind }) => kind === memberKind(bytes));

/**
 * The contents alone, the same on both sides whatever packed them. Undefined for bytes that are of no kind, damaged, more
 * than one member, or that come to more than `limit` bytes; never throws on bad input.
 */
export function expandMember(bytes: Uint8Array, limit: number = contentsLimit): Uint8Array | undefined {
  if (bytes.length > contentsLimit) return undefined;
  return packerOf(bytes)?.expand(bytes, Math.min(limit, mostContents(bytes.length)));
}

export interface Opened {
  readonly kind: MemberKind;
  /** A few bytes: what packs the contents again. */
  readonly recipe: Uint8Array;
  readonly contents: Uint8Array;
  /** One of {@link packingTools}. */
  readonly tool: string;
}

export interface OpenOptions {
  /** What the other side can pack with; by default what this process can. */
  readonly tools?: ReadonlySet<string>;
  readonly limit?: number;
}

/** Opens a member if it can be packed again to the same bytes, which was tried. Costs at least one packing. */
export function openMember(bytes: Uint8Array, { tools, limit }: OpenOptions = {}): Opened | undefined {
  const packer = packerOf(bytes);
  const contents = expandMember(bytes, limit);
  if (!packer || !contents) return undefined;
  const usable = packer.tools().filter((tool) => !tools || tools.has(tool));
  const found = usable.length === 0 ? undefined : packer.prove(bytes, contents, usable);
  if (!found) return undefined;
  const recipe = Uint8Array.of(packers.indexOf(packer), ...found.recipe);
  return { kind: packer.kind, recipe, contents, tool: found.tool };
}

/**
 * Packs contents by a recipe into exactly `size` bytes; never makes more. Throws `format` for a recipe that is malformed or
 * gives another size, `unsupported` when this process lacks what packed it.
 */
export function packMember(recipe: Uint8Array, contents: Uint8Array, size: number): Uint8Array {
  if (size > contentsLimit || contents.length > mostContents(size))
    throw formatError('bad packed file', {}, { expected: sizesAllowed, got: `${size} of ${contents.length} bytes` });
  const packer = packers[recipe[0] ?? -1];
  const bytes = packer?.pack(recipe.subarray(1), contents, size);
  if (bytes?.length === size) return bytes;
  const got = packer ? 'other bytes' : 'a recipe of an unknown kind';
  throw formatError('bad recipe of a packed file', {}, { expected: `${size} bytes`, got });
}

/** What this process can pack with: `gzip/1`, and libraries with their versions, whose bytes may differ. */
export function packingTools(): string[] {
  return packers.flatMap((packer) => packer.tools()).sort();
}
