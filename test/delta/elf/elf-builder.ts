// Makes small ELF files for tests: one loaded segment with everything, section headers behind.

/** A section as tests write it. */
export interface SectionPlan {
  readonly name: string;
  readonly type: number;
  readonly flags?: number;
  readonly bytes: Uint8Array;
  /** The name of the section that `link` points to. */
  readonly link?: string;
}

export interface ElfPlan {
  readonly machine?: 62 | 183;
  /** 2: loaded where it says; 3: anywhere. */
  readonly type?: 2 | 3;
  readonly base?: number;
  readonly sections: readonly SectionPlan[];
  /** Bytes behind the last loaded one that have addresses only. */
  readonly blank?: number;
  readonly withoutSectionHeaders?: boolean;
  /** Bytes before the first section: shifts all of them. */
  readonly gap?: number;
}

export const sectionTypes = {
  code: 1,
  data: 1,
  symbols: 11,
  strings: 3,
  relocations: 4,
  dynamic: 6,
  gnuHash: 0x6ffffff6,
};
export const sectionFlags = { constants: 2, data: 3, code: 6 };

export interface BuiltElf {
  readonly bytes: Buffer;
  /** Offsets by section name; addresses are base + offset. */
  readonly at: ReadonlyMap<string, number>;
}

const align = 16;

/** Lays out the sections one after the other and writes the headers. */
export function buildElf(plan: ElfPlan): BuiltElf {
  const { machine = 62, type = 3, base = 0, sections, blank = 0, gap = 0 } = plan;
  const dynamic = sections.findIndex((section) => section.type === sectionTypes.dynamic);
  const segments = dynamic < 0 ? 1 : 2;
  const at = new Map<string, number>();
  let end = Math.ceil((64 + 56 * segments + gap) / align) * align;
  for (const { name, bytes } of sections) {
    at.set(name, end);
    end = Math.ceil((end + bytes.length) / align) * align;
  }
  const loaded = end;
  const names = Buffer.from(`\0${sections.map(({ name }) => name).join('\0')}\0`, 'latin1');
  const headersAt = Math.ceil((end + names.length) / 8) * 8;
  const bytes = Buffer.alloc(headersAt + 64 * (sections.length + 2));
  bytes.write('\x7fELF\x02\x01\x01', 'latin1');
  bytes.writeUInt16LE(type, 16);
  bytes.writeUInt16LE(machine, 18);
  writeLong(bytes, 32, 64);
  bytes.writeUInt16LE(56, 54);
  bytes.writeUInt16LE(segments, 56);
  if (plan.withoutSectionHeaders !== true) {
    writeLong(bytes, 40, headersAt);
    bytes.writeUInt16LE(64, 58);
    bytes.writeUInt16LE(sections.length + 2, 60);
    bytes.writeUInt16LE(sections.length + 1, 62);
  }
  writeSegment(bytes, 64, { type: 1, offset: 0, address: base, fileSize: loaded, memorySize: loaded + blank });
  if (dynamic >= 0) {
    const { name, bytes: table } = sections[dynamic]!;
    const size = table.length;
    writeSegment(bytes, 120, {
      type: 2,
      offset: at.get(name)!,
      address: base + at.get(name)!,
      fileSize: size,
      memorySize: size,
    });
  }
  for (const [i, section] of sections.entries()) {
    bytes.set(section.bytes, at.get(section.name)!);
    const header = headersAt + 64 * (i + 1);
    bytes.writeUInt32LE(names.indexOf(`\0${section.name}\0`) + 1, header);
    bytes.writeUInt32LE(section.type, header + 4);
    writeLong(bytes, header + 8, section.flags ?? sectionFlags.constants);
    writeLong(bytes, header + 16, base + at.get(section.name)!);
    writeLong(bytes, header + 24, at.get(section.name)!);
    writeLong(bytes, header + 32, section.bytes.length);
    bytes.writeUInt32LE(sections.findIndex(({ name }) => name === section.link) + 1, header + 40);
  }
  names.copy(bytes, loaded);
  const nameHeader = headersAt + 64 * (sections.length + 1);
  bytes.writeUInt32LE(sectionTypes.strings, nameHeader + 4);
  writeLong(bytes, nameHeader + 24, loaded);
  writeLong(bytes, nameHeader + 32, names.length);
  return { bytes, at };
}

interface SegmentPlan {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
  readonly memorySize: number;
}

function writeSegment(bytes: Buffer, at: number, segment: SegmentPlan): void {
  bytes.writeUInt32LE(segment.type, at);
  bytes.writeUInt32LE(7, at + 4);
  writeLong(bytes, at + 8, segment.offset);
  writeLong(bytes, at + 16, segment.address);
  writeLong(bytes, at + 24, segment.address);
  writeLong(bytes, at + 32, segment.fileSize);
  writeLong(bytes, at + 40, segment.memorySize);
}

/** 64-bit numbers, one after the other. */
export function longs(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 8);
  for (const [i, value] of values.entries()) writeLong(bytes, i * 8, value);
  return bytes;
}

/** 32-bit numbers, negative ones too. */
export function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [i, value] of values.entries()) bytes.writeUInt32LE(value >>> 0, i * 4);
  return bytes;
}

/** Bytes written as hexadecimal digits. */
export function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex');
}

function writeLong(bytes: Buffer, at: number, value: number): void {
  bytes.writeBigUInt64LE(BigInt(value), at);
}
