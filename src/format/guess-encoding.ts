// Files that users name may be compressed. Nothing that narrow reads can be mistaken for a compressed stream: a NAR begins
// with 0d 00, an export stream with 00 or 01. So the first bytes tell the method, and the name only where it has no magic.

import { ByteReader } from '../bytes/reader.ts';
import type { ByteSource } from '../bytes/source.ts';
import { decode } from './compression.ts';

const magics: readonly (readonly [encoding: string, magic: string])[] = [
  ['xz', 'fd377a585a00'],
  ['zstd', '28b52ffd'],
  ['gzip', '1f8b'],
  ['bzip2', '425a68'],
  ['lzip', '4c5a4950'],
  ['lz4', '04224d18'],
];

const suffixes: Readonly<Record<string, string>> = { '.br': 'br', '.lzma': 'lzma' };

/** Enough for every magic. */
const headSize = 6;

/** The encoding of a stream that begins with `head` and is called `name`. */
export function guessEncoding(head: Uint8Array, name = ''): string {
  const hex = Buffer.from(head.subarray(0, headSize)).toString('hex');
  const found = magics.find(([, magic]) => hex.startsWith(magic))?.[0];
  return found ?? Object.entries(suffixes).find(([suffix]) => name.endsWith(suffix))?.[1] ?? 'none';
}

export interface GuessOptions {
  /** What the input is called in errors; its suffix counts, too. */
  readonly name?: string | undefined;
  /** Known, so nothing is guessed. */
  readonly encoding?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The bytes of `source`, decoded by whatever encoding they turn out to have. */
export async function* decodeGuessed(
  source: ByteSource,
  { name, encoding, signal }: GuessOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  await using reader = new ByteReader(source, name);
  const head: Buffer[] = [];
  for (let size = 0; size < headSize;) {
    const chunk = await reader.peek();
    if (chunk === undefined) break;
    head.push(Buffer.from(chunk));
    size += chunk.length;
    reader.consume(chunk.length);
  }
  const all = (async function* () {
    yield* head;
    yield* reader.rest();
  })();
  yield* decode(encoding ?? guessEncoding(Buffer.concat(head), name), all, { signal, source: name });
}
