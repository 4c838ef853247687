// .xz files of one block (the .xz file format 1.2), as the xz program and the kernel's build make them.
//
//   recipe = version: 2 bytes (major, minor), preset, dictionary as in a block's header, check + 16 if threaded

import { isDeepStrictEqual } from 'node:util';
import { NarrowError } from '../../errors.ts';
import type { Packer, Proof } from './packer.ts';
import type { XzParameters } from './xz-library.ts';
import { extreme, xzLibrary } from './xz-library.ts';

const magic = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] as const;
const headerSize = 12;
const footerSize = 12;
const lzma2 = 0x21;
/** `xz -9` has 64 MiB. */
const maxDictionaryCode = 28;

/** Encoding takes 11 times the dictionary, as far as contents fill it. */
const mostRemembered = 8 * 1024 * 1024;
const isAffordable = (dictionary: number, size: number): boolean => Math.min(dictionary, size) <= mostRemembered;

/** Dictionaries of the presets 0 to 9, as powers of two. */
const presetDictionaries = [18, 20, 21, 22, 22, 23, 23, 24, 25, 26] as const;

let latest: XzParameters | undefined;

/** The dictionary's size of LZMA2's one byte of properties: 2 or 3 times a power of two. */
const dictionaryOf = (code: number): number => (2 | (code & 1)) * 2 ** ((code >> 1) + 11);

interface Block {
  readonly check: number;
  readonly dictionaryCode: number;
  /** The block's header says how large it is: several threads were allowed. */
  readonly sized: boolean;
  readonly contentsSize: number;
}

/** Undefined for several blocks or streams, other filters than LZMA2, and damage. */
function readBlock(bytes: Uint8Array): Block | undefined {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (file.length < headerSize + footerSize + 16) return undefined;
  const indexSize = (file.readUInt32LE(file.length - 8) + 1) * 4;
  const indexAt = file.length - footerSize - indexSize;
  if (indexAt < headerSize + 8 || file[indexAt] !== 0) return undefined;
  const [count, packedAt] = readNumber(file, indexAt + 1);
  const [packed, sizeAt] = readNumber(file, packedAt);
  const [contentsSize] = readNumber(file, sizeAt);
  // one block that fills the file up to its index: so there is no other stream
  if (count !== 1 || headerSize + Math.ceil(packed / 4) * 4 !== indexAt) return undefined;
  const flags = file[headerSize + 1]!;
  if ((flags & 0x3f) !== 0) return undefined;
  let at = headerSize + 2;
  for (let sizes = ((flags >> 6) & 1) + (flags >> 7); sizes > 0; sizes--) [, at] = readNumber(file, at);
  const [filter, code] = [file[at], file[at + 2]!];
  if (filter !== lzma2 || file[at + 1] !== 1 || code > maxDictionaryCode) return undefined;
  return { check: file[7]! & 15, dictionaryCode: code, sized: flags !== 0, contentsSize };
}

/** A number of up to 7 bytes, and where it ends; -1 for longer ones. */
function readNumber(file: Uint8Array, at: number): readonly [number, number] {
  let value = 0;
  for (let i = 0; i < 7; i++) {
    const byte = file[at + i] ?? 0;
    value += (byte & 127) * 2 ** (7 * i);
    if (byte < 128) return [value, at + i + 1];
  }
  return [-1, at + 7];
}

/** The presets that have this dictionary, then the default one, as the kernel's build takes it with another dictionary. */
function guesses({ check, dictionaryCode, sized }: Block): XzParameters[] {
  const dictionary = dictionaryOf(dictionaryCode);
  const fitting = presetDictionaries.flatMap((log, preset) => (2 ** log === dictionary ? [preset] : []));
  const presets = [...new Set([6, ...fitting.reverse()])].sort((a, b) => rank(b) - rank(a));
  const all = [...presets, ...presets.map((preset) => preset + extreme)].map((preset): XzParameters => ({
    preset,
    dictionary,
    check,
    threaded: sized,
  }));
  const known = all.find((guess) => isDeepStrictEqual(guess, latest));
  return known ? [known, ...all.filter((guess) => guess !== known)] : all;

  // xz -9 is likelier than a default with a dictionary of 64 MiB; the kernel's 1 MiB likelier than xz -1
  function rank(preset: number): number {
    if (preset === 9) return 3;
    return preset === 6 ? 2 : 1;
  }
}

const toolOf = (version: string): string => `xz/${version.split('.').slice(0, 2).join('.')}`;

function prove(bytes: Uint8Array, contents: Uint8Array): Proof | undefined {
  const [library, block] = [xzLibrary(), readBlock(bytes)];
  if (!library || !block || !isAffordable(dictionaryOf(block.dictionaryCode), contents.length)) return undefined;
  for (const guess of guesses(block)) {
    const packed = library.pack(contents, guess, bytes.length);
    if (!packed || Buffer.compare(packed, bytes) !== 0) continue;
    latest = guess;
    const [major, minor] = library.version.split('.').map(Number);
    const last = guess.check + (guess.threaded ? 16 : 0);
    const recipe = Uint8Array.of(major!, minor!, guess.preset, block.dictionaryCode, last);
    return { tool: toolOf(library.version), recipe };
  }
  return undefined;
}

function pack(recipe: Uint8Array, contents: Uint8Array, size: number): Uint8Array | undefined {
  const [major, minor, preset = 0, code = 0, last = 0] = recipe;
  if (recipe.length !== 5 || preset % extreme > 9 || preset >= 2 * extreme || code > maxDictionaryCode || last > 31)
    return undefined;
  if (!isAffordable(dictionaryOf(code), contents.length)) return undefined;
  const tool = `xz/${major}.${minor}`;
  const library = xzLibrary();
  if (!library || toolOf(library.version) !== tool)
    throw new NarrowError('unsupported', `a file was packed by ${tool}, which is not here`, { data: { tool } });
  const parameters = { preset, dictionary: dictionaryOf(code), check: last & 15, threaded: last >= 16 };
  return library.pack(contents, parameters, size);
}

function expand(bytes: Uint8Array, limit: number): Uint8Array | undefined {
  const block = readBlock(bytes);
  if (!block || block.contentsSize > limit || block.contentsSize < 0) return undefined;
  return xzLibrary()?.expand(bytes, block.contentsSize);
}

export const xz: Packer = {
  kind: 'xz',
  magic,
  tools: () => {
    const library = xzLibrary();
    return library ? [toolOf(library.version)] : [];
  },
  expand,
  prove,
  pack,
};
