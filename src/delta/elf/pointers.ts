// Words of data that hold addresses: those that relocations name, and in images that are not moved every word that could be one.

import { kinds } from './kinds.ts';
import { clip, isMapped } from './search.ts';
import type { Search } from './search.ts';
import type { Section } from './sections.ts';
import { segmentTypes, unsigned64 } from './segments.ts';

const fixedLow = 0x10000;

/** .data, .data.rel.ro, .got, .init_array and their like. */
export function findPointers(search: Search, section: Section): void {
  if (search.image.fixed && search.image.low >= fixedLow) findPlainPointers(search, section);
  else findNamedPointers(search, section);
}

/** Every aligned word whose value lies in the image. */
export function findPlainPointers(search: Search, section: Section): void {
  const { view, list, image } = search;
  const { low, addressEnd } = image;
  if (!image.fixed || low < fixedLow) return;
  const { start, end } = clip(search, section, 1);
  for (let at = start + ((8 - ((start + search.from) % 8)) % 8); at + 8 <= end; at += 8) {
    if (view.getUint32(at + 4, true) > 0xffff) continue;
    const value = unsigned64(view, at);
    if (value >= low && value < addressEnd) list.push(at, kinds.absolute64, value);
  }
}

function findNamedPointers({ view, list, image, words, bytes, from }: Search, section: Section): void {
  const dynamic = image.segments.find(({ type }) => type === segmentTypes.dynamic)?.address ?? -1;
  if (dynamic >= 0) words.add(globalTableOf({ view, bytes, from }, section, dynamic));
  let free = 0;
  words.forEach(section.address, (address) => {
    const at = address - section.address + section.offset - from;
    if (at < free || at + 8 > bytes.length) return;
    const value = unsigned64(view, at);
    if (value === 0 || !isMapped(image, value)) return;
    list.push(at, kinds.absolute64, value);
    free = at + 8;
  });
}

/** The first word of .got.plt is the address of .dynamic, without a relocation; -1 where a section does not begin so. */
function globalTableOf(
  { view, bytes, from }: Pick<Search, 'view' | 'bytes' | 'from'>,
  section: Section,
  dynamic: number,
): number {
  const at = section.offset - from;
  return at >= 0 && at + 8 <= bytes.length && unsigned64(view, at) === dynamic ? section.address : -1;
}
