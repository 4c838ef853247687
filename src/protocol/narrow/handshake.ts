// The first words between two narrows. The client begins with the hello of the serve protocol, so that one command line can
// start whichever of `narrow stdio` and `nix-store --serve` the host has, and the answer tells which it was.

import type { ByteReader } from '../../bytes/reader.ts';
import { ByteWriter } from '../../bytes/writer.ts';
import { NarrowError } from '../../errors.ts';
import type { StoreDir } from '../../model/store-path.ts';
import { list, text, u64 } from '../codec/codec.ts';
import type { Output } from '../duplex.ts';
import { expectMagic } from '../greeting.ts';
import { newestServe, serveMagic, serveMinor } from '../serve/handshake.ts';

/** The bytes `NRW` and 1, then four zeros. */
export const narrowMagic = 0x0157524e;
/** Versions that are spoken; a newer side speaks the older one's. */
export const newestNarrow = 1;
export const oldestNarrow = 1;

/** What `narrow stdio` says of itself. */
export interface NarrowGreeting {
  readonly version: number;
  /** `narrow 0.1.0`. */
  readonly software: string;
  readonly storeDir: StoreDir;
  /** Names of what both sides may use beyond the version. */
  readonly features: readonly string[];
}

/** Who answered. */
export type Answered =
  | { readonly kind: 'serve'; readonly version: number }
  | { readonly kind: 'narrow'; readonly greeting: NarrowGreeting };

/** Reads the answer to a hello of the serve protocol. Throws `format`, `unsupported`, `unavailable`. */
export async function greetEither(reader: ByteReader, output: Output, storeDir: StoreDir): Promise<Answered> {
  const magic = await expectMagic(reader, serveMagic.server, narrowMagic);
  if (magic === serveMagic.server) return { kind: 'serve', version: await serveMinor(reader, newestServe) };
  const peer = { version: 0, features: new Set<string>(), storeDir };
  const theirs = await u64.get(reader, peer);
  const software = await text.get(reader, peer);
  const dir = await text.get(reader, peer);
  const features = await list(text).get(reader, peer);
  if (theirs < oldestNarrow)
    throw new NarrowError('unsupported', `${reader.name} is ${software}, which is too old`, {
      hint: 'update it there',
    });
  const version = Math.min(theirs, newestNarrow);
  await output.write(new ByteWriter().u64(version).take());
  return { kind: 'narrow', greeting: { version, software, storeDir: dir, features } };
}

/** The server's part; the version that both speak. Throws `format` for a client that is none. */
export async function greetNarrowClient(
  reader: ByteReader,
  output: Output,
  { software, storeDir, features }: Omit<NarrowGreeting, 'version'>,
): Promise<number> {
  const out = new ByteWriter().u64(narrowMagic).u64(newestNarrow).text(software).text(storeDir).texts(features);
  await expectMagic(reader, serveMagic.client);
  await reader.u64('a version of the serve protocol');
  await output.write(out.take());
  await output.flush();
  const version = await reader.u64('a version');
  if (version >= oldestNarrow && version <= newestNarrow) return version;
  throw new NarrowError('unsupported', `${reader.name} asks for version ${version} of narrow's protocol`, {
    hint: 'update narrow on one of the two machines',
  });
}
