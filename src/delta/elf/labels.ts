// Labels for matching: code that only moved holds other addresses than before. With every field replaced by a number made of
// the bytes at its target it looks the same again, and so does whatever else points to the same thing.

import type { Fields } from './field-list.ts';
import type { ElfImage } from './image.ts';
import { putLabel } from './kinds.ts';

/** Bytes at the target that make the label. */
const labelSpan = 16;
const outside = 0x5bd1e995;

/**
 * A copy of `bytes` (the image's file from offset `from` on) where each field is replaced by a label made of the bytes at its
 * target, fields there counted as zero. Targets without bytes at hand share a label.
 */
export function labelled(bytes: Uint8Array, fields: Fields, image: ElfImage, from = 0): Uint8Array {
  const copy = new Uint8Array(bytes);
  const { count, offset, kind, target } = fields;
  for (let i = 0; i < count; i++) putLabel(copy, offset[i]!, kind[i]!, 0);
  const labels = new Int32Array(count);
  const view = new DataView(copy.buffer);
  for (let i = 0; i < count; i++) {
    const at = image.offsetOf(target[i]!) - from;
    labels[i] = at >= 0 && at + labelSpan <= copy.length ? labelAt(view, at) : outside ^ kind[i]!;
  }
  for (let i = 0; i < count; i++) putLabel(copy, offset[i]!, kind[i]!, labels[i]!);
  return copy;
}

function labelAt(view: DataView, at: number): number {
  let hash = Math.imul(view.getInt32(at, true), 0x9e3779b1);
  hash = Math.imul((hash ^ (hash >>> 15)) + view.getInt32(at + 4, true), 0x85ebca77);
  hash = Math.imul((hash ^ (hash >>> 13)) + view.getInt32(at + 8, true), 0xc2b2ae3d);
  hash = Math.imul((hash ^ (hash >>> 15)) + view.getInt32(at + 12, true), 0x27d4eb2f);
  return hash ^ (hash >>> 16);
}
