// The columns of path infos; docs/formats/path-infos.md tells what is in each.

export const column = {
  /** A number for each path: what is not as predicted. */
  head: 0,
  /** 20-byte hash parts of paths. */
  parts: 1,
  /** Numbers of bases. */
  bases: 2,
  /** Lengths that make a name from another one, and the bytes between. */
  names: 3,
  text: 4,
  sizes: 5,
  references: 6,
  /** Derivers that were not named before: 20-byte hash parts. */
  derivers: 7,
  /** SHA-256 of NARs, and the digests of addresses that cannot be computed. */
  digests: 8,
  /** 64 bytes each. */
  signatures: 9,
  /** Which keys signed, which kind of address. */
  kinds: 10,
} as const;

export const infoColumns = 11;

/** Bits of a head, from 8 up; below it is one of {@link deriverIs}. Each says that something is not as predicted. */
export const headBits = {
  bases: 8,
  name: 16,
  references: 32,
  size: 64,
  /** The one before had its NAR hash sent and this one has not, or the other way round. */
  hashed: 128,
  /** Other keys signed than before. */
  keys: 256,
  /** Another kind of address than before. */
  address: 512,
} as const;

/** How a head tells the deriver. */
export const deriverIs = {
  none: 0,
  /** The last one told whose name is predicted. */
  known: 1,
  /** New, named like the path. */
  ofPath: 2,
  /** New, named like the path without its output. */
  ofPackage: 3,
  /** A path with a number. */
  numbered: 4,
  /** New, with a name of its own. */
  named: 5,
} as const;
