// Tar archives, as far as they hold files: written as POSIX ustar, read as GNU tar, bsdtar, busybox and pax write them. Only
// headers are read, so that files can be read where they lie. Specified in POSIX (pax, ustar) and GNU tar's manual.

import { collect } from '../bytes/source.ts';
import type { ByteSource } from '../bytes/source.ts';
import { formatError } from '../errors.ts';
import type { NarrowError } from '../errors.ts';

/** Headers are one block, contents are filled up to blocks. */
export const tarBlock = 512;
/** Two blocks of zeros. */
export const tarEnd: Buffer = Buffer.alloc(2 * tarBlock);

/** An archive that can be read in any order. */
export interface TarBytes {
  /** For errors. */
  readonly name: string;
  readonly size: number;
  range(offset: number, length: number): ByteSource;
}

/** A file in an archive. */
export interface TarFile {
  /** As it stands there, one character a byte. */
  readonly name: string;
  readonly offset: number;
  readonly size: number;
}

/** Places of a header: where, how long. */
const field = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  linkName: [157, 100],
  magic: [257, 6],
  prefix: [345, 155],
} as const;

/** Octal digits of a size: what is longer is written in base 256, as GNU tar does. */
const octalLimit = 8 ** 11;
/** A name, or what else precedes a file, has at most so many bytes. */
const longLimit = 1024 * 1024;

/** The header of a file that everybody may read. `name` has at most 100 bytes. */
export function tarHeader(name: string, size: number): Buffer {
  const header = Buffer.alloc(tarBlock);
  const put = ([at, length]: readonly [number, number], text: string): void =>
    void header.write(text, at, length, 'latin1');
  put(field.name, name);
  put(field.mode, '0000644\0');
  put(field.uid, '0000000\0');
  put(field.gid, '0000000\0');
  // a time of 0 is implausible to GNU tar, which says so for each file
  put(field.mtime, '00000000001\0');
  put(field.type, '0');
  put(field.magic, 'ustar\x00');
  put([263, 2], '00');
  const [at, length] = field.size;
  if (size < octalLimit) put(field.size, `${size.toString(8).padStart(11, '0')}\0`);
  else {
    header.writeBigUInt64BE(BigInt(size), at + length - 8);
    header[at] = 0x80;
  }
  put(field.checksum, `${checksumOf(header).toString(8).padStart(6, '0')}\0 `);
  return header;
}

/** What follows contents of `size` bytes. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((tarBlock - (size % tarBlock)) % tarBlock);
}

/** Whether a file may be an archive, from its first block. */
export function isTar(head: Buffer): boolean {
  return head.length >= tarBlock && head[0] !== 0 && storedChecksum(head) === checksumOf(head);
}

/** What is told of the next file before its own header. */
interface Told {
  name?: string;
  size?: number;
}

/** The files of an archive that begins at `from`; what is no file is passed over. Throws `format` with the place. */
export async function* tarFiles(bytes: TarBytes, from = 0): AsyncGenerator<TarFile, void, undefined> {
  const known = new Map<string, TarFile>();
  let told: Told = {};
  for (let at = from; ;) {
    const header = await blockAt(bytes, at);
    if (header.every((byte) => byte === 0)) return;
    if (storedChecksum(header) !== checksumOf(header)) throw fault(bytes, at, 'the header of a file', 'something else');
    const size = told.size ?? sizeIn(header, bytes, at);
    const offset = at + tarBlock;
    const type = String.fromCharCode(header[field.type[0]]!);
    if (offset + size > bytes.size)
      throw fault(bytes, bytes.size, `${offset + size - bytes.size} more bytes`, 'the end');
    at = offset + size + tarPadding(size).length;
    if (type === 'x' || type === 'L') {
      if (size > longLimit) throw fault(bytes, offset, `at most ${longLimit} bytes of a name`, `${size}`);
      const text = (await collect(bytes.range(offset, size))).toString('latin1');
      told = { ...told, ...(type === 'x' ? paxFields(text) : { name: text.replace(/\0.*$/s, '') }) };
      continue;
    }
    const name = told.name ?? nameIn(header);
    if (type === '0' || type === '\0' || type === '7') {
      const file = { name, offset, size };
      known.set(name, file);
      yield file;
    } else if (type === '1') {
      // a file that was put in before, under another name
      const same = known.get(textIn(header, field.linkName));
      if (same) yield { ...same, name };
    } else if (type === 'S') throw fault(bytes, at, 'whole files', 'a sparse one');
    if (type !== 'g' && type !== 'K') told = {};
  }
}

async function blockAt(bytes: TarBytes, at: number): Promise<Buffer> {
  // an archive that was cut between two files is refused as well: what is missing cannot be known
  if (at + tarBlock > bytes.size) throw fault(bytes, at, 'a file, or the end of the archive', 'the end of the input');
  return collect(bytes.range(at, tarBlock));
}

function fault({ name }: TarBytes, offset: number, expected: string, got: string): NarrowError {
  return formatError('bad tar archive', { source: name, offset }, { expected, got });
}

function sizeIn(header: Buffer, bytes: TarBytes, at: number): number {
  const [begin, length] = field.size;
  const isBinary = (header[begin]! & 0x80) !== 0;
  const text = textIn(header, field.size).trim();
  const big = header.readBigUInt64BE(begin + length - 8);
  const size = isBinary ? Number(big) : text === '' ? 0 : /^[0-7]+$/.test(text) ? parseInt(text, 8) : NaN;
  if (Number.isSafeInteger(size)) return size;
  throw fault(bytes, at + begin, 'the size of a file', JSON.stringify(text));
}

function nameIn(header: Buffer): string {
  const prefix = textIn(header, field.magic) === 'ustar' ? textIn(header, field.prefix) : '';
  const name = textIn(header, field.name);
  return prefix === '' ? name : `${prefix}/${name}`;
}

function textIn(header: Buffer, [at, length]: readonly [number, number]): string {
  return header.toString('latin1', at, at + length).replace(/\0.*$/s, '');
}

/** Records `LENGTH KEY=VALUE\n`; of these the path and the size count. */
function paxFields(text: string): Told {
  const told: Told = {};
  for (let at = 0; at < text.length;) {
    const length = parseInt(text.slice(at), 10);
    if (!(length > 0)) break;
    const [key, value = ''] = text
      .slice(at, at + length - 1)
      .replace(/^\d+ /, '')
      .split(/=(.*)/s);
    if (key === 'path') told.name = value;
    if (key === 'size' && /^\d{1,15}$/.test(value)) told.size = Number(value);
    at += length;
  }
  return told;
}

function storedChecksum(header: Buffer): number {
  const text = textIn(header, field.checksum).trim();
  return /^[0-7]+$/.test(text) ? parseInt(text, 8) : -1;
}

/** The sum of all bytes, where its own place counts as spaces. */
function checksumOf(header: Buffer): number {
  const [at, length] = field.checksum;
  let sum = 0;
  for (let i = 0; i < tarBlock; i++) sum += i >= at && i < at + length ? 0x20 : header[i]!;
  return sum;
}
