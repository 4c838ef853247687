// The bytes of a carried file, decoded: read where they lie, or out of a temporary file when they are compressed.

import { collect } from '../../bytes/source.ts';
import { NarrowError, formatError } from '../../errors.ts';
import { decodeGuessed, guessEncoding } from '../../format/guess-encoding.ts';
import { openInput } from '../../fs/input.ts';
import { Spool } from '../../fs/spool.ts';
import { carriedKind, kindHead } from './carried-kind.ts';
import type { CarriedKind } from './carried-kind.ts';
import type { LocalTar } from './tar-files.ts';

export interface CarriedBytes extends LocalTar, AsyncDisposable {
  readonly kind: CarriedKind;
  /** The first of them. */
  readonly head: Buffer;
  /** Bytes of the file as it is, and how it is compressed. */
  readonly fileSize: number;
  readonly encoding: string;
}

const unknown = 'what narrow bundle, nix-store --export or a static cache in a tar archive is made of';

/** Tells what `file` is, without reading more than its beginning. Throws `io`. */
export async function kindOfFile(file: string, signal?: AbortSignal): Promise<CarriedKind | undefined> {
  await using input = await openInput(file, signal);
  return carriedKind(await headOf(decodeGuessed(input.read(), { name: file, signal })));
}

/** Opens `file`. Throws `io`, and `format` when it is none of all that. */
export async function openCarriedBytes(file: string, signal?: AbortSignal): Promise<CarriedBytes> {
  await using stack = new AsyncDisposableStack();
  const input = stack.use(await openInput(file, signal));
  if (!input.file) throw new NarrowError('usage', `${file} is no file`, { hint: 'narrow import reads pipes' });
  const encoding = guessEncoding(await collect(input.file.range(0, 6)), file);
  const spool = encoding === 'none' ? undefined : stack.use(new Spool());
  if (spool)
    for await (const chunk of decodeGuessed(input.read(), { name: file, encoding, signal })) await spool.write(chunk);
  const { file: lying } = input;
  const range = spool ? spool.read.bind(spool) : lying.range;
  const head = await collect(range(0, kindHead));
  const kind = carriedKind(head);
  if (kind === undefined)
    throw formatError('an unknown kind of file', { source: file, offset: 0 }, { expected: unknown, got: shown(head) });
  const owned = stack.move();
  return {
    kind,
    head,
    name: file,
    size: spool?.size ?? lying.size,
    fileSize: lying.size,
    encoding,
    range,
    path: spool ? undefined : lying.path,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function headOf(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of source) {
    chunks.push(Buffer.from(chunk.subarray(0, kindHead)));
    size += chunk.length;
    if (size >= kindHead) break;
  }
  return Buffer.concat(chunks).subarray(0, kindHead);
}

function shown(head: Buffer): string {
  return JSON.stringify(head.toString('latin1', 0, 16));
}
