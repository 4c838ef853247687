// Program headers: which bytes of an ELF file are loaded at which addresses. They alone decide it, because the receiver of a
// delta has just these of the file it is about to make. Addresses and offsets are numbers; what is not below 2^48 is broken.

/** Bytes that no segment maps (section headers, .symtab, .strtab) have the address `pseudoBase` + offset, so that offsets
 * into them can be predicted as addresses are. */
export const pseudoBase: number = 2 ** 50;

/** A program header. */
export interface Segment {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
  readonly memorySize: number;
}

export const segmentTypes = { load: 1, dynamic: 2, interpreter: 3, tls: 7, ehFrameHeader: 0x6474e550 } as const;
export const programHeaderSize = 56;
const addressLimit = 2 ** 48;

/** A range of file offsets that have one distance to their addresses. */
export interface Stretch {
  readonly begin: number;
  readonly end: number;
  /** Address minus offset. */
  readonly shift: number;
}

/** Where things are. */
export interface AddressMap {
  /** Mapped addresses, those without file bytes (.bss) included: from `low` to before `addressEnd`. */
  readonly low: number;
  readonly addressEnd: number;
  /** The address of a file offset, a pseudo address where none is mapped there. */
  addressOf(offset: number): number;
  /** The file offset of an address, -1 when the file has no byte for it. */
  offsetOf(address: number): number;
  /** Everything that has an address of its own: whole numbers from 0 on are in exactly one. Ascending. */
  readonly stretches: readonly Stretch[];
  /** The end of the last address that has a byte. */
  readonly bytesEnd: number;
}

/** The headers of `count` segments, one after the other. */
export function readSegments(headers: DataView, count: number): Segment[] {
  return Array.from({ length: count }, (_, i) => {
    const at = i * programHeaderSize;
    const [offset, address, fileSize, memorySize] = [8, 16, 32, 40].map((field) => unsigned64(headers, at + field));
    return {
      type: headers.getUint32(at, true),
      flags: headers.getUint32(at + 4, true),
      offset: offset!,
      address: address!,
      fileSize: fileSize!,
      memorySize: memorySize!,
    };
  });
}

/** The map of the segments that are loaded; undefined when they are broken or overlap. */
export function addressMap(segments: readonly Segment[]): AddressMap | undefined {
  const loads = segments.filter(({ type, memorySize }) => type === segmentTypes.load && memorySize > 0);
  if (loads.length === 0 || loads.some(isBroken)) return undefined;
  const byAddress = [...loads].sort((a, b) => a.address - b.address);
  const inFile = loads.filter(({ fileSize }) => fileSize > 0).sort((a, b) => a.offset - b.offset);
  if (byAddress.some((load, i) => i > 0 && endOf(byAddress[i - 1]!) > load.address)) return undefined;
  if (inFile.some((load, i) => i > 0 && inFile[i - 1]!.offset + inFile[i - 1]!.fileSize > load.offset))
    return undefined;
  return {
    low: byAddress[0]!.address,
    addressEnd: endOf(byAddress.at(-1)!),
    addressOf: addressFinder(inFile),
    offsetOf: offsetFinder(inFile),
    stretches: stretchesOf(inFile),
    bytesEnd: Math.max(...loads.map(({ address, fileSize }) => address + fileSize)),
  };
}

/** The loaded segments and what lies between them. */
function stretchesOf(loads: readonly Segment[]): Stretch[] {
  const stretches: Stretch[] = [];
  let end = 0;
  const addTo = (begin: number): void => {
    if (begin > end) stretches.push({ begin: end, end: begin, shift: pseudoBase });
  };
  for (const { offset, address, fileSize } of loads) {
    addTo(offset);
    end = offset + fileSize;
    stretches.push({ begin: offset, end, shift: address - offset });
  }
  addTo(Infinity);
  return stretches;
}

function isBroken(load: Segment): boolean {
  return load.fileSize > load.memorySize || Math.max(load.address, load.memorySize, load.offset) >= addressLimit;
}

function endOf(load: Segment): number {
  return load.address + load.memorySize;
}

// Each finder tries the segment of its last answer first: questions come in the order of the file.

function addressFinder(loads: readonly Segment[]): (offset: number) => number {
  let last = loads[0];
  return (offset) => {
    if (last !== undefined && offset >= last.offset && offset - last.offset < last.fileSize)
      return offset - last.offset + last.address;
    for (const load of loads)
      if (offset >= load.offset && offset - load.offset < load.fileSize) {
        last = load;
        return offset - load.offset + load.address;
      }
    return pseudoBase + offset;
  };
}

function offsetFinder(loads: readonly Segment[]): (address: number) => number {
  let last = loads[0];
  return (address) => {
    if (last !== undefined && address >= last.address && address - last.address < last.fileSize)
      return address - last.address + last.offset;
    if (address >= pseudoBase) return address - pseudoBase;
    for (const load of loads)
      if (address >= load.address && address - load.address < load.fileSize) {
        last = load;
        return address - load.address + load.offset;
      }
    return -1;
  };
}

/** A 64-bit number; one too large to be exact stays too large. */
export function unsigned64(from: DataView, at: number): number {
  return from.getUint32(at, true) + from.getUint32(at + 4, true) * 2 ** 32;
}
