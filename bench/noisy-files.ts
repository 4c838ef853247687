// What changes in a file from one build to the next though its source is the same, where nobody has seen to reproducible
// builds: ids of builds, names with a compiler's random seed, dates, and the order in which a directory was read.

import { createHash } from 'node:crypto';

/** Random bytes that follow from words. */
export function chance(size: number, ...words: readonly string[]): Buffer {
  const parts: Buffer[] = [];
  for (let i = 0; i * 32 < size; i++)
    parts.push(
      createHash('sha256')
        .update(`${words.join('\0')}\0${i}`)
        .digest(),
    );
  return Buffer.concat(parts).subarray(0, size);
}

interface Section {
  readonly header: number;
  readonly name: string;
  readonly type: number;
  readonly offset: number;
  readonly size: number;
}

const sectionHeaderSize = 64;
const types = { symbols: 2, strings: 3, note: 7 };

/** An ELF file of another build: its id, what refers to that, and local symbols that hold a seed. Others stay as they are. */
export function rebuiltElf(file: Buffer, seed: string): Buffer {
  if (file.length < 64 || file.readUInt32BE(0) !== 0x7f454c46 || file.readUInt16BE(4) !== 0x0201) return file;
  const bytes = Buffer.from(file);
  const sections = sectionsOf(bytes);
  const id = chance(20, seed, 'build-id');
  for (const { name, type, offset, size } of sections) {
    if (type === types.note && name === '.note.gnu.build-id' && size === 36) id.copy(bytes, offset + 16);
    // the last four bytes are a CRC of the debug information
    if (name === '.gnu_debuglink' && size === 52) {
      bytes.write(id.toString('hex', 1), offset, 'latin1');
      chance(4, seed, 'crc').copy(bytes, offset + size - 4);
    }
  }
  return sections.length === 0 || sections.some(({ type }) => type === types.symbols)
    ? bytes
    : withSymbols(bytes, seed);
}

function sectionsOf(bytes: Buffer): Section[] {
  const at = Number(bytes.readBigUInt64LE(40));
  const count = bytes.readUInt16LE(60);
  if (at === 0 || at + count * sectionHeaderSize > bytes.length) return [];
  const raw = Array.from({ length: count }, (_, i) => {
    const header = at + i * sectionHeaderSize;
    return {
      header,
      nameAt: bytes.readUInt32LE(header),
      type: bytes.readUInt32LE(header + 4),
      offset: Number(bytes.readBigUInt64LE(header + 24)),
      size: Number(bytes.readBigUInt64LE(header + 32)),
    };
  });
  const names = raw[bytes.readUInt16LE(62)];
  return raw.map(({ nameAt, ...section }) => {
    const start = (names?.offset ?? 0) + nameAt;
    return { ...section, name: bytes.toString('latin1', start, bytes.indexOf(0, start)) };
  });
}

/**
 * Adds a table of local symbols, as files have that are stripped only of debug information: one for each 8 KiB, in names such
 * as GCC makes of a random seed for each source file.
 */
function withSymbols(bytes: Buffer, seed: string): Buffer {
  const headersAt = Number(bytes.readBigUInt64LE(40));
  const count = bytes.readUInt16LE(60);
  const names: Buffer[] = [Buffer.of(0)];
  const symbols: Buffer[] = [Buffer.alloc(24)];
  let nameAt = 1;
  for (let i = 0; i < 2 + bytes.length / 8192; i++) {
    const name = Buffer.from(`_GLOBAL__sub_I_part_${i}.cc_${chance(8, seed, `${i}`).toString('hex')}\0`);
    const symbol = Buffer.alloc(24);
    symbol.writeUInt32LE(nameAt, 0);
    symbol[4] = 2;
    symbol.writeBigUInt64LE(BigInt(0x1000 + i * 8192), 8);
    names.push(name);
    symbols.push(symbol);
    nameAt += name.length;
  }
  const padding = Buffer.alloc((8 - (bytes.length % 8)) % 8);
  const [table, strings] = [Buffer.concat(symbols), Buffer.concat([...names, Buffer.alloc(8 - (nameAt % 8))])];
  const tableAt = bytes.length + padding.length;
  const stringsAt = tableAt + table.length;
  const headers = Buffer.concat([
    bytes.subarray(headersAt, headersAt + count * sectionHeaderSize),
    sectionHeader({ type: types.symbols, offset: tableAt, size: table.length, link: count + 1, entry: 24 }),
    sectionHeader({ type: types.strings, offset: stringsAt, size: nameAt, link: 0, entry: 0 }),
  ]);
  bytes.writeBigUInt64LE(BigInt(stringsAt + strings.length), 40);
  bytes.writeUInt16LE(count + 2, 60);
  return Buffer.concat([bytes, padding, table, strings, headers]);
}

function sectionHeader(plan: { type: number; offset: number; size: number; link: number; entry: number }): Buffer {
  const header = Buffer.alloc(sectionHeaderSize);
  header.writeUInt32LE(plan.type, 4);
  header.writeBigUInt64LE(BigInt(plan.offset), 24);
  header.writeBigUInt64LE(BigInt(plan.size), 32);
  header.writeUInt32LE(plan.link, 40);
  header.writeBigUInt64LE(8n, 48);
  header.writeBigUInt64LE(BigInt(plan.entry), 56);
  return header;
}

/** A .gz file that says when it was packed. */
export function datedGzip(file: Buffer, seed: string): Buffer {
  if (file.length < 18 || file.readUIntBE(0, 3) !== 0x1f8b08) return file;
  const bytes = Buffer.from(file);
  bytes.writeUInt32LE(1_700_000_000 + (chance(4, seed, 'date').readUInt32LE(0) % 10_000_000), 4);
  return bytes;
}

/** Largest list that is put in another order, in bytes. */
const listLimit = 32 * 1024;

/** True for text of many lines, whose order could be that of a directory. */
export function isList(file: Buffer): boolean {
  return (
    file.length > 200 &&
    file.length <= listLimit &&
    !file.includes(0) &&
    file.toString('latin1').split('\n').length > 20
  );
}

/** The lines of a text in another order. */
export function reordered(file: Buffer, seed: string): Buffer {
  const lines = file.toString('latin1').split('\n');
  const keys = new Map(lines.map((line, i) => [i, chance(8, seed, line, `${i}`).toString('hex')]));
  const order = [...lines.keys()].sort((a, b) => (keys.get(a)! < keys.get(b)! ? -1 : 1));
  return Buffer.from(order.map((i) => lines[i]).join('\n'), 'latin1');
}
