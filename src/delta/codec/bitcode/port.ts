// The two ends of a bitstream's way: bits on one side, whole bytes for each value on the other. A port takes a value from its
// own side, puts it on the other and says it, so that one walk over the structure serves both directions.

/** What the walk over a bitstream needs. A value above 2^32 is said by its low half: no structure depends on such. */
export interface Port {
  /** Nothing is left to be read. */
  atEnd(): boolean;
  /** A number of `width` (1 to 32) bits. */
  fixed(width: number): number;
  /** A number of any length in groups of `width` (2 to 32) bits, each but the last with its highest bit set. */
  variable(width: number): number;
  /** One of a-z A-Z 0-9 . _ in 6 bits. */
  char6(): void;
  /** Zero bits up to a multiple of 32. */
  align(): void;
  /** Bytes as they are; the bits are aligned. */
  raw(length: number): void;
  /** The 32 bits that say how many words a block has, which begins behind them: known once endBlock is called with the result. */
  beginBlock(): number;
  endBlock(block: number): void;
}

/** Thrown inside the walk where bits are no bitstream that both directions can do; never leaves this folder. */
export class NoBitstream extends Error {}

export const char6Letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._';
