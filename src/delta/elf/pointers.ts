// Words of data that hold addresses: those that relocations name, and in images that are not moved every word that could be one.

import { kinds } from './kinds.ts';
import { isMapped } from './search.ts';
import type { Search } from './search.ts';
import { segmentTypes, unsigned64 } from './segments.ts';

const fixedLow = 0x10000;

/** .data, .data.rel.ro, .got, .init_array and their like. */
export function findPointers(search: Search): void {
  if (search.image.fixed && search.image.low >= fixedLow) findPlainPointers(search);
  else findNamedPointers(search);
}

/** Every aligned word whose value lies in the image. */
export function findPlainPointers({ view, list, image, section, bytes }: Search): void {
  const { low, addressEnd } = image;
  if (!image.fixed || low < fixedLow) return;
  for (let at = (8 - (section.offset % 8)) % 8; at + 8 <= bytes.length; at += 8) {
    if (view.getUint32(at + 4, true) > 0xffff) continue;
    const value = unsigned64(view, at);
    if (value >= low && value < addressEnd) list.push(at, kinds.absolute64);
  }
}

function findNamedPointers({ view, list, image, words, bytes, section }: Search): void {
  const dynamic = image.segments.find(({ type }) => type === segmentTypes.dynamic)?.address ?? -1;
  // The first word of .got.plt is the address of .dynamic, without a relocation.
  if (dynamic >= 0 && bytes.length >= 8 && unsigned64(view, 0) === dynamic) words.add(section.address);
  let free = 0;
  words.forEach(section.address, (address) => {
    const at = address - section.address;
    if (at < free || at + 8 > bytes.length) return;
    const value = unsigned64(view, at);
    if (value === 0 || !isMapped(image, value)) return;
    list.push(at, kinds.absolute64);
    free = at + 8;
  });
}
