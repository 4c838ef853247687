// Unwind tables: where each function's frame begins, which exception table it has, and the sorted table of .eh_frame_hdr.
// Layout: Linux Standard Base, chapter on exception frames; pointer encodings of DWARF.

import { kinds } from './kinds.ts';
import { endOf, isMapped } from './search.ts';
import type { Search } from './search.ts';

/** How pointers are written: the low bits say the size, the high ones what they count from. */
const encodings = { self4: 0x1b, omitted: 0xff } as const;
const headerEncodings = 0x3b031b01;

/** What a common part says of the frames that name it. */
interface Common {
  readonly pointer: number;
  readonly exceptions: number;
}

const usual: Common = { pointer: encodings.self4, exceptions: encodings.self4 };
const maxCommons = 4096;

/** .eh_frame: a sequence of common parts and frames. */
export function findFrames(search: Search): void {
  const { view, list, image, tables, section } = search;
  const shift = section.address;
  const end = endOf(search, 4);
  const commons = new Map<number, Common>();
  let at = 0;
  while (at + 12 <= end) {
    const length = view.getUint32(at, true);
    const id = view.getUint32(at + 4, true);
    const next = at + 4 + length;
    if (length < 8 || next > end) {
      if (length !== 0) return;
      at += 4;
      continue;
    }
    if (id === 0) {
      if (commons.size < maxCommons) commons.set(at, readCommon(search, at, next));
    } else {
      const common = commons.get(at + 4 - id) ?? usual;
      list.push(at + 4, kinds.back);
      if (common.pointer === encodings.self4 && next - at >= 17) {
        const begin = at + 8 + view.getInt32(at + 8, true) + shift;
        if (isMapped(image, begin)) list.push(at + 8, kinds.relativeSelf);
        if (common.exceptions === encodings.self4 && search.bytes[at + 16] === 4 && next - at >= 21) {
          const table = at + 17 + view.getInt32(at + 17, true) + shift;
          if (isMapped(image, table) && table !== at + 17 + shift) {
            list.push(at + 17, kinds.relativeSelf);
            tables.add(table);
          }
        }
      }
    }
    at = next;
  }
}

/** The augmentation string says which bytes follow: pointer to a personality routine, then encodings. */
function readCommon({ bytes, view, list, image, section }: Search, at: number, end: number): Common {
  let next = at + 9;
  if (bytes[next] !== 0x7a) return usual;
  const text = next + 1;
  while (next < end && bytes[next] !== 0) next++;
  const textEnd = next++;
  for (let numbers = 0; numbers < 4; numbers++) {
    while (next < end && bytes[next]! >= 128) next++;
    next++;
  }
  let pointer: number = usual.pointer;
  let exceptions: number = encodings.omitted;
  for (let i = text; i < textEnd && next < end; i++) {
    const letter = bytes[i];
    if (letter === 0x52) pointer = bytes[next++]!;
    else if (letter === 0x4c) exceptions = bytes[next++]!;
    else if (letter === 0x50) {
      if ((bytes[next]! & 0x7f) !== encodings.self4 || next + 5 > end) break;
      const target = next + 1 + view.getInt32(next + 1, true) + section.address;
      if (isMapped(image, target)) list.push(next + 1, kinds.relativeSelf);
      next += 5;
    }
  }
  return { pointer, exceptions };
}

/** .eh_frame_hdr: pairs of a function's begin and its frame, both from the section's first byte. */
export function findFrameTable(search: Search): void {
  const { view, list, image, section } = search;
  const end = endOf(search, 4);
  if (end < 12 || view.getUint32(0, true) !== headerEncodings) return;
  list.push(4, kinds.relativeSelf);
  for (let at = 12; at < end; at += 4)
    if (isMapped(image, section.address + view.getInt32(at, true))) list.push(at, kinds.based);
}
