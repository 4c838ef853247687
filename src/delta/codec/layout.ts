// The columns of the file codec: what each holds, in the order they stand in a delta.

/** Numbers of the columns. */
export const column = {
  /** Of each file its mode and headers, of each window the numbers of its runs, mends and patches. */
  head: 0,
  /** Of each run the literal bytes before it. */
  gap: 1,
  /** Of each run its bytes. */
  length: 2,
  /** Of each run where it begins in the old file, from where the last one would go on; signed. */
  seek: 3,
  /** Bytes that stand in no run. */
  literal: 4,
  /** Of each patch the copied bytes between the last patch and this one. */
  skip: 5,
  /** Of each patch the difference of the fresh byte and the copied one. */
  patch: 6,
  /** Of each mend the fields between the last one that was mended and this one. */
  fieldSkip: 7,
  /** Of each mend the difference of the true target and the predicted one; signed. */
  mend: 8,
} as const;

/** Columns that every ColumnWriter and ColumnReader of the codec must have. */
export const columnCount = 9;

/** How much work goes into few bytes. */
export type Level = 'fast' | 'best';

/** Bytes of a fresh file that are handled at once. */
export const windowSize: number = 8 * 1024 * 1024;

/** Old files up to this size are searched as a whole, bigger ones by excerpts. */
export function searchedSize(level: Level): number {
  return (level === 'fast' ? 32 : 64) * 1024 * 1024;
}

/** Bytes of an excerpt that a window is searched in. */
export function excerptSize(level: Level): number {
  return (level === 'fast' ? 16 : 32) * 1024 * 1024;
}

/** What may be set for a file. */
export interface CodecOptions {
  /** Bytes of a window; windowSize where absent. Both sides must agree. */
  readonly window?: number;
  /** Old files up to this size are searched as a whole; searchedSize where absent. The encoder's own affair. */
  readonly searched?: number;
}

/** How a file is coded. */
export const mode = {
  /** Windows, each with runs of its own. */
  plain: 0,
  /** An executable: its headers, the runs of the whole file, then windows with mended fields. */
  executable: 1,
  /** Files that are expanded: the size of the expanded bytes, then their windows as in plain. LLVM bitcode. */
  bitcode: 2,
  /** GNU message catalogues. */
  catalogue: 3,
  /** A dump of memory: the addresses of both files' first bytes, then the rest as of an executable. */
  dump: 4,
} as const;

/** Files up to this size have their addresses predicted: they are held in memory as a whole. */
export const predictedLimit: number = 80 * 1024 * 1024;
