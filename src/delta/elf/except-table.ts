// Tables of what a function catches (.gcc_except_table). Only their lists of types hold addresses: behind the call sites and
// actions, read backwards from the place that the head names. Layout: Itanium C++ ABI, as GCC and LLVM write it.

import { kinds } from './kinds.ts';
import type { Search } from './search.ts';

/** Indirect, relative to itself, four bytes; the same without the indirection. */
const typeEncodings: ReadonlySet<number> = new Set([0x9b, 0x1b]);
const omitted = 0xff;

/** Reads the tables that frames name. */
export function findTypes({ bytes, view, list, image, tables, section }: Search): void {
  const shift = section.address;
  // Types, or the words that point to them, are writable data; actions read as types seldom lead there.
  const dataLow = image.sections.find(({ role }) => role === 'data')?.address ?? image.addressEnd;
  let free = 0;
  tables.forEach(section.address, (address, next) => {
    const end = next - shift;
    const { listEnd, listStart } = typeList(bytes, address - shift, end);
    for (let at = Math.max(listStart + ((listEnd - listStart) & 3), free); at + 4 <= listEnd; at += 4) {
      const distance = view.getInt32(at, true);
      const target = at + shift + distance;
      if (distance === 0 || target < dataLow || target >= image.addressEnd) continue;
      list.push(at, kinds.relativeSelf);
      free = at + 4;
    }
  });
}

const none = { listStart: 0, listEnd: 0 };

/** Where a table's list of types may begin (after the call sites) and ends. */
function typeList(bytes: Uint8Array, start: number, end: number): { listStart: number; listEnd: number } {
  if (start < 0 || start + 4 > end || bytes[start] !== omitted || !typeEncodings.has(bytes[start + 1]!)) return none;
  const reader = { bytes, at: start + 2 };
  const distance = readNumber(reader);
  const listEnd = reader.at + distance;
  reader.at++;
  const callSites = readNumber(reader);
  const listStart = reader.at + callSites;
  return listEnd <= end && listStart <= listEnd ? { listStart, listEnd } : none;
}

function readNumber(reader: { readonly bytes: Uint8Array; at: number }): number {
  let value = 0;
  for (let shift = 0; shift < 28; shift += 7) {
    const byte = reader.bytes[reader.at++] ?? 0;
    value |= (byte & 127) << shift;
    if (byte < 128) break;
  }
  return value;
}
