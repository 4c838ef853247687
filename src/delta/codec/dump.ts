// Dumps of memory (class-data archives of Java, heaps of language runtimes): files in which many words point into the file
// itself, as if it were loaded at one address. Nothing but the words tells so.

import { FieldList } from '../elf/field-list.ts';
import type { Fields } from '../elf/field-list.ts';
import type { ElfImage } from '../elf/image.ts';
import { kinds } from '../elf/kinds.ts';

const page = 4096;
/** At least one of so many words must be a pointer. */
const sparsest = 32;
/** Pages that a file may have before the first one that anything points to. */
const headPages = 32;
const samples = 4096;
const two32 = 2 ** 32;

/** The address that a dump's first byte would have; undefined for what is no dump. */
export function originOf(bytes: Uint8Array): number | undefined {
  const view = viewOf(bytes);
  const upper = commonUpperHalf(view);
  if (upper === undefined) return undefined;
  let lowest = two32;
  for (let at = 0; at + 8 <= bytes.length; at += 8)
    if (view.getUint32(at + 4, true) === upper) lowest = Math.min(lowest, view.getUint32(at, true));
  const base = upper * two32 + lowest - (lowest % page);
  let best = 0;
  let origin: number | undefined;
  for (let pages = 0; pages <= headPages; pages++) {
    const votes = pointersToPointers(view, upper, base - pages * page);
    if (votes <= best) continue;
    best = votes;
    origin = base - pages * page;
  }
  return origin;
}

/** The upper halves of pointers: the most frequent ones that are neither zero nor too big for an address. */
function commonUpperHalf(view: DataView): number | undefined {
  const counts = new Uint32Array(1 << 16);
  for (let at = 0; at + 8 <= view.byteLength; at += 8) {
    const upper = view.getUint32(at + 4, true);
    if (upper < counts.length) counts[upper]!++;
  }
  counts[0] = 0;
  let best = 0;
  for (const [upper, count] of counts.entries()) if (count > counts[best]!) best = upper;
  return counts[best]! * 8 * sparsest >= view.byteLength && best > 0 ? best : undefined;
}

/** Of some pointers, how many point to a pointer (objects begin with one) if the first byte has this address. */
function pointersToPointers(view: DataView, upper: number, origin: number): number {
  const stride = Math.max(8, Math.floor(view.byteLength / 16 / samples) * 8);
  let votes = 0;
  for (let at = 0; at + 8 <= view.byteLength; at += stride) {
    if (view.getUint32(at + 4, true) !== upper) continue;
    const target = upper * two32 + view.getUint32(at, true) - origin;
    if (target >= 0 && target + 8 <= view.byteLength && view.getUint32(target + 4, true) === upper) votes++;
  }
  return votes;
}

/** A dump of `size` bytes as an image. */
export function dumpImage(origin: number, size: number): ElfImage {
  return {
    machine: 'x86-64',
    headersEnd: 0,
    fixed: true,
    segments: [],
    sections: [],
    low: origin,
    addressEnd: origin + size,
    codeLow: 0,
    codeEnd: 0,
    addressOf: (offset) => origin + offset,
    offsetOf: (address) => (address >= origin && address < origin + size ? address - origin : -1),
    stretches: [{ begin: 0, end: Infinity, shift: origin }],
    bytesEnd: origin + size,
  };
}

/** The words of a dump that point into it, behind its first byte. */
export function dumpFields(bytes: Uint8Array, image: ElfImage): Fields {
  const view = viewOf(bytes);
  const section = { role: 'data', offset: 0, size: bytes.length, address: image.low, linked: 0 } as const;
  const list = new FieldList(section, image, 0);
  for (let at = 0; at + 8 <= bytes.length; at += 8) {
    const target = view.getUint32(at + 4, true) * two32 + view.getUint32(at, true) - image.low;
    if (target > 0 && target < bytes.length) list.push(at, kinds.absolute64);
  }
  return [list];
}

/** Writes zeros over fields: told apart by what they point to, fewer of their owners would look alike. */
export function blank(bytes: Uint8Array, fields: Fields): void {
  for (const { count, offset } of fields)
    for (let row = 0; row < count; row++) bytes.fill(0, offset[row], offset[row]! + 8);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
