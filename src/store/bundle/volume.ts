// A volume: a part of a bundle's bytes as a file that can be checked alone. Its end has a hash of each block, and says which
// part it is of which bundle; that may be signed. Described in docs/formats/bundle.md.

import { createHash } from 'node:crypto';
import { formatError } from '../../errors.ts';

export const volumeMagic: Buffer = Buffer.from('nrwbndl\x01', 'latin1');
const endMagic = Buffer.from('nrwbend\x01', 'latin1');
/** Bytes that have a hash of their own. */
export const blockSize: number = 1024 * 1024;
export const hashSize = 32;
/** After the texts: their lengths, the SHA-256 of hashes and table, the magic. */
export const footerSize: number = 8 + hashSize + endMagic.length;
/** Bytes that table and signatures may have together. */
export const textLimit: number = 16 * 1024 * 1024;

/** A run of paths that can be read without the others. */
export interface Segment {
  /** How many paths. */
  readonly paths: number;
  /** Bytes of their delta. */
  readonly size: number;
}

export interface VolumeTable {
  /** The same in all volumes of a bundle, and in those of no other. */
  readonly bundle: string;
  /** From 1. */
  readonly volume: number;
  /** Where its bytes begin in the bundle, and how many they are. */
  readonly start: number;
  readonly size: number;
  /** Of the last volume only. */
  readonly segments?: readonly Segment[] | undefined;
}

/** What is behind a volume's bytes. */
export interface VolumeEnd {
  readonly table: VolumeTable;
  /** SHA-256 of each block. */
  readonly hashes: Uint8Array;
  /** Of hashes and table; what is signed. */
  readonly digest: Uint8Array;
  /** As `name:base64`. */
  readonly signatures: readonly string[];
}

/** The end of a volume as bytes; `sign` makes signatures of a text. */
export function formatEnd(hashes: Uint8Array, table: VolumeTable, sign: (text: string) => readonly string[]): Buffer {
  const text = Buffer.from(JSON.stringify(table));
  const digest = digestOf(hashes, text);
  const signatures = Buffer.from(JSON.stringify(sign(signedText(digest))));
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32LE(text.length, 0);
  lengths.writeUInt32LE(signatures.length, 4);
  return Buffer.concat([hashes, text, signatures, lengths, digest, endMagic]);
}

/** What a key signs. */
export function signedText(digest: Uint8Array): string {
  return `narrow-bundle;1;sha256:${Buffer.from(digest).toString('hex')}`;
}

function digestOf(hashes: Uint8Array, table: Uint8Array): Buffer {
  return createHash('sha256').update(hashes).update(table).digest();
}

/** How long the texts are, from the last {@link footerSize} bytes of a file. Throws `format`. */
export function parseFooter(footer: Buffer, fileSize: number, source: string): { table: number; signatures: number } {
  const offset = fileSize - footer.length;
  if (!footer.subarray(-endMagic.length).equals(endMagic))
    throw formatError(
      'a bundle that has no end',
      { source, offset: fileSize },
      {
        expected: '"nrwbend" and version 1',
        got: 'the end of the file',
        hint: 'the file was cut, or is still being written or copied',
      },
    );
  const [table, signatures] = [footer.readUInt32LE(0), footer.readUInt32LE(4)];
  const room = Math.min(textLimit, offset - volumeMagic.length);
  if (table + signatures > room)
    throw formatError(
      'bad end of a bundle',
      { source, offset },
      { expected: `at most ${room} bytes`, got: `${table + signatures}` },
    );
  return { table, signatures };
}

/** Reads the end of a volume that begins at `offset` of its file. Throws `format`, `integrity` never: hashes are checked later. */
export function parseEnd(
  bytes: Buffer,
  lengths: { table: number; signatures: number },
  place: { source: string; offset: number },
): VolumeEnd {
  const footer = bytes.length - footerSize;
  const signaturesAt = footer - lengths.signatures;
  const tableAt = signaturesAt - lengths.table;
  const hashes = bytes.subarray(0, tableAt);
  const text = bytes.subarray(tableAt, signaturesAt);
  const digest = bytes.subarray(footer + 8, footer + 8 + hashSize);
  if (!digestOf(hashes, text).equals(digest))
    throw formatError('a damaged end of a bundle', place, { expected: 'the SHA-256 that it names', got: 'another' });
  return {
    table: parseTable(text, place),
    hashes,
    digest,
    signatures: parseSignatures(bytes.subarray(signaturesAt, footer), place),
  };
}

function parseTable(text: Buffer, place: { source: string; offset: number }): VolumeTable {
  const table = json(text, place) as Partial<VolumeTable> | null;
  const { bundle, volume, start, size, segments } = table ?? {};
  const numbers =
    isCount(volume) && volume > 0 && isCount(start) && isCount(size) && Number.isSafeInteger(start + size);
  if (typeof bundle === 'string' && numbers && (segments === undefined || areSegments(segments)))
    return { bundle, volume, start, size, segments };
  throw formatError('bad table of a bundle', place, { expected: 'that of version 1' });
}

function areSegments(list: unknown): list is Segment[] {
  if (!Array.isArray(list)) return false;
  return list.every((one: Partial<Segment> | null) => isCount(one?.paths) && one.paths > 0 && isCount(one.size));
}

function parseSignatures(text: Buffer, place: { source: string; offset: number }): readonly string[] {
  const list = json(text, place);
  if (Array.isArray(list) && list.every((one) => typeof one === 'string')) return list;
  throw formatError('bad signatures of a bundle', place, { expected: 'a list of texts' });
}

function json(text: Buffer, place: { source: string; offset: number }): unknown {
  try {
    return JSON.parse(text.toString('utf8')) as unknown;
  } catch (cause) {
    throw formatError('bad end of a bundle', place, { cause, expected: 'JSON' });
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
