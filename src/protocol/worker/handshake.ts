// The first words between client and daemon: versions (the smaller one counts), features, the daemon's own version, and
// whether it trusts the user.

import type { ByteReader } from '../../bytes/reader.ts';
import { ByteWriter } from '../../bytes/writer.ts';
import { NarrowError, formatError } from '../../errors.ts';
import type { StoreDir } from '../../model/store-path.ts';
import type { Peer } from '../codec/codec.ts';
import { list, text, u64 } from '../codec/codec.ts';
import { byPath } from '../codec/realisation.ts';
import type { Output } from '../duplex.ts';
import { expectMagic } from '../greeting.ts';

export const workerMagic = { client: 0x6e697863, server: 0x6478696f } as const;
/** Minor versions of 1.x: the newest that is spoken, and the oldest, of Nix 2.1 to 2.3. */
export const newestWorker = 38;
export const oldestWorker = 21;
const major = 1;

/** Layouts that differ by these are known here. */
export const workerFeatures: readonly string[] = [byPath, 'delete-dead-specific-referrers'];

export type Trust = 'unknown' | 'trusted' | 'untrusted';
const trusts: readonly Trust[] = ['unknown', 'trusted', 'untrusted'];

export interface WorkerPeer extends Peer {
  /** `2.34.8`; empty before 1.33. */
  readonly nixVersion: string;
  readonly trust: Trust;
}

export interface HelloOptions {
  readonly storeDir: StoreDir;
  /** Default the newest; for tests, and for servers that are to look older. */
  readonly version?: number | undefined;
  readonly features?: readonly string[] | undefined;
}

/** The client's first half, sent before anything is known of the daemon. */
export function clientHello(output: Output, { version = newestWorker }: HelloOptions): Promise<void> {
  return output.write(
    new ByteWriter()
      .u64(workerMagic.client)
      .u64((major << 8) | version)
      .take(),
  );
}

/** The client's second half, up to the messages that end the greeting. Throws `format`, `unsupported`. */
export async function greetDaemon(reader: ByteReader, output: Output, options: HelloOptions): Promise<WorkerPeer> {
  const { storeDir, version: newest = newestWorker, features: wanted = workerFeatures } = options;
  await expectMagic(reader, workerMagic.server);
  const version = Math.min(newest, await minor(reader, 'daemon'));
  const hello = new ByteWriter();
  if (version >= 38) hello.texts(wanted);
  hello.u64(0).u64(0); // cpu affinity and reserved space, both obsolete
  await output.write(hello.take());
  await output.flush();
  const any: Peer = { version, features: new Set(), storeDir };
  const theirs = version >= 38 ? await list(text).get(reader, any) : [];
  const nixVersion = version >= 33 ? await text.get(reader, any) : '';
  const trust = version >= 35 ? trusts[await u64.get(reader, any)] : 'unknown';
  return {
    version,
    features: new Set(wanted.filter((f) => theirs.includes(f))),
    storeDir,
    nixVersion,
    trust: trust ?? 'unknown',
  };
}

async function minor(reader: ByteReader, who: string): Promise<number> {
  const offset = reader.position;
  const number = await reader.u64('a version');
  if (number >> 8 !== major) {
    throw formatError(
      'bad protocol version',
      { source: reader.name, offset },
      { expected: '1.x', got: `${number >> 8}.${number & 255}` },
    );
  }
  const version = number & 255;
  if (version >= oldestWorker) return version;
  throw new NarrowError(
    'unsupported',
    `the ${who} of ${reader.name} speaks protocol 1.${version}; narrow speaks 1.${oldestWorker} and later`,
    {
      hint: 'it is older than Nix 2.1: update Nix there',
    },
  );
}

/** The server's part; the caller ends it with the message `last`. */
export async function greetClient(
  reader: ByteReader,
  output: Output,
  options: HelloOptions & { readonly nixVersion: string; readonly trust: Trust },
): Promise<WorkerPeer> {
  const { storeDir, version: newest = newestWorker, features: known = workerFeatures, nixVersion, trust } = options;
  await expectMagic(reader, workerMagic.client);
  await output.write(
    new ByteWriter()
      .u64(workerMagic.server)
      .u64((major << 8) | newest)
      .take(),
  );
  await output.flush();
  const version = Math.min(newest, await minor(reader, 'client'));
  const any: Peer = { version, features: new Set(), storeDir };
  const theirs = version >= 38 ? await list(text).get(reader, any) : [];
  if ((await u64.get(reader, any)) !== 0) await u64.get(reader, any);
  await u64.get(reader, any);
  const rest = new ByteWriter();
  if (version >= 38) rest.texts(known);
  if (version >= 33) rest.text(nixVersion);
  if (version >= 35) rest.u64(trusts.indexOf(trust));
  await output.write(rest.take());
  return { version, features: new Set(known.filter((f) => theirs.includes(f))), storeDir, nixVersion, trust };
}
