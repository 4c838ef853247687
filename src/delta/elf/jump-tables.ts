// Jump tables of code that can be moved: 32-bit distances from the table to places in code. A table is told by its use (code
// takes its address) and by its entries, which must all lead to code nearby; it ends where the next one begins.

import { kinds } from './kinds.ts';
import type { Search } from './search.ts';
import type { Section } from './sections.ts';

/** Constants that are not tables seldom look like this many distances to code. */
const minEntries = 2;
const maxEntries = 65536;

/** Reads the tables in a section of constants that code names. */
export function findJumpTables(search: Search, section: Section): void {
  const { bytes, view, list, tables, from } = search;
  const { codeLow, codeEnd } = search.image;
  const shift = section.address - section.offset + from;
  tables.forEach(section.address, (address, next) => {
    const start = address - shift;
    const end = Math.min(next - shift, start + maxEntries * 4, bytes.length);
    if (start < 0 || address % 4 !== 0) return;
    let at = start;
    for (; at + 4 <= end; at += 4) {
      const target = address + view.getInt32(at, true);
      if (target < codeLow || target >= codeEnd) break;
    }
    if (at - start < minEntries * 4) return;
    const base = list.baseAt(address);
    if (base === 0) return;
    for (let entry = start; entry < at; entry += 4)
      list.push(entry, kinds.based, address + view.getInt32(entry, true), base);
  });
}
