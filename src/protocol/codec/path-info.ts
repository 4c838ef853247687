// What both protocols tell of a path, each in its own order of the same fields.

import type { ContentAddress } from '../../model/content-address.ts';
import { formatContentAddress, parseContentAddress } from '../../model/content-address.ts';
import { NarrowError } from '../../errors.ts';
import type { Hash } from '../../model/hash.ts';
import { encodeHash, formatHash, parseHash } from '../../model/hash.ts';
import type { PathInfo } from '../../model/path-info.ts';
import { sortedUnique } from '../../model/path-info.ts';
import type { StorePath } from '../../model/store-path.ts';
import type { Codec, Peer } from './codec.ts';
import { fields, flag, list, mapped, orNone, since, text, textual, u64 } from './codec.ts';
import { optionalPath, path, pathSet } from './store-path.ts';

const ca: Codec<ContentAddress | undefined> = orNone(textual(parseContentAddress, formatContentAddress));
/** SHA-256 in base 16 without its name. */
const bareHash: Codec<Hash> = textual(
  (value) => parseHash(value, 'sha256'),
  (value) => encodeHash(value, 'base16'),
);
export const signatures: Codec<readonly string[]> = list(text);

/** A path's info without the path. */
export type UnkeyedInfo = Omit<PathInfo, 'path' | 'file'>;

interface WorkerFields {
  readonly deriver: StorePath | undefined;
  readonly narHash: Hash;
  readonly references: readonly StorePath[];
  readonly registrationTime: number;
  readonly narSize: number;
  readonly ultimate: boolean;
  readonly signatures: readonly string[];
  readonly ca: ContentAddress | undefined;
}

const workerFields: Codec<WorkerFields> = fields<WorkerFields>({
  deriver: optionalPath,
  narHash: bareHash,
  references: pathSet,
  registrationTime: u64,
  narSize: u64,
  ultimate: since(16, flag, false),
  signatures: since(16, signatures, []),
  ca: since(16, ca, undefined),
});

function clean<T extends { references: readonly StorePath[]; signatures: readonly string[] }>(value: T): T {
  return { ...value, references: sortedUnique(value.references), signatures: sortedUnique(value.signatures) };
}

/** Worker protocol: deriver, hash, references, time, size, ultimate, signatures, content address. */
export const unkeyedInfo: Codec<UnkeyedInfo> = mapped<WorkerFields, UnkeyedInfo>(workerFields, clean, (info) => ({
  deriver: info.deriver,
  narHash: info.narHash,
  references: info.references,
  registrationTime: info.registrationTime ?? 0,
  narSize: info.narSize,
  ultimate: info.ultimate ?? false,
  signatures: info.signatures,
  ca: info.ca,
}));

/** Worker protocol: path, then {@link unkeyedInfo}. */
export const pathInfo: Codec<PathInfo> = mapped<{ path: StorePath; info: UnkeyedInfo }, PathInfo>(
  fields({ path, info: unkeyedInfo }),
  (value) => ({ path: value.path, ...value.info }),
  (info) => ({ path: info.path, info }),
);

/** The layout inside AddMultipleToStore is that of 1.16 whatever was agreed on. */
export const bulkInfo: Codec<PathInfo> = {
  put: (out, value, peer) => pathInfo.put(out, value, bulkPeer(peer)),
  get: (input, peer) => pathInfo.get(input, bulkPeer(peer)),
};

function bulkPeer(peer: Peer): Peer {
  return { ...peer, version: 16 };
}

type ServeFields = Pick<PathInfo, 'references' | 'narSize' | 'signatures'> & {
  readonly deriver: StorePath | undefined;
  readonly downloadSize: number;
  readonly narHash: Hash | undefined;
  readonly ca: ContentAddress | undefined;
};

const namedHash: Codec<Hash | undefined> = orNone(
  textual(
    (value) => parseHash(value, 'sha256'),
    (value) => formatHash(value),
  ),
);

const serveFields: Codec<ServeFields> = fields<ServeFields>({
  deriver: optionalPath,
  references: pathSet,
  downloadSize: u64,
  narSize: u64,
  narHash: since(4, namedHash, undefined),
  ca: since(4, ca, undefined),
  signatures: since(4, signatures, []),
});

/** Serve protocol: deriver, references, download size, size, hash, content address, signatures. */
export const serveInfo: Codec<UnkeyedInfo> = mapped<ServeFields, UnkeyedInfo>(
  serveFields,
  ({ downloadSize: _, narHash, ...info }) => {
    if (narHash) return { ...clean(info), narHash };
    throw new NarrowError('unsupported', 'the other side tells no NAR hashes: expected serve protocol 2.4 or later');
  },
  (info) => ({
    deriver: info.deriver,
    references: info.references,
    downloadSize: info.narSize,
    narSize: info.narSize,
    narHash: info.narHash,
    ca: info.ca,
    signatures: info.signatures,
  }),
);

/** Of any number of paths, ended by an empty string. */
export const serveInfos: Codec<readonly PathInfo[]> = {
  put(out, values, peer) {
    for (const value of values) {
      path.put(out, value.path, peer);
      serveInfo.put(out, value, peer);
    }
    out.text('');
  },
  async get(input, peer) {
    const values: PathInfo[] = [];
    for (;;) {
      const next = await optionalPath.get(input, peer);
      if (next === undefined) return values;
      values.push({ path: next, ...(await serveInfo.get(input, peer)) });
    }
  },
};

/** The head of the serve protocol's AddToStoreNar: like the worker's, in its own order. */
export const serveAddInfo: Codec<PathInfo> = mapped<{ path: StorePath; info: WorkerFields }, PathInfo>(
  fields({ path, info: atLeast16(workerFields) }),
  (value) => ({ path: value.path, ...clean(value.info) }),
  (info) => ({
    path: info.path,
    info: {
      ...info,
      deriver: info.deriver,
      registrationTime: info.registrationTime ?? 0,
      ultimate: info.ultimate ?? false,
      ca: info.ca,
    },
  }),
);

function atLeast16<T>(codec: Codec<T>): Codec<T> {
  return {
    put: (out, value, peer) => codec.put(out, value, bulkPeer(peer)),
    get: (input, peer) => codec.get(input, bulkPeer(peer)),
  };
}
