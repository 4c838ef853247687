// Zstandard frames, as the zstd program makes them.
//
//   recipe = version: 3 bytes, level + 128, flags (1 checksum, 2 sized, 4 threaded), long: 1

import { isDeepStrictEqual } from 'node:util';
import { zstdDecompressSync } from 'node:zlib';
import { NarrowError } from '../../errors.ts';
import { FrameScanner } from '../../format/compression/zstd-frames.ts';
import { faultsOf } from '../../format/compression/codec.ts';
import { giveBack } from '../give-back.ts';
import type { Packer, Proof } from './packer.ts';
import { inOnePiece, startsWith } from './packer.ts';
import type { ZstdEngine, ZstdParameters } from './zstd-engine.ts';
import { zstdEngines } from './zstd-engine.ts';

const magic = [0x28, 0xb5, 0x2f, 0xfd] as const;

/** Of the contents this much is tried with each guess; two blocks, of which the first is looked at. */
const trialSize = 256 * 1024;

/** Levels above 19 take a gigabyte for contents of more than this, or of a size that zstd is not told at the start. */
const ultraLimit = 8 * 1024 * 1024;

const highestLevel = (sized: boolean, size: number): number => (sized && size <= ultraLimit ? 22 : 19);

/** Whole packings that may be tried for one file. */
const maxPackings = 6;

/** Up to this much is one job at any level, and is packed the same whether or not for several threads. */
const oneJob = 2 * 1024 * 1024;

/** Window of each level from 1 up, as a power of two, for contents of more than 256 KiB. */
const windows = [19, 20, 21, 21, 21, 21, 21, 21, 22, 22, 22, 22, 22, 22, 22, 22, 23, 23, 23, 25, 26, 27] as const;

/** What people use, most likely first; then the others. */
const likely = [19, 3, 10, 22, 9, 1, 6, 15, 18, 12];
const levels = [...likely, ...windows.map((_, at) => at + 1).filter((level) => !likely.includes(level))];

const longWindow = 27;

/** Contents of most frames are not more times as long. */
const usualRatio = 8;

/** What the last file was made with: files of one package are made alike. */
let latest: ZstdParameters | undefined;

interface Header {
  readonly checksum: boolean;
  readonly sized: boolean;
  /** Undefined: the contents are one segment, their size is the window. */
  readonly windowLog: number | undefined;
  /** End of the first block. */
  readonly firstBlock: number;
}

/** RFC 8878 §3.1.1.1. Undefined for what the zstd program does not make: dictionaries, odd windows. */
function readHeader(frame: Buffer): Header | undefined {
  const descriptor = frame[4]!;
  const single = (descriptor & 0x20) !== 0;
  if ((descriptor & 3) !== 0) return undefined;
  const window = single ? undefined : frame[5]!;
  if (window !== undefined && (window & 7) !== 0) return undefined;
  const sizeBytes = [single ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  const block = 5 + (single ? 0 : 1) + sizeBytes;
  if (block + 3 > frame.length) return undefined;
  const blockHeader = frame.readUIntLE(block, 3);
  const isRepeat = ((blockHeader >> 1) & 3) === 1;
  return {
    checksum: (descriptor & 4) !== 0,
    sized: sizeBytes > 0,
    windowLog: window === undefined ? undefined : (window >> 3) + 10,
    firstBlock: Math.min(frame.length, block + 3 + (isRepeat ? 1 : blockHeader >> 3)),
  };
}

function guesses({ checksum, sized, windowLog }: Header, size: number): ZstdParameters[] {
  const fits = (level: number, long: number): boolean =>
    level <= highestLevel(sized, size) && (windowLog === undefined || windowLog === (long || windows[level - 1]));
  const ways = size <= oneJob ? [true] : [true, false];
  const all = [0, longWindow].flatMap((long) =>
    levels
      .filter((level) => fits(level, long))
      .flatMap((level) => ways.map((threaded) => ({ level, checksum, sized, threaded, long }))),
  );
  const known = all.find((guess) => isDeepStrictEqual(guess, latest));
  return known ? [known, ...all.filter((guess) => guess !== known)] : all;
}

function prove(bytes: Uint8Array, contents: Uint8Array, tools: readonly string[]): Proof | undefined {
  const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const header = readHeader(frame);
  if (!header) return undefined;
  const first = frame.subarray(0, header.firstBlock);
  for (const engine of zstdEngines().filter(({ version }) => tools.includes(toolOf(version)))) {
    let packings = 0;
    for (const guess of guesses(header, contents.length)) {
      if (!mayFit(engine, contents, guess, first)) continue;
      const packed = engine.pack(contents, guess, bytes.length);
      const isSame = packed !== undefined && Buffer.compare(packed, frame) === 0;
      if (packed) giveBack(packed);
      if (isSame) {
        latest = guess;
        return { tool: toolOf(engine.version), recipe: recipeOf(engine.version, guess) };
      }
      if (contents.length > trialSize && ++packings === maxPackings) break;
    }
  }
  return undefined;
}

/** False when a trial shows that the guess is wrong. */
function mayFit(engine: ZstdEngine, contents: Uint8Array, guess: ZstdParameters, first: Uint8Array): boolean {
  if (contents.length <= trialSize) return true;
  const begun = engine.begin(contents, guess, trialSize);
  return begun === undefined || startsWith(begun, first);
}

const toolOf = (version: string): string => `zstd/${version}`;

function recipeOf(version: string, { level, checksum, sized, threaded, long }: ZstdParameters): Uint8Array {
  const flags = (checksum ? 1 : 0) | (sized ? 2 : 0) | (threaded ? 4 : 0);
  return Uint8Array.of(...version.split('.').map(Number), level + 128, flags, long);
}

function pack(recipe: Uint8Array, contents: Uint8Array, size: number): Uint8Array | undefined {
  if (recipe.length !== 6) return undefined;
  const version = recipe.subarray(0, 3).join('.');
  const [level, flags, long] = [recipe[3]! - 128, recipe[4]!, recipe[5]!];
  // what a stranger may ask for is what we would guess: it is known to fit into memory
  const possible =
    level >= 1 && level <= highestLevel((flags & 2) > 0, contents.length) && (long === 0 || long === longWindow);
  if (!possible || flags > 7) return undefined;
  const engine = zstdEngines().find((each) => each.version === version);
  if (!engine) {
    throw new NarrowError('unsupported', `a file was packed by zstd ${version}, which is not here`, {
      data: { tool: toolOf(version) },
    });
  }
  const parameters = { level, checksum: (flags & 1) > 0, sized: (flags & 2) > 0, threaded: (flags & 4) > 0, long };
  return engine.pack(contents, parameters, size);
}

/** One frame and nothing behind it. */
function isOneFrame(bytes: Buffer): boolean {
  const scanner = new FrameScanner(faultsOf('zstd', undefined));
  try {
    const frames = [...scanner.cut(bytes)];
    scanner.finish();
    return frames.length === 1;
  } catch {
    return false;
  }
}

function expand(bytes: Uint8Array, limit: number): Uint8Array | undefined {
  const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (!isOneFrame(frame)) return undefined;
  try {
    return zstdDecompressSync(frame, inOnePiece(usualRatio * bytes.length, limit));
  } catch {
    return undefined;
  }
}

export const zstd: Packer = {
  kind: 'zstd',
  magic,
  tools: () => zstdEngines().map(({ version }) => toolOf(version)),
  expand,
  prove,
  pack,
};
