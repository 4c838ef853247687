// What every finder of fields needs: the bytes at hand, which may be a window of a file, and where the finds go.

import type { FieldList } from './field-list.ts';
import type { ElfImage } from './image.ts';
import type { Marks } from './marks.ts';
import type { Section } from './sections.ts';

export interface Search {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** File offset of the first byte. */
  readonly from: number;
  readonly image: ElfImage;
  readonly list: FieldList;
  /** Where tables may begin: addresses that code takes and frames name. */
  readonly tables: Marks;
  /** Words of data that relocations name. */
  readonly words: Marks;
}

/** The part of a section at hand: whole entries of `entry` bytes each, as offsets within the bytes. */
export interface Clip {
  readonly start: number;
  readonly end: number;
  /** Added to an offset gives the address. */
  readonly shift: number;
}

export function clip(search: Search, section: Section, entry: number): Clip {
  const begin = section.offset - search.from;
  const start = begin >= 0 ? begin : begin + Math.ceil(-begin / entry) * entry;
  const stop = Math.min(begin + section.size, search.bytes.length);
  const end = stop > start ? start + Math.floor((stop - start) / entry) * entry : start;
  return { start, end, shift: section.address - begin };
}

/** True for an address that the image maps or that ends it. */
export function isMapped(image: ElfImage, address: number): boolean {
  return address >= image.low && address <= image.addressEnd;
}
