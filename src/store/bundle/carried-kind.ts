// What a file is that somebody carried here, from its first bytes: its name may be anything.

import { isTar, tarBlock } from '../../format/tar.ts';
import { volumeMagic } from './volume.ts';

export type CarriedKind = 'bundle' | 'script' | 'export' | 'tar' | 'nar' | 'derivation' | 'json';

/** Bytes of a file that are enough to tell. */
export const kindHead: number = tarBlock;

/** A NAR begins with its length-prefixed name. */
const narMagic = Buffer.from('\x0d\0\0\0\0\0\0\0nix-archive-1\0\0\0', 'latin1');

/** The third line of a bundle that applies itself; the number is where its archive begins, in the file. */
const scriptMark = /^#!\/bin\/sh\n[^\n]*\n# archive at (\d+)\n/;
const scriptMarkDigits = 12;

/** Where the archive of a bundle that applies itself begins; undefined for all other files. */
export function archiveOffset(head: Buffer): number | undefined {
  const found = scriptMark.exec(head.toString('latin1'))?.[1];
  return found === undefined ? undefined : Number(found);
}

/** That line: it is as long whatever the number. */
export function archiveLine(offset: number): string {
  return `# archive at ${String(offset).padStart(scriptMarkDigits, '0')}`;
}

/** What begins with `head`, decoded; undefined when nobody knows. */
export function carriedKind(head: Buffer): CarriedKind | undefined {
  if (head.subarray(0, volumeMagic.length).equals(volumeMagic)) return 'bundle';
  if (archiveOffset(head) !== undefined) return 'script';
  if (startsWith(head, narMagic)) return 'nar';
  if (isExport(head)) return 'export';
  if (isTar(head)) return 'tar';
  const text = head.toString('latin1');
  if (/^(Derive|DrvWithVersion)\(/.test(text)) return 'derivation';
  return /^\s*\{/.test(text) ? 'json' : undefined;
}

/** A 1 and a NAR for each path, a 0 at the end. */
function isExport(head: Buffer): boolean {
  if (head.length < 8) return false;
  const first = head.readBigUInt64LE(0);
  return first === 0n ? head.length === 8 : first === 1n && startsWith(head.subarray(8), narMagic);
}

function startsWith(head: Buffer, magic: Buffer): boolean {
  return head.subarray(0, magic.length).equals(magic);
}
