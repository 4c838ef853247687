// Bundles: the table at a volume's end and what stands before the deltas, edited with all hashes right.

import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BaseClosure, inventoryColumns, writeInventory } from '../../../src/delta/base-closure.ts';
import { ColumnWriter } from '../../../src/delta/columns.ts';
import { drvColumns } from '../../../src/delta/derivations/layout.ts';
import { PathInfoWriter, infoColumns } from '../../../src/delta/path-infos.ts';
import { isNarrowError } from '../../../src/errors.ts';
import { defaultStoreDir } from '../../../src/model/store-path.ts';
import { Bundle } from '../../../src/store/bundle/bundle.ts';
import { blockSize, volumeMagic } from '../../../src/store/bundle/volume.ts';
import { packColumns } from '../../../src/store/narrow/packed-columns.ts';
import { tempDir } from '../../lab/temp.ts';
import { edited } from './edits.ts';
import { infosOf } from './infos.ts';
import type { Random } from './random.ts';
import { isRefusal } from './subject.ts';
import type { Subject } from './subject.ts';
import { editedColumns } from './tables.ts';

const storeDir = defaultStoreDir;
const deltaSize = 100;

/** Needs and infos, as columns. */
function tellPaths(): { needs: readonly Uint8Array[]; infos: readonly Uint8Array[] } {
  const [old, fresh] = [infosOf(1), infosOf(2)];
  const base = new BaseClosure(old);
  const needs = new ColumnWriter(inventoryColumns);
  writeInventory(base, needs);
  const infos = new ColumnWriter(infoColumns);
  const writer = new PathInfoWriter(base, { storeDir, complete: true });
  for (const [i, info] of fresh.entries()) writer.write(info, [old[i]!.path], infos);
  return { needs: needs.take(), infos: infos.take() };
}

async function packed(columns: readonly Uint8Array[]): Promise<Uint8Array> {
  const out = new ColumnWriter(columns.length);
  for (const [i, bytes] of columns.entries()) out.bytes(i, bytes);
  return packColumns(out);
}

function lengthOf(...parts: readonly Uint8Array[]): Buffer {
  const lengths = Buffer.alloc(4 * parts.length);
  for (const [i, part] of parts.entries()) lengths.writeUInt32LE(part.length, 4 * i);
  return lengths;
}

/** A volume with these bytes; everything that is hashed is hashed as it is. */
function volume(body: Buffer, table: Uint8Array, signatures: Uint8Array): Buffer {
  const hashes: Buffer[] = [];
  for (let at = 0; at < body.length; at += blockSize)
    hashes.push(
      createHash('sha256')
        .update(body.subarray(at, at + blockSize))
        .digest(),
    );
  const digest = createHash('sha256').update(Buffer.concat(hashes)).update(table).digest();
  const end = Buffer.from('nrwbend\x01', 'latin1');
  return Buffer.concat([volumeMagic, body, ...hashes, table, signatures, lengthOf(table, signatures), digest, end]);
}

export async function bundleSubject(): Promise<Subject> {
  const file = join(tempDir('fuzz-bundle'), 'a.bundle');
  const { needs, infos } = tellPaths();
  const about = Buffer.from(
    JSON.stringify({
      storeDir,
      roots: [infosOf(2)[0]!.path],
      made: 1,
      by: 'narrow',
      for: ['local'],
      since: [],
      withoutBase: 0,
    }),
  );
  const none = await packColumns(new ColumnWriter(drvColumns));
  const [plainNeeds, plainInfos] = [await packed(needs), await packed(infos)];
  const run = async (random: Random): Promise<boolean> => {
    const where = random.below(8);
    const parts: Uint8Array[] = [
      where === 0 ? edited(about, random) : about,
      where === 1 ? await packed(editedColumns(needs, random)) : where === 2 ? edited(plainNeeds, random) : plainNeeds,
      where === 3 ? await packed(editedColumns(infos, random)) : where === 4 ? edited(plainInfos, random) : plainInfos,
      where === 5 ? edited(none, random) : none,
    ];
    const body = Buffer.concat([...parts.flatMap((part) => [lengthOf(part), part]), Buffer.alloc(deltaSize)]);
    const segments = [{ paths: infosOf(2).length, size: deltaSize }];
    const table = Buffer.from(JSON.stringify({ bundle: 'a', volume: 1, start: 0, size: body.length, segments }));
    const signatures = Buffer.from('[]');
    writeFileSync(
      file,
      volume(
        where === 6 ? edited(body, random) : body,
        where === 7 && random.oneIn(2) ? edited(table, random) : table,
        where === 7 ? edited(signatures, random) : signatures,
      ),
    );
    return opens(file);
  };
  return { name: 'bundle', weight: 4, run };
}

async function opens(file: string): Promise<boolean> {
  try {
    await using bundle = await Bundle.open([file]);
    return bundle.infos.length > 0;
  } catch (error) {
    // a table can tell of volumes that are elsewhere
    return !(isNarrowError(error, 'missing') || isRefusal(error));
  }
}
