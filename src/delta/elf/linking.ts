// Tables for the dynamic linker and the section headers: entries of fixed size that hold addresses, offsets into string
// tables and numbers of symbols. Layout: System V ABI, and the GNU extensions for hashes, versions and relative relocations.

import { kinds } from './kinds.ts';
import { endOf, isMapped } from './search.ts';
import type { Search } from './search.ts';
import { unsigned64 } from './segments.ts';

/** Relocations whose addend is an address: relative and indirect relative, by machine; then those of linkage tables. */
const relocationTypes = {
  'x86-64': { relative: 8, indirect: 37, jumpSlot: 7 },
  aarch64: { relative: 1027, indirect: 1032, jumpSlot: 1026 },
} as const;

/** .rela.dyn and .rela.plt; marks the words that hold addresses. */
export function findRelocations(search: Search): void {
  const { view, list, words, image, section } = search;
  const end = endOf(search, 24);
  const { relative, indirect, jumpSlot } = relocationTypes[image.machine];
  for (let at = 0; at < end; at += 24) {
    const place = unsigned64(view, at);
    if (isMapped(image, place)) list.push(at, kinds.word);
    const type = view.getUint32(at + 8, true);
    const symbol = view.getUint32(at + 12, true);
    if (symbol !== 0 && section.linked !== 0) list.push(at + 12, kinds.entry24);
    if (type === relative || type === indirect) {
      if (isMapped(image, unsigned64(view, at + 16))) list.push(at + 16, kinds.absolute64);
      words.add(place);
    } else if (type === jumpSlot) words.add(place);
  }
}

/** .relr.dyn: an even entry is an address, an odd one says which of the next 63 words hold addresses too. */
export function findRelativeRelocations(search: Search): void {
  const { view, list, words, image } = search;
  const end = endOf(search, 8);
  let place = 0;
  for (let at = 0; at < end; at += 8) {
    const low = view.getUint32(at, true);
    if ((low & 1) === 0) {
      place = unsigned64(view, at);
      if (!isMapped(image, place)) continue;
      list.push(at, kinds.word);
      words.add(place);
      place += 8;
      continue;
    }
    const high = view.getUint32(at + 4, true);
    for (let bit = 1; bit < 64; bit++)
      if (((bit < 32 ? low >>> bit : high >>> (bit - 32)) & 1) !== 0) words.add(place + (bit - 1) * 8);
    place += 63 * 8;
  }
}

const symbolTypes = { threadLocal: 6 } as const;
const reservedSections = 0xff00;

/** .dynsym and .symtab. */
export function findSymbols(search: Search): void {
  const { view, list, image, bytes, section } = search;
  const end = endOf(search, 24);
  for (let at = 0; at < end; at += 24) {
    const name = view.getInt32(at, true);
    if (name > 0 && section.linked !== 0) list.push(at, kinds.based);
    const value = unsigned64(view, at + 8);
    if (value === 0 || view.getUint16(at + 6, true) >= reservedSections) continue;
    if ((bytes[at + 4]! & 15) !== symbolTypes.threadLocal && isMapped(image, value))
      list.push(at + 8, kinds.absolute64);
  }
}

/** Tags of .dynamic whose values are addresses, and those whose values are offsets into the string table. */
const addressTags: ReadonlySet<number> = new Set([
  3, 4, 5, 6, 7, 12, 13, 17, 23, 25, 26, 32, 36, 0x6ffffef5, 0x6ffffff0, 0x6ffffffc, 0x6ffffffe,
]);
const stringTags: ReadonlySet<number> = new Set([1, 14, 15, 29, 0x7ffffffd, 0x7fffffff]);

/** .dynamic */
export function findDynamic(search: Search): void {
  const { view, list, image, section } = search;
  const end = endOf(search, 16);
  for (let at = 0; at < end; at += 16) {
    const tag = view.getUint32(at, true);
    const value = unsigned64(view, at + 8);
    if (addressTags.has(tag) && isMapped(image, value)) list.push(at + 8, kinds.absolute64);
    else if (stringTags.has(tag) && section.linked !== 0 && value < 2 ** 31) list.push(at + 8, kinds.based);
  }
}

/** Buckets of .gnu.hash: numbers of symbols. */
export function findGnuHash(search: Search): void {
  const { view } = search;
  const end = endOf(search, 4);
  if (end < 16) return;
  const buckets = 16 + view.getUint32(8, true) * 8;
  numbersOfSymbols(search, 4, 8);
  numbersOfSymbols(search, buckets, Math.min(end, buckets + view.getUint32(0, true) * 4));
}

/** Buckets and chains of .hash. */
export function findHash(search: Search): void {
  numbersOfSymbols(search, 8, endOf(search, 4));
}

function numbersOfSymbols({ view, list, section }: Search, from: number, to: number): void {
  if (section.linked === 0) return;
  for (let at = from; at + 4 <= to; at += 4) if (view.getUint32(at, true) !== 0) list.push(at, kinds.entry24);
}

/** Versions are two-level lists: where the name is, where the first name below is and where the next entry. */
interface VersionLayout {
  readonly size: number;
  /** Offset of the name, none in definitions. */
  readonly name: number | undefined;
  readonly first: number;
  readonly next: number;
  readonly inner: { readonly size: number; readonly name: number; readonly next: number };
}

const versionLayouts = {
  versionNeeds: { size: 16, name: 4, first: 8, next: 12, inner: { size: 16, name: 8, next: 12 } },
  versionDefinitions: { size: 20, name: undefined, first: 12, next: 16, inner: { size: 8, name: 0, next: 4 } },
} as const;

/** .gnu.version_r and .gnu.version_d */
export function findVersions(search: Search, role: keyof typeof versionLayouts): void {
  const { view, list, section } = search;
  const layout: VersionLayout = versionLayouts[role];
  const end = endOf(search, 4);
  if (section.linked === 0) return;
  let last = -1;
  const pushName = (at: number): void => {
    const name = view.getInt32(at, true);
    if (at <= last || name < 0) return;
    last = at + 3;
    list.push(at, kinds.based);
  };
  // Every entry lies behind the one before: an entry's names are between it and the next, so all ends with the section.
  for (let entry = 0; entry + layout.size <= end;) {
    if (layout.name !== undefined) pushName(entry + layout.name);
    const step = view.getUint32(entry + layout.next, true);
    const stop = step === 0 ? end : Math.min(end, entry + step);
    for (let at = entry + view.getUint32(entry + layout.first, true); at + layout.inner.size <= stop;) {
      pushName(at + layout.inner.name);
      const next = view.getUint32(at + layout.inner.next, true);
      if (next < layout.inner.size) break;
      at += next;
    }
    if (step < layout.size) break;
    entry += step;
  }
}

/** Addresses and file offsets in the table of section headers. */
export function findSectionHeaders(search: Search): void {
  const { view, list, image } = search;
  const end = endOf(search, 64);
  for (let at = 0; at < end; at += 64) {
    const address = unsigned64(view, at + 16);
    if (address !== 0 && isMapped(image, address)) list.push(at + 16, kinds.absolute64);
    const offset = unsigned64(view, at + 24);
    if (offset !== 0 && offset < 2 ** 48) list.push(at + 24, kinds.fileOffset);
  }
}
