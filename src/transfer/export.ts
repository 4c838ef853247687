// Paths of a store as an export stream: verified as they are written, references first.

import { createHash } from 'node:crypto';
import { compareBytes } from '../bytes/byte-string.ts';
import type { ByteSource } from '../bytes/source.ts';
import { NarrowError } from '../errors.ts';
import { closureOf, inOrder } from '../closure/walk.ts';
import { decodableEncodings, decode } from '../format/compression.ts';
import { writeExport } from '../format/export-stream.ts';
import type { ExportItem } from '../format/export-stream.ts';
import type { PackBuffers } from '../format/nar/pack.ts';
import type { PathInfo } from '../model/path-info.ts';
import type { StorePath } from '../model/store-path.ts';
import { closureQuery } from '../store/closure-query.ts';
import { expectSame } from '../store/intake.ts';
import type { Store } from '../store/store.ts';

/** Infos of `paths`, or of their closure, in the order in which Nix exports them. Throws `missing`. */
export async function exportOrder(
  store: Store,
  paths: readonly StorePath[],
  recursive: boolean,
  signal?: AbortSignal,
): Promise<Map<StorePath, PathInfo>> {
  const infos = recursive
    ? await closureOf(closureQuery(store, { signal }), paths, store.url)
    : await store.pathInfos(paths, { signal });
  const missing = paths.filter((path) => !infos.has(path));
  if (missing.length > 0)
    throw new NarrowError('missing', `${store.url} does not have ${missing.join(', ')}`, { data: { missing } });
  // Nix walks a sorted set depth first: the same stream, byte for byte, needs the same walk
  return inOrder(new Map([...infos].sort(([a], [b]) => compareBytes(a, b))));
}

export interface ExportOptions {
  /** Where chunks may be made; see {@link OpenOptions}. */
  readonly buffers?: PackBuffers | undefined;
  readonly onBytes?: ((path: StorePath, bytes: number) => void) | undefined;
  readonly onDone?: ((path: StorePath) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The stream of `infos`, which are of `store` and in order. Throws `integrity` behind the object whose contents are not
 * what the store says: the stream then ends in the middle of it, and no importer takes it.
 */
export function exportPaths(store: Store, infos: Iterable<PathInfo>, options: ExportOptions = {}): ByteSource {
  const items = (function* (): Generator<ExportItem> {
    for (const info of infos) {
      yield {
        info: { path: info.path, references: info.references, deriver: info.deriver },
        nar: () => verified(store, info, options),
      };
    }
  })();
  return writeExport(items, store.storeDir);
}

async function* verified(
  store: Store,
  info: PathInfo,
  options: ExportOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { buffers, signal, onBytes, onDone } = options;
  const nar = await store.open(info, { encodings: decodableEncodings, buffers, signal });
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of decode(nar.encoding, nar.bytes, { signal })) {
    signal?.throwIfAborted();
    size += chunk.length;
    if (size > info.narSize) break;
    hash.update(chunk);
    onBytes?.(info.path, chunk.length);
    yield chunk;
  }
  expectSame(info, { algo: 'sha256', bytes: hash.digest() }, size);
  onDone?.(info.path);
}
