// Delta streams that are fuzzed: of each kind of path one, made by the encoder from small trees, and then edited in all layers.

import { packingTools } from '../../../src/delta/recompress/member.ts';
import { decodeDelta } from '../../../src/delta/stream.ts';
import type { DeltaTarget } from '../../../src/delta/stream.ts';
import { unit } from '../../../src/delta/layout.ts';
import { memoryTree } from '../../../src/format/nar/memory-tree.ts';
import { NarParser } from '../../../src/format/nar/parser.ts';
import { noVisitor } from '../../../src/format/nar/tree.ts';
import type { SyncFileTree } from '../../../src/format/nar/tree.ts';
import { directory, file } from '../nodes.ts';
import { encoded, pieces, targetsOf } from '../round-trip.ts';
import { edited } from './edits.ts';
import type { Random } from './random.ts';
import { small, streamKinds } from './stream-kinds.ts';
import { putTogether, takenApart } from './stream-parts.ts';
import type { BatchParts, StreamParts, UnitParts } from './stream-parts.ts';
import { expectThat, isRefusal } from './subject.ts';
import type { Subject } from './subject.ts';

interface Seed {
  readonly name: string;
  readonly weight: number;
  readonly parts: StreamParts;
  readonly targets: readonly DeltaTarget[];
}

/** Each kind of stream as a subject. */
export async function streamSubjects(): Promise<Subject[]> {
  const seeds: Seed[] = [];
  for (const { name, weight, paths } of streamKinds) {
    const stream = await encoded(paths, { tools: new Set(packingTools()), level: 'best' });
    seeds.push({ name, weight, parts: await takenApart(stream), targets: await targetsOf(paths) });
  }
  const units = seeds.flatMap(({ parts }) => parts.flat());
  return seeds.map((seed) => ({
    name: `stream: ${seed.name}`,
    weight: seed.weight,
    run: async (random) => {
      const { stream, targets } = changedSeed(seed, units, random);
      return decodes(stream, targets, random);
    },
  }));
}

function changedSeed(
  { parts, targets }: Seed,
  units: readonly UnitParts[],
  random: Random,
): { stream: Buffer; targets: readonly DeltaTarget[] } {
  let told = parts;
  const layers = { columns: false, stored: false, body: false, contents: false, bytes: false };
  let expected = targets;
  for (let left = random.few(4); left > 0; left--) {
    const where = random.below(32);
    if (where < 23) told = withUnit(told, random, (one) => editedUnit(one, units, random));
    else if (where < 25) told = rearranged(told, units, random);
    else if (where < 26) layers.stored = true;
    else if (where < 28) layers.columns = true;
    else if (where < 29) layers.body = true;
    else if (where < 30) layers.contents = true;
    else if (where < 31) layers.bytes = true;
    else expected = otherTargets(expected, random);
  }
  return { stream: putTogether(told, layers, random), targets: expected };
}

function withUnit(parts: StreamParts, random: Random, edit: (one: UnitParts) => UnitParts): StreamParts {
  if (parts.length === 0) return parts;
  const at = random.below(parts.length);
  const which = random.below(parts[at]!.length);
  return parts.with(
    at,
    parts[at]!.map((one, i) => (i === which ? edit(one) : one)),
  );
}

function editedUnit(one: UnitParts, others: readonly UnitParts[], random: Random): UnitParts {
  const { head, columns, fresh } = one;
  if (columns.length === 0) return { ...one, head: random.oneIn(2) ? head + 4 * random.below(9) : random.below(16) };
  const used = columns.flatMap((column, i) => (column.length > 0 ? [i] : []));
  const at = random.oneIn(8) ? random.below(columns.length) : random.pick(used.length > 0 ? used : [0]);
  const what = random.below(20);
  if (what === 0) return { ...one, head: random.below(4) };
  if (what === 1) return { ...one, fresh: edited(fresh, random) };
  if (what === 2) {
    const to = random.below(columns.length);
    return { ...one, columns: columns.with(at, columns[to]!).with(to, columns[at]!) };
  }
  if (what === 3) {
    const other = random.pick(others);
    if (other.columns.length > 0) return { ...one, columns: columns.with(at, other.columns[at]!) };
  }
  return { ...one, columns: columns.with(at, edited(columns[at]!, random)) };
}

/** Units cut, gone, doubled, at other places, of other streams. */
function rearranged(parts: StreamParts, others: readonly UnitParts[], random: Random): StreamParts {
  const at = random.below(parts.length);
  const batch = [...(parts[at] ?? [])];
  const which = random.below(batch.length);
  const chosen = batch[which];
  if (chosen === undefined) return parts;
  switch (random.below(7)) {
    case 0:
      batch.splice(which, 1);
      break;
    case 1:
      batch.splice(which, 0, chosen);
      break;
    case 2:
      batch.splice(which, 0, random.pick(others));
      break;
    case 3:
      if (chosen.columns.length > 0) batch.splice(which, 1, ...cut(chosen, random));
      break;
    case 4:
      return parts.with(at, [chosen]).concat([batch]);
    case 5:
      return parts.toSpliced(at, 1);
    default:
      batch.reverse();
  }
  return parts.with(at, batch as BatchParts);
}

/** A unit as two, cut anywhere in each column. */
function cut({ columns, fresh }: UnitParts, random: Random): readonly UnitParts[] {
  const places = columns.map((column) => random.below(column.length + 1));
  const place = random.below(fresh.length + 1);
  return [
    {
      head: unit.part,
      columns: columns.map((column, i) => column.subarray(0, places[i])),
      fresh: fresh.subarray(0, place),
    },
    { head: unit.last, columns: columns.map((column, i) => column.subarray(places[i])), fresh: fresh.subarray(place) },
  ];
}

/** What the receiver was told before, or has, is not what the sender took it for. */
function otherTargets(targets: readonly DeltaTarget[], random: Random): readonly DeltaTarget[] {
  const at = random.below(targets.length);
  const target = targets[at];
  if (target === undefined) return targets;
  const damaged: SyncFileTree[] = [memoryTree(small), memoryTree(file('')), memoryTree(directory({}))];
  switch (random.below(5)) {
    case 0:
      return targets.with(at, {
        ...target,
        narSize: random.pick([0, 1, 96, target.narSize - 8, target.narSize + 8, 2 ** 40]),
      });
    case 1:
      return targets.with(at, { ...target, bases: [] });
    case 2:
      return targets.with(at, { ...target, bases: target.bases.toReversed() });
    case 3:
      return targets.with(at, { ...target, bases: [random.pick(damaged), ...target.bases.slice(1)] });
    default:
      return random.oneIn(2) ? targets.slice(1) : [...targets, target];
  }
}

/** Reads a stream to its end, as a receiver does that goes on after a path that failed. */
async function decodes(stream: Buffer, targets: readonly DeltaTarget[], random: Random): Promise<boolean> {
  let taken = true;
  const size = random.oneIn(4) ? 1 + random.below(60) : 100_000;
  try {
    for await (const { target, nar, report } of decodeDelta(pieces(stream, size), targets)) {
      if (!(await isTaken(nar, target))) taken = false;
      report();
    }
  } catch (error) {
    return !isRefusal(error);
  }
  return taken;
}

/** Never more than announced; and what is complete is a NAR, whatever is in it. */
async function isTaken(
  nar: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  { narSize }: DeltaTarget,
): Promise<boolean> {
  const parser = new NarParser(noVisitor);
  let made = 0;
  let pushed = 0;
  try {
    for await (const chunk of nar) {
      made += chunk.length;
      expectThat(made <= narSize, `${made} bytes of ${narSize}`);
      pushed += parser.push(chunk);
    }
  } catch (error) {
    return !isRefusal(error);
  }
  expectThat(
    made === narSize && pushed === made && parser.done,
    `a whole NAR of ${made} bytes, ${narSize} were announced`,
  );
  return true;
}
