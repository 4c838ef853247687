// Labels for matching: code that only moved holds other addresses than before. With every field replaced by a number made of
// the bytes at its target it looks the same again, and so does whatever else points to the same thing. Only the encoder
// makes labels, so they are no part of the format.

import { targetOf } from './field-list.ts';
import type { FieldPart, Fields } from './field-list.ts';
import type { ElfImage } from './image.ts';
import { kinds, putLabel } from './kinds.ts';
import type { Role } from './section.ts';

/** Bytes at the target that make the label. */
const labelSpan = 16;
const outside = 0x5bd1e995;

/** Of one section: its fields, and of each the file offset of its target (-1: none), later its label. */
interface Labels {
  readonly part: FieldPart;
  readonly values: Int32Array;
}

/**
 * Labelled before the rest and in this order, so that what is only reached through a table is told apart by its name: a
 * symbol's entry by its string, a relocated word by its symbol, a stub by the word it jumps through.
 */
const early: readonly Role[] = ['symbols', 'relocations', 'procedureLinkage'];

/**
 * Replaces in the bytes of a file each field by a label made of the bytes at its target, in which fields count as zero or as
 * their labels. Targets without bytes share a label.
 */
export function label(bytes: Uint8Array, fields: Fields, image: ElfImage): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const all = fields.map((part) => ({ part, values: targetsOf(part, bytes, image) }));
  for (const { part } of all) clear(view, part);
  for (const role of early)
    for (const labels of all) {
      if (labels.part.section.role !== role) continue;
      if (role === 'relocations') labelRelocations(view, labels);
      else {
        makeLabels(view, labels);
        writeLabels(view, labels);
      }
      if (role !== 'procedureLinkage') fillEntries(view, labels);
    }
  const rest = all.filter(({ part }) => !early.includes(part.section.role));
  for (const labels of rest) makeLabels(view, labels);
  for (const labels of rest)
    if (labels.part.section.role === 'data') writeWords(view, labels);
    else writeLabels(view, labels);
}

function targetsOf(part: FieldPart, bytes: Uint8Array, image: ElfImage): Int32Array {
  const targets = new Int32Array(part.count);
  for (let row = 0; row < part.count; row++) {
    const at = image.offsetOf(targetOf(part, row, bytes, part.offset[row]!, image));
    targets[row] = at < bytes.length ? at : -1;
  }
  return targets;
}

function clear(view: DataView, { count, offset, kind }: FieldPart): void {
  for (let row = 0; row < count; row++) putLabel(view, offset[row]!, kind[row]!, 0);
}

function makeLabels(view: DataView, { part, values }: Labels): void {
  const { kind } = part;
  const last = view.byteLength - labelSpan;
  for (let row = 0; row < values.length; row++) {
    const at = values[row]!;
    values[row] = at >= 0 && at <= last ? labelAt(view, at) : outside ^ kind[row]!;
  }
}

function writeLabels(view: DataView, { part, values }: Labels): void {
  const { offset, kind } = part;
  for (let row = 0; row < values.length; row++) putLabel(view, offset[row]!, kind[row]!, values[row]!);
}

/**
 * The empty last words of an entry that names a symbol (an undefined one's value and size, an addend) look like its name too:
 * entries that have nothing but one number of their own would match each other nearly as well as themselves.
 */
function fillEntries(view: DataView, { part, values }: Labels): void {
  const { offset, kind } = part;
  for (let i = 0; i < values.length; i++) {
    const at = offset[i]!;
    if (kind[i] === kinds.based && at + 24 <= view.byteLength && isZero(view, at + 8) && isZero(view, at + 16)) {
      putLabel(view, at + 8, kinds.absolute64, values[i]!);
      putLabel(view, at + 16, kinds.absolute64, ~values[i]!);
    }
    if (kind[i] === kinds.entry24 && at + 12 <= view.byteLength && isZero(view, at + 4))
      putLabel(view, at + 4, kinds.absolute64, values[i]!);
  }
}

/** Words that no relocation has labelled. */
function writeWords(view: DataView, { part, values }: Labels): void {
  const { offset, kind } = part;
  for (let row = 0; row < values.length; row++)
    if (isZero(view, offset[row]!)) putLabel(view, offset[row]!, kind[row]!, values[row]!);
}

/** A relocated word, and the relocation's own pointer to it, look like what the relocation says will be there. */
function labelRelocations(view: DataView, labels: Labels): void {
  const { part, values } = labels;
  const { offset, kind } = part;
  const targets = values.slice();
  makeLabels(view, labels);
  let word = -1;
  for (let i = 0; i < values.length; i++) {
    if (kind[i] === kinds.word) word = i;
    else if (word >= 0 && offset[i]! - offset[word]! < 24) {
      values[word] = ~values[i]!;
      const at = targets[word]!;
      if (at >= 0 && at + 8 <= view.byteLength && isZero(view, at)) putLabel(view, at, kinds.word, values[i]!);
    }
  }
  writeLabels(view, labels);
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
