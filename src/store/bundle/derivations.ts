// Derivations of a bundle: made again from columns, with the paths that follow from them.

import { createHash } from 'node:crypto';
import { drvColumns } from '../../delta/derivations/layout.ts';
import { DrvReader } from '../../delta/derivations/reader.ts';
import { formatError } from '../../errors.ts';
import { memoryTree } from '../../format/nar/memory-tree.ts';
import { packNar } from '../../format/nar/pack.ts';
import { derivationReferences } from '../../model/derivation.ts';
import type { Derivation } from '../../model/derivation.ts';
import { hashBytes } from '../../model/hash.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { StoreDir, StorePath } from '../../model/store-path.ts';
import { unpackColumns } from '../narrow/packed-columns.ts';

export interface BroughtDerivation {
  readonly info: PathInfo;
  readonly text: Uint8Array;
}

/** `before` are the paths with the first numbers. Throws `format`. */
export async function unpackDerivations(
  bytes: Uint8Array,
  storeDir: StoreDir,
  before: readonly StorePath[],
): Promise<BroughtDerivation[]> {
  const input = unpackColumns(bytes, drvColumns, 'list of derivations');
  const reader = new DrvReader(storeDir);
  const paths = [...before];
  const made: BroughtDerivation[] = [];
  // each has a name of its own in this column
  while (input.left(1) > 0) {
    const { path, drv, text } = await reader.read(input, paths.length, (number) => {
      const known = paths[number];
      if (known !== undefined) return known;
      throw formatError('a derivation that refers to an unknown path', {});
    });
    paths.push(path);
    made.push({ info: derivationInfo(path, drv, text), text });
  }
  input.expectEnd();
  return made;
}

/** What a store knows of a derivation with this text. */
export function derivationInfo(path: StorePath, drv: Derivation, text: Uint8Array): PathInfo {
  const ca = { method: 'text', hash: hashBytes(text) } as const;
  return { path, ...narHashOf(text), references: derivationReferences(drv), signatures: [], ca };
}

function narHashOf(text: Uint8Array): Pick<PathInfo, 'narHash' | 'narSize'> {
  const hash = createHash('sha256');
  let narSize = 0;
  for (const chunk of narOfText(text)) {
    hash.update(chunk);
    narSize += chunk.length;
  }
  return { narHash: { algo: 'sha256', bytes: hash.digest() }, narSize };
}

/** The NAR of a file that is not executable. Chunks are borrowed. */
export function narOfText(contents: Uint8Array): Iterable<Uint8Array> {
  return packNar(memoryTree({ type: 'regular', executable: false, contents })) as Iterable<Uint8Array>;
}
