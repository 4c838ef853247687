// The first words of the serve protocol: both sides tell their version, the smaller one counts.

import type { ByteReader } from '../../bytes/reader.ts';
import { ByteWriter } from '../../bytes/writer.ts';
import { NarrowError, formatError } from '../../errors.ts';
import type { Output } from '../duplex.ts';
import { expectMagic } from '../greeting.ts';

export const serveMagic = { client: 0x390c9deb, server: 0x5452eecb } as const;
/** Minor versions of 2.x: the newest that is spoken; 2.5, of Nix 2.1, is the first that takes single paths. */
export const newestServe = 7;
export const oldestServe = 5;
const major = 2;

/** The client's greeting; requests whose layout no version changed may follow at once. */
export function serveHello(output: Output, version: number = newestServe): Promise<void> {
  return output.write(
    new ByteWriter()
      .u64(serveMagic.client)
      .u64((major << 8) | version)
      .take(),
  );
}

/** Reads the server's greeting; the minor version that both speak. Throws `format`, `unsupported`. */
export async function greetServer(reader: ByteReader, version: number = newestServe): Promise<number> {
  await expectMagic(reader, serveMagic.server);
  return serveMinor(reader, version);
}

/** What follows the server's magic. */
export async function serveMinor(reader: ByteReader, version: number): Promise<number> {
  const theirs = await minor(reader);
  if (theirs >= oldestServe) return Math.min(theirs, version);
  throw new NarrowError(
    'unsupported',
    `${reader.name} speaks serve protocol 2.${theirs}; narrow speaks 2.${oldestServe} and later`,
    {
      hint: 'the Nix there is older than 2.1: update it',
    },
  );
}

/** The server's part. */
export async function greetServeClient(
  reader: ByteReader,
  output: Output,
  version: number = newestServe,
): Promise<number> {
  await expectMagic(reader, serveMagic.client);
  await output.write(
    new ByteWriter()
      .u64(serveMagic.server)
      .u64((major << 8) | version)
      .take(),
  );
  await output.flush();
  return Math.min(await minor(reader), version);
}

async function minor(reader: ByteReader): Promise<number> {
  const offset = reader.position;
  const number = await reader.u64('a version');
  if (number >> 8 === major) return number & 255;
  throw formatError(
    'bad protocol version',
    { source: reader.name, offset },
    { expected: '2.x', got: `${number >> 8}.${number & 255}` },
  );
}
