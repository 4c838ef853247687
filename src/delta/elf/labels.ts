// Labels for matching: code that only moved holds other addresses than before. With every field replaced by a number made of
// the bytes at its target it looks the same again, and so does whatever else points to the same thing. Only the encoder
// makes labels, so they are no part of the format.

import type { Fields } from './field-list.ts';
import type { ElfImage } from './image.ts';
import { kinds, putLabel } from './kinds.ts';
import type { Role, Section } from './sections.ts';

/** Bytes at the target that make the label. */
const labelSpan = 16;
const outside = 0x5bd1e995;

interface Canvas {
  /** The bytes to match. */
  readonly view: DataView;
  readonly from: number;
  readonly fields: Fields;
  readonly labels: Int32Array;
  readonly image: ElfImage;
}

/** Rows of fields: from the first to before the last. */
interface Rows {
  readonly first: number;
  readonly end: number;
}

/**
 * Labelled before the rest and in this order, so that what is only reached through a table is told apart by its name: a
 * symbol's entry by its string, a relocated word by its symbol, a stub by the word it jumps through.
 */
const early: readonly Role[] = ['symbols', 'relocations', 'procedureLinkage'];

/**
 * A copy of `bytes` (the image's file from offset `from` on) where each field is replaced by a label made of the bytes at its
 * target, in which fields count as zero or as their labels. Targets without bytes at hand share a label.
 */
export function labelled(bytes: Uint8Array, fields: Fields, image: ElfImage, from = 0): Uint8Array {
  const copy = new Uint8Array(bytes);
  const labels = new Int32Array(fields.count);
  // Labels are zero as yet, and so will be all fields.
  const canvas: Canvas = { view: new DataView(copy.buffer), from, fields, labels, image };
  writeLabels(canvas, { first: 0, end: fields.count });
  for (const role of early)
    for (const section of image.sections) {
      if (section.role !== role) continue;
      const rows = rowsOf(canvas, section);
      makeLabels(canvas, rows);
      if (role === 'relocations') writeRelocations(canvas, rows);
      else writeLabels(canvas, rows);
      if (role !== 'procedureLinkage') fillEntries(canvas, rows);
    }
  const rest = image.sections.filter(({ role }) => !early.includes(role));
  for (const section of rest) makeLabels(canvas, rowsOf(canvas, section));
  for (const section of rest)
    if (section.role === 'data') writeWords(canvas, rowsOf(canvas, section));
    else writeLabels(canvas, rowsOf(canvas, section));
  return copy;
}

function rowsOf({ fields, from }: Canvas, section: Section): Rows {
  const rowAt = (place: number): number => {
    let [low, high] = [0, fields.count];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (fields.offset[middle]! < place) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return { first: rowAt(section.offset - from), end: rowAt(section.offset + section.size - from) };
}

function makeLabels({ view, from, fields, labels, image }: Canvas, { first, end }: Rows): void {
  const { kind, target } = fields;
  const last = view.byteLength - labelSpan;
  for (let i = first; i < end; i++) {
    const at = image.offsetOf(target[i]!) - from;
    labels[i] = at >= 0 && at <= last ? labelAt(view, at) : outside ^ kind[i]!;
  }
}

function writeLabels({ view, fields, labels }: Canvas, { first, end }: Rows): void {
  const { offset, kind } = fields;
  for (let i = first; i < end; i++) putLabel(view, offset[i]!, kind[i]!, labels[i]!);
}

/**
 * The empty last words of an entry that names a symbol (an undefined one's value and size, an addend) look like its name too:
 * entries that have nothing but one number of their own would match each other nearly as well as themselves.
 */
function fillEntries({ view, fields, labels }: Canvas, { first, end }: Rows): void {
  const { offset, kind } = fields;
  for (let i = first; i < end; i++) {
    const at = offset[i]!;
    if (kind[i] === kinds.based && at + 24 <= view.byteLength && isZero(view, at + 8) && isZero(view, at + 16)) {
      putLabel(view, at + 8, kinds.absolute64, labels[i]!);
      putLabel(view, at + 16, kinds.absolute64, ~labels[i]!);
    }
    if (kind[i] === kinds.entry24 && at + 12 <= view.byteLength && isZero(view, at + 4))
      putLabel(view, at + 4, kinds.absolute64, labels[i]!);
  }
}

/** Words that no relocation has labelled. */
function writeWords({ view, fields, labels }: Canvas, { first, end }: Rows): void {
  const { offset, kind } = fields;
  for (let i = first; i < end; i++) if (isZero(view, offset[i]!)) putLabel(view, offset[i]!, kind[i]!, labels[i]!);
}

/** A relocated word, and the relocation's own pointer to it, look like what the relocation says will be there. */
function writeRelocations({ view, from, fields, labels, image }: Canvas, { first, end }: Rows): void {
  const { offset, kind, target } = fields;
  let word = -1;
  for (let i = first; i < end; i++) {
    if (kind[i] === kinds.word) word = i;
    else if (word >= 0 && offset[i]! - offset[word]! < 24) {
      labels[word] = ~labels[i]!;
      const at = image.offsetOf(target[word]!) - from;
      if (at >= 0 && at + 8 <= view.byteLength && isZero(view, at)) putLabel(view, at, kinds.word, labels[i]!);
    }
  }
  for (let i = first; i < end; i++) putLabel(view, offset[i]!, kind[i]!, labels[i]!);
}

function isZero(view: DataView, at: number): boolean {
  return view.getInt32(at, true) === 0 && view.getInt32(at + 4, true) === 0;
}

function labelAt(view: DataView, at: number): number {
  let hash = Math.imul(view.getInt32(at, true), 0x9e3779b1);
  hash = Math.imul((hash ^ (hash >>> 15)) + view.getInt32(at + 4, true), 0x85ebca77);
  hash = Math.imul((hash ^ (hash >>> 13)) + view.getInt32(at + 8, true), 0xc2b2ae3d);
  hash = Math.imul((hash ^ (hash >>> 15)) + view.getInt32(at + 12, true), 0x27d4eb2f);
  return hash ^ (hash >>> 16);
}
