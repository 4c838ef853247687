// Addresses in aarch64 code: branches, and the pairs of instructions that make an address out of a page (adrp) and its low 12
// bits (add, loads and stores). Encodings: Arm Architecture Reference Manual, A64 instruction set.

import type { FieldList } from './field-list.ts';
import type { ElfImage } from './image.ts';
import { kinds, readInstruction } from './kinds.ts';
import type { Marks } from './marks.ts';
import type { CodePart } from './x86-64-instruction.ts';

/** What an instruction is, by its highest byte. */
const groups = {
  other: 0,
  branch26: 1,
  branch19: 2,
  branch14: 3,
  literal: 4,
  adr: 5,
  adrp: 6,
  add: 7,
  /** Loads and stores with an unsigned offset, and those with other offsets. */
  offset: 8,
  memory: 9,
  unallocated: 10,
} as const;

const groupOf: Uint8Array = Uint8Array.from({ length: 256 }, (_, high) => {
  if ((high & 0x7c) === 0x14) return groups.branch26;
  if (high === 0x54 || (high & 0x7e) === 0x34) return groups.branch19;
  if ((high & 0x7e) === 0x36) return groups.branch14;
  if ((high & 0x3b) === 0x18) return groups.literal;
  if ((high & 0x9f) === 0x10) return groups.adr;
  if ((high & 0x9f) === 0x90) return groups.adrp;
  if (high === 0x91) return groups.add;
  if ((high & 0x3b) === 0x39) return groups.offset;
  if ((high & 0x1e) === 0 || (high & 0x1e) === 2 || (high & 0x1e) === 6) return groups.unallocated;
  return (high & 0x0a) === 0x08 ? groups.memory : groups.other;
});

const unknown = -1;
/** Words so near to one that is no instruction are constants among the code: tables of ciphers and the like. */
const dataReach = 64;
const returnWord = 0xd65f03c0 | 0;
/** Registers that a call may change. */
const scratch = 19;

/** Appends the fields of a section of code part by part; marks what an add names, which may be a jump table. */
export class PairSweep {
  readonly #image: ElfImage;
  readonly #list: FieldList;
  readonly #marks: Marks;
  /** By register the page that it holds. */
  readonly #pages: Float64Array = new Float64Array(32).fill(unknown);
  /** By register the row of the adrp that put the page there, while its low bits are not known. */
  readonly #rows: Int32Array = new Int32Array(32).fill(unknown);
  /** Where the constants end that were seen last. */
  #data = unknown;

  constructor(image: ElfImage, list: FieldList, marks: Marks) {
    this.#image = image;
    this.#list = list;
    this.#marks = marks;
  }

  /** Reads a part; how far it got: whole instructions. */
  sweep({ bytes, at: origin, isLast }: CodePart): number {
    const list = this.#list;
    const pages = this.#pages;
    const rows = this.#rows;
    const { low, addressEnd, codeLow, codeEnd } = this.#image;
    const { address, size } = list.section;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let index = (4 - ((address + origin) % 4)) % 4;
    for (; index + 4 <= bytes.length; index += 4) {
      const word = view.getInt32(index, true);
      const group = groupOf[word >>> 24]!;
      const at = origin + index;
      const place = address + at;
      if (group === groups.unallocated && word !== 0) {
        this.#data = at + dataReach;
        list.dropFrom(at - dataReach);
        pages.fill(unknown);
      }
      if (at < this.#data) continue;
      switch (group) {
        case groups.other:
          if (word === returnWord) pages.fill(unknown);
          else pages[word & 31] = unknown;
          break;
        case groups.branch26:
        case groups.branch19:
        case groups.branch14: {
          const kind = group + kinds.branch26 - groups.branch26;
          const target = readInstruction(word, kind, place, 0);
          if (target >= codeLow && target < codeEnd) list.push(at, kind);
          if (group === groups.branch26 && word < 0) pages.fill(unknown, 0, scratch);
          break;
        }
        case groups.literal:
        case groups.adr: {
          const kind = group === groups.adr ? kinds.adr : kinds.branch19;
          const target = readInstruction(word, kind, place, 0);
          pages[word & 31] = unknown;
          if (target >= low && target < addressEnd) list.push(at, kind);
          break;
        }
        case groups.adrp: {
          const register = word & 31;
          const page = readInstruction(word, kinds.adrp, place, 0);
          pages[register] = unknown;
          if (page >= addressEnd || !list.pushHinted(at, kinds.adrp, page)) break;
          pages[register] = page;
          rows[register] = list.count - 1;
          break;
        }
        default: {
          const base = (word >>> 5) & 31;
          const page = pages[base]!;
          const kind = page < 0 ? 0 : lowKind(group, word);
          if (kind !== 0) {
            const target = readInstruction(word, kind, place, page);
            list.pushHinted(at, kind, target);
            if (group === groups.add) this.#marks.add(target);
            if (rows[base]! >= 0) list.correct(rows[base]!, target);
            rows[base] = unknown;
          }
          if (group === groups.add || isLoad(word)) pages[word & 31] = unknown;
        }
      }
    }
    return isLast ? size - origin : index;
  }
}

/** The kind of the low 12 bits in an add, load or store; 0 where there are none, or an offset that leaves the page. */
function lowKind(group: number, word: number): number {
  const shift = group === groups.offset ? sizeShift(word) : 0;
  if (group !== groups.offset && (group !== groups.add || (word & 0x00c00000) !== 0)) return 0;
  return ((word >>> 10) & 0xfff) << shift < 4096 ? kinds.low12 + shift : 0;
}

/** The size of what is loaded or stored, as a power of two: in the two highest bits, 16 bytes in one of their own. */
function sizeShift(word: number): number {
  const size = word >>> 30;
  return size === 0 && (word & 0x04800000) === 0x04800000 ? 4 : size;
}

/** Loads into general registers, of which those of pairs may change two. */
function isLoad(word: number): boolean {
  return (word & 0x04000000) === 0 && (word & 0x00c00000) !== 0;
}
