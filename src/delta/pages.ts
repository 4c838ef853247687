// Blocks of large files that were read last, of all files together: matched parts of big executables lie all over the old
// file. One piece of memory holds them, which is used again for each file and can be given back as a whole.

import { giveBack } from './give-back.ts';

export const pageSize: number = 128 * 1024;
const pageCount = 256;

/** A page of one file: its number among that file's, and the bytes. */
interface Page {
  readonly owner: Map<number, Page>;
  readonly number: number;
  readonly bytes: Buffer;
}

let memory: Buffer | undefined;
/** The one that was asked for least recently first. */
const pages = new Set<Page>();

/**
 * Page `number` of a file whose pages are `owner`; `fill` reads one that is not held. Borrowed: it lasts until 255 others are
 * asked for, or all are forgotten.
 */
export function pageOf(owner: Map<number, Page>, number: number, fill: (room: Buffer) => void): Buffer {
  const known = owner.get(number);
  if (known !== undefined) {
    pages.delete(known);
    pages.add(known);
    return known.bytes;
  }
  const bytes = roomForOne();
  try {
    fill(bytes);
  } catch (error) {
    // the room would be nobody's, and another's be taken in its place
    forgetPages();
    throw error;
  }
  const page = { owner, number, bytes };
  owner.set(number, page);
  pages.add(page);
  return bytes;
}

export type Pages = Map<number, Page>;

/** Gives the memory of all pages back; files read theirs again where they need them. */
export function forgetPages(): void {
  for (const { owner } of pages) owner.clear();
  pages.clear();
  if (memory !== undefined) giveBack(memory);
  memory = undefined;
}

function roomForOne(): Buffer {
  memory ??= Buffer.allocUnsafeSlow(pageCount * pageSize);
  if (pages.size < pageCount) return memory.subarray(pages.size * pageSize, (pages.size + 1) * pageSize);
  const [oldest] = pages;
  pages.delete(oldest!);
  oldest!.owner.delete(oldest!.number);
  return oldest!.bytes;
}
