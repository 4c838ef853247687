// A part of an ELF file that holds addresses, and the role that says how it is read.

export type Role =
  | 'code'
  | 'procedureLinkage'
  | 'constants'
  | 'data'
  | 'relocations'
  | 'relativeRelocations'
  | 'symbols'
  | 'dynamic'
  | 'hash'
  | 'gnuHash'
  | 'versionNeeds'
  | 'versionDefinitions'
  | 'ehFrame'
  | 'ehFrameHeader'
  | 'exceptTable'
  | 'sectionHeaders';

export interface Section {
  readonly role: Role;
  readonly offset: number;
  readonly size: number;
  /** Address of the first byte. */
  readonly address: number;
  /** Address of the table that this one's numbers count in: strings of symbols, symbols of relocations. 0: none. */
  readonly linked: number;
}
