// Files that are coded as other bytes, which show better what is like in both: they are expanded at both sides, and what is
// made of the expanded bytes is packed again. The encoder proves that packing gives the fresh file exactly.

import { formatError } from '../../errors.ts';
import type { ColumnReader, ColumnWriter } from '../columns.ts';
import { copyOf, inMemory, type RandomBytes } from '../random-bytes.ts';
import { expandBitstream } from './bitcode/expand.ts';
import { packBitstream } from './bitcode/pack.ts';
import { expandCatalogue, packCatalogue } from './catalogue.ts';
import { type CodecOptions, column, type Level, mode } from './layout.ts';
import { decodePlain, encodePlain } from './plain.ts';

/** Files up to this size, and expanded ones, are held in memory. */
const limit = 16 * 1024 * 1024;
/** At most so many bytes a byte becomes: one for each bit. */
const growth = 8;

/** A kind of files. */
interface Form {
  readonly mode: number;
  /** The first four bytes of the files. */
  readonly magic: number;
  /** Undefined for a file that is none of these. */
  expand(file: Buffer): Buffer | undefined;
  /** The file of `size` bytes that expands to these; undefined where there is none. */
  pack(bytes: Buffer, size: number): Buffer | undefined;
}

const forms: readonly Form[] = [
  { mode: mode.bitcode, magic: 0xdec04342, expand: expandBitstream, pack: packBitstream },
  { mode: mode.catalogue, magic: 0x950412de, expand: expandCatalogue, pack: packCatalogue },
];

/** Two files in one form. */
export interface ExpandedPair {
  readonly form: Form;
  readonly old: Buffer;
  readonly fresh: Buffer;
}

/** Expands two files; undefined where they have no common form or the fresh one would not come back exactly. */
export function openExpanded(old: RandomBytes, fresh: RandomBytes): ExpandedPair | undefined {
  const form = formOf(old);
  if (form === undefined || formOf(fresh) !== form) return undefined;
  const freshBytes = copyOf(fresh, 0, fresh.size);
  const expanded = form.expand(freshBytes);
  const oldExpanded = expanded && expanded.length <= limit ? form.expand(copyOf(old, 0, old.size)) : undefined;
  if (expanded === undefined || oldExpanded === undefined) return undefined;
  if (form.pack(expanded, fresh.size)?.equals(freshBytes) !== true) return undefined;
  return { form, old: oldExpanded, fresh: expanded };
}

function formOf(file: RandomBytes): Form | undefined {
  if (file.size > limit || file.size < 8) return undefined;
  const magic = copyOf(file, 0, 4).readUInt32LE(0);
  return forms.find((form) => form.magic === magic);
}

/** Writes the form, the size of the expanded bytes and their windows. */
export function* encodeExpanded(
  { form, old, fresh }: ExpandedPair,
  level: Level,
  out: ColumnWriter,
  options: CodecOptions,
): Generator<void, void> {
  out.varint(column.head, form.mode);
  out.varint(column.head, fresh.length);
  yield* encodePlain(inMemory(old), inMemory(fresh), level, out, options);
}

/** Reads what encodeExpanded wrote behind the form, which is `how`; yields the file as one chunk. */
export function* decodeExpanded(
  how: number,
  old: RandomBytes,
  size: number,
  first: ColumnReader,
  next: () => ColumnReader,
  options: CodecOptions,
): Generator<Uint8Array, void> {
  const form = forms.find((candidate) => candidate.mode === how);
  const oldExpanded = form !== undefined && formOf(old) === form ? form.expand(copyOf(old, 0, old.size)) : undefined;
  if (form === undefined || oldExpanded === undefined)
    throw formatError('a file delta of a kind that its old file is not of', {}, { got: `kind ${how}` });
  const most = Math.min(limit, size * growth);
  const length = first.varint(column.head);
  if (length > most)
    throw formatError('an expanded file that is too long', {}, { expected: `at most ${most}`, got: `${length}` });
  const bytes = Buffer.allocUnsafe(length);
  let made = 0;
  for (const chunk of decodePlain(inMemory(oldExpanded), length, first, next, options)) {
    bytes.set(chunk, made);
    made += chunk.length;
  }
  const packed = form.pack(bytes, size);
  if (packed?.length !== size)
    throw formatError('an expanded file that does not pack', {}, { expected: `${size} bytes` });
  yield packed;
}
