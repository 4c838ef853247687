// Jump tables of code that can be moved: 32-bit distances from the table to places in code. A table is told by its use (code
// takes its address) and by its entries, which must all lead to code nearby; it ends where the next one begins.

import { kinds } from './kinds.ts';
import type { Search } from './search.ts';

/** Constants that are not tables seldom look like this many distances to code. */
const minEntries = 2;
const maxEntries = 65536;

/** Reads the tables in a section of constants that code names. */
export function findJumpTables(search: Search): void {
  const { bytes, view, list, tables, section } = search;
  const { codeLow, codeEnd } = search.image;
  tables.forEach(section.address, (address, next) => {
    if (address % 4 !== 0) return;
    const start = address - section.address;
    const end = Math.min(next - section.address, start + maxEntries * 4, bytes.length);
    let at = start;
    for (; at + 4 <= end; at += 4) {
      const target = address + view.getInt32(at, true);
      if (target < codeLow || target >= codeEnd) break;
    }
    if (at - start < minEntries * 4) return;
    for (let entry = start; entry < at; entry += 4) list.pushHinted(entry, kinds.based, address);
  });
}
