// What every finder of fields needs: the bytes of a section and where the finds go.

import type { FieldList } from './field-list.ts';
import type { ElfImage } from './image.ts';
import type { Marks } from './marks.ts';
import type { Section } from './section.ts';

export interface Search {
  readonly image: ElfImage;
  readonly section: Section;
  /** The section. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly list: FieldList;
  /** Where tables may begin: addresses that code takes and frames name. */
  readonly tables: Marks;
  /** Words of data that relocations name. */
  readonly words: Marks;
}

/** Where the last whole entry of `entry` bytes ends. */
export function endOf({ bytes }: Search, entry: number): number {
  return bytes.length - (bytes.length % entry);
}

/** True for an address that the image maps or that ends it. */
export function isMapped(image: ElfImage, address: number): boolean {
  return address >= image.low && address <= image.addressEnd;
}
