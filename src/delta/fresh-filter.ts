// Makes machine code compress better: calls and jumps hold the distance to their target, which is another one at each place
// that calls it; turned into the target's place in the file the same bytes come again. For x86-64 as in xz's and 7-Zip's
// filters: E8 and E9 with a target within 16 MiB. Only for files that begin as an ELF file for x86-64; in blocks of their own.

/** True when contents that begin with `head` are filtered. */
export function isFiltered(head: Uint8Array): boolean {
  return (
    head.length >= 20 &&
    head[0] === 0x7f &&
    head[1] === 0x45 &&
    head[2] === 0x4c &&
    head[3] === 0x46 &&
    head[18] === 0x3e &&
    head[19] === 0
  );
}

/** Filters a block that begins at `offset` of its file, in place. */
export function filterBlock(block: Uint8Array, offset: number): void {
  convert(block, offset, 1);
}

/** Takes {@link filterBlock} back. */
export function unfilterBlock(block: Uint8Array, offset: number): void {
  convert(block, offset, -1);
}

/** The first bytes of a file are left alone: its kind must be seen before it is unfiltered. */
const headSize = 64;

function convert(block: Uint8Array, offset: number, sign: 1 | -1): void {
  // What follows an opcode is never taken for another one, converted or not: so the way back meets the same opcodes.
  const last = block.length - 5;
  for (let at = offset === 0 ? headSize : 0; at <= last; at++) {
    if ((block[at]! & 0xfe) !== 0xe8) continue;
    const top = block[at + 4]!;
    if (top === 0 || top === 0xff) {
      const distance = block[at + 1]! | (block[at + 2]! << 8) | (block[at + 3]! << 16) | (top << 24);
      // 25 bits, with a sign: the highest byte stays 0 or 255
      const target = ((distance + sign * (offset + at + 5)) << 7) >> 7;
      block[at + 1] = target & 255;
      block[at + 2] = (target >> 8) & 255;
      block[at + 3] = (target >> 16) & 255;
      block[at + 4] = (target >> 24) & 255;
    }
    at += 4;
  }
}
