// One store object on its way in: unpacked at its final name (the collector deletes every other name) while its lock and a
// temporary root are held, checked, and taken back when anything is wrong.

import { renameSync } from 'node:fs';
import type { ByteString } from '../../bytes/byte-string.ts';
import { ioError } from '../../errors.ts';
import { directorySink } from '../../fs/directory-sink.ts';
import { readRange } from '../../fs/file-range.ts';
import { removeTree } from '../../fs/remove.ts';
import type { NarVisitor } from '../../format/nar/tree.ts';
import type { Intake } from '../intake.ts';
import { takeNar } from '../intake.ts';
import type { Item, OpenNar, OpenOptions } from '../store.ts';
import { contentCheck } from '../content-check.ts';
import { FileHashes, linkFiles } from './optimise.ts';

export interface UnpackOptions {
  /** The store's real directory. */
  readonly realDir: string;
  readonly optimise: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/** Unpacks an item whose path is locked, over whatever an earlier attempt left there. Throws what is wrong with it. */
export async function unpackObject(item: Item, options: UnpackOptions): Promise<Intake> {
  const { realDir, optimise, signal, onBytes } = options;
  const path = `${realDir}/${item.info.path}`;
  const check = contentCheck(item.info);
  const hashes = optimise ? new FileHashes() : undefined;
  removeTree(path);
  const sink = directorySink(path, { canonical: true });
  try {
    const visitor = all([sink, check?.visitor, hashes]);
    const intake = await takeNar(item, { visitor, onChunk: check?.onChunk, onBytes, signal });
    check?.verify();
    sink.finish();
    if (hashes) linkFiles(realDir, path, hashes.files);
    return intake;
  } catch (error) {
    sink.abort();
    takeBack(path);
    throw error;
  }
}

/** The item, read at once where its bytes lie in a file of this machine. */
export function readAtOnce(item: Item): Item {
  const open = async (options?: OpenOptions): Promise<OpenNar> => {
    const nar = await item.open(options);
    return nar.local ? { ...nar, bytes: readRange(nar.local) } : nar;
  };
  return { ...item, open };
}

/** Removes what was unpacked; what cannot be removed is garbage that the next attempt or a collector removes. */
export function takeBack(path: string): void {
  try {
    removeTree(path);
  } catch {
    // The failure that led here is the one to report.
  }
}

/** Replaces a valid object: the old one is put aside, and back if the new one fails. */
export async function replaceObject(item: Item, options: UnpackOptions): Promise<Intake> {
  const path = `${options.realDir}/${item.info.path}`;
  // The name begins with the path's own, so that collectors keep it under the same temporary root.
  const aside = `${path}.old-${process.pid}`;
  const moved = move(path, aside);
  try {
    const intake = await unpackObject(item, options);
    takeBack(aside);
    return intake;
  } catch (error) {
    if (moved) move(aside, path);
    throw error;
  }
}

function move(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw ioError('rename', from, error);
  }
}

/** Tells each event to all of them, in order; the sink alone needs no detour. */
function all(visitors: readonly (NarVisitor | undefined)[]): NarVisitor {
  const some = visitors.filter((visitor) => visitor !== undefined);
  const [first] = some;
  if (first && some.length === 1) return first;
  return {
    directory: (name: ByteString) => some.forEach((v) => v.directory(name)),
    leave: () => some.forEach((v) => v.leave()),
    regular: (name, executable, size, offset) => some.forEach((v) => v.regular(name, executable, size, offset)),
    contents: (chunk) => some.forEach((v) => v.contents(chunk)),
    closeRegular: () => some.forEach((v) => v.closeRegular()),
    symlink: (name, target) => some.forEach((v) => v.symlink(name, target)),
  };
}
