// The first bytes of the other side. Login shells print things there, and programs of the wrong kind answer: both are
// told by what they said.

import type { ByteReader } from '../bytes/reader.ts';
import { NarrowError } from '../errors.ts';
import { plainText } from './remote-error.ts';

/** How much of what was not expected is shown. */
const shown = 160;
/** How long more of it may take to arrive, in milliseconds. */
const patience = 300;

/** Reads the eight bytes that a peer begins with, one of `magics`. Throws `format` with what stood there instead. */
export async function expectMagic(reader: ByteReader, ...magics: readonly number[]): Promise<number> {
  let possible = magics.map((magic) => ({ magic, bytes: magicBytes(magic) }));
  const seen: number[] = [];
  while (seen.length < 8) {
    const chunk = await reader.peek();
    if (!chunk) break;
    const byte = chunk[0]!;
    possible = possible.filter(({ bytes }) => bytes[seen.length] === byte);
    if (possible.length === 0) throw await notProtocol(reader, Buffer.from(seen));
    reader.consume(1);
    seen.push(byte);
  }
  if (seen.length === 8) return possible[0]!.magic;
  throw new NarrowError('unavailable', `${reader.name ?? 'the other side'} ended before it said anything`);
}

function magicBytes(magic: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(magic);
  return bytes;
}

/** The error for what stood where a greeting should, `before` of it read already. */
export async function notProtocol(reader: ByteReader, before: Buffer): Promise<NarrowError> {
  const text = plainText(Buffer.concat([before, await more(reader)]).toString('utf8'));
  const line = text.split('\n').find((l) => l.trim() !== '') ?? text;
  const got = JSON.stringify(line.trim().slice(0, shown));
  return new NarrowError(
    'format',
    `${reader.name ?? 'the other side'} does not speak the protocol: expected its greeting, got ${got}`,
    {
      hint: 'if a login shell prints this, make it quiet where it is not interactive (in .bashrc: move it below `case $- in *i*) ;; *) return;; esac`)',
      data: { got: text.slice(0, 1000), banner: true },
    },
  );
}

async function more(reader: ByteReader): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, patience);
  let stop = false;
  const read = (async () => {
    for (let size = 0; size < 4096 && !stop;) {
      const chunk = await reader.peek();
      if (!chunk || stop) return;
      chunks.push(Buffer.from(chunk.subarray(0, 4096)));
      size += chunk.length;
      reader.consume(chunk.length);
    }
  })().catch(() => {});
  await Promise.race([read, late.promise]);
  stop = true;
  clearTimeout(timer);
  return Buffer.concat(chunks);
}
