// What goes beside delta streams in columns: path infos, inventories, derivations, digests, and columns packed as one.

import { BaseClosure, inventoryColumns, readInventory, writeInventory } from '../../../src/delta/base-closure.ts';
import { ColumnReader, ColumnWriter } from '../../../src/delta/columns.ts';
import { DrvReader } from '../../../src/delta/derivations/reader.ts';
import { DrvWriter } from '../../../src/delta/derivations/writer.ts';
import { drvColumns } from '../../../src/delta/derivations/layout.ts';
import { decodeDigests, digestsOf, encodeDigests } from '../../../src/delta/digests.ts';
import { PathInfoReader, PathInfoWriter, infoColumns } from '../../../src/delta/path-infos.ts';
import { memoryTree } from '../../../src/format/nar/memory-tree.ts';
import { formatError } from '../../../src/errors.ts';
import { defaultStoreDir } from '../../../src/model/store-path.ts';
import { packColumns, unpackColumns } from '../../../src/store/narrow/packed-columns.ts';
import { someDerivations } from './derivations.ts';
import { edited } from './edits.ts';
import { infosOf } from './infos.ts';
import type { Random } from './random.ts';
import { small } from './stream-kinds.ts';
import { expectThat, isRefusal } from './subject.ts';
import type { Subject } from './subject.ts';
import { noise } from '../codec/through-codec.ts';

const storeDir = defaultStoreDir;

/** Columns after some edits. */
export function editedColumns(columns: readonly Uint8Array[], random: Random): Uint8Array[] {
  const told = [...columns];
  for (let left = random.few(5); left > 0; left--) {
    const at = random.below(told.length);
    if (random.oneIn(30)) told[at] = columns[random.below(told.length)]!;
    else told[at] = edited(told[at]!, random);
  }
  return told;
}

function taken(read: () => void): boolean {
  try {
    read();
  } catch (error) {
    return !isRefusal(error);
  }
  return true;
}

export async function tableSubjects(): Promise<Subject[]> {
  return [infoSubject(), inventorySubject(), await digestSubject(), await derivationSubject(), await packedSubject()];
}

function infoSubject(): Subject {
  const [old, fresh] = [infosOf(1), infosOf(2)];
  const base = new BaseClosure(old);
  const out = new ColumnWriter(infoColumns);
  const writer = new PathInfoWriter(base, { storeDir });
  for (const [i, info] of fresh.entries()) writer.write(info, i < 5 ? [old[i]!.path] : [], out);
  const columns = out.take();
  const run = (random: Random): boolean => {
    const input = new ColumnReader(editedColumns(columns, random));
    return taken(() => {
      const reader = new PathInfoReader(base);
      for (const _ of fresh) {
        const { narSize, bases } = reader.read(input);
        expectThat(Number.isSafeInteger(narSize) && narSize >= 0, `a size of ${narSize}`);
        expectThat(
          bases.every((number) => base.infos[number] !== undefined),
          'a base that there is not',
        );
      }
      input.expectEnd();
    });
  };
  return { name: 'path infos', weight: 30, run };
}

function inventorySubject(): Subject {
  const out = new ColumnWriter(inventoryColumns);
  writeInventory(new BaseClosure(infosOf(1)), out);
  const columns = out.take();
  const run = (random: Random): boolean => {
    const input = new ColumnReader(editedColumns(columns, random));
    return taken(() => void readInventory(input).digest());
  };
  return { name: 'inventory', weight: 15, run };
}

async function digestSubject(): Promise<Subject> {
  const message = await encodeDigests([digestsOf(memoryTree(small)), digestsOf(memoryTree(small))]);
  const sizes = message.length;
  const run = (random: Random): boolean => {
    let told: Uint8Array = message;
    for (let left = random.few(4); left > 0; left--) told = edited(told, random);
    return taken(() => {
      for (const { index } of decodeDigests(told))
        expectThat(index.length <= told.length + sizes, 'more entries than bytes');
    });
  };
  return { name: 'digests', weight: 15, run };
}

async function derivationSubject(): Promise<Subject> {
  const { before, made } = await someDerivations();
  const writer = new DrvWriter(storeDir);
  for (const { path, text } of made)
    if (!(await writer.take(path, text))) throw new Error(`${path} is not told by columns`);
  const paths = [...before, ...made.map(({ path }) => path)];
  const out = new ColumnWriter(drvColumns);
  for (const [i, { path }] of made.entries()) writer.write(path, before.length + i, (one) => paths.indexOf(one), out);
  const columns = out.take();
  const run = async (random: Random): Promise<boolean> => {
    const input = new ColumnReader(editedColumns(columns, random));
    const known = [...before];
    const reader = new DrvReader(storeDir);
    try {
      while (input.left(1) > 0) {
        const { path } = await reader.read(input, known.length, (number) => {
          const one = known[number];
          if (one === undefined) throw formatError('a derivation that refers to an unknown path', {});
          return one;
        });
        known.push(path);
      }
      input.expectEnd();
    } catch (error) {
      return !isRefusal(error);
    }
    return true;
  };
  return { name: 'derivations', weight: 10, run };
}

async function packedSubject(): Promise<Subject> {
  const out = new ColumnWriter(3);
  out.bytes(0, noise(300, 1));
  out.bytes(1, Buffer.alloc(3000, 'text '));
  const message = await packColumns(out);
  const run = (random: Random): boolean => {
    let told: Uint8Array = message;
    for (let left = random.few(4); left > 0; left--) told = edited(told, random);
    return taken(() => void unpackColumns(told, 3, 'columns'));
  };
  return { name: 'packed columns', weight: 4, run };
}
