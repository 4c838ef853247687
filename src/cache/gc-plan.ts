// What a collection removes: pure, made of an inventory. What is kept keeps all it refers to, so what goes is closed the other
// way: with a path goes everything that needs it.

import type { Inventory } from './inventory.ts';

export interface GcPolicy {
  /** What was not used since goes; milliseconds since 1970 by the place's clock. */
  readonly unusedSince?: number | undefined;
  /** Bytes that the cache may fill: what was used longest ago goes first. */
  readonly maxSize?: number | undefined;
}

/** Why rows are kept whatever the policy. */
export interface Kept {
  readonly roots: Iterable<number>;
  /** Of running pushes, or so new that a push may be running. */
  readonly held: Iterable<number>;
}

export interface GcPlan {
  /** Rows that go, referrers before what they refer to, in steps: all of one may go at once. */
  readonly steps: readonly (readonly number[])[];
  /** By row: 1 for those that go. */
  readonly goes: Uint8Array;
  /** NARs that nothing will name any more. */
  readonly nars: readonly number[];
  /** Bytes of narinfos and NARs that go. */
  readonly bytes: number;
  /** Rows that pins and names keep, with all they need. */
  readonly rooted: number;
  /** Rows beside those that running pushes and new paths keep. */
  readonly held: number;
}

export function planCollection(inventory: Inventory, kept: Kept, uses: Float64Array, policy: GcPolicy): GcPlan {
  const count = inventory.rows.length;
  const keeps = new Uint8Array(count);
  const rooted = mark(inventory, kept.roots, keeps);
  const held = mark(inventory, kept.held, keeps);
  const goes = new Uint8Array(count);
  const { unusedSince, maxSize } = policy;
  const byRootsAlone = unusedSince === undefined && maxSize === undefined;
  for (let row = 0; row < count; row++)
    if (!keeps[row] && (byRootsAlone || (unusedSince !== undefined && uses[row]! < unusedSince))) goes[row] = 1;
  const topDown = referrersFirst(inventory);
  if (maxSize !== undefined) fit(inventory, { keeps, goes, uses, topDown, maxSize });
  const { nars, bytes } = freed(inventory, goes);
  return { steps: stepsOf(inventory, goes, topDown), goes, nars, bytes, rooted, held };
}

/** What goes when `doomed` rows have to, whatever keeps them: these, and all that needs them. */
export function planRemoval(inventory: Inventory, doomed: Iterable<number>): GcPlan {
  const { references } = inventory;
  const goes = new Uint8Array(references.length);
  for (const row of doomed) goes[row] = 1;
  const topDown = referrersFirst(inventory);
  // from the bottom up: each row after all that it refers to
  for (const row of topDown.toReversed()) if (references[row]!.some((reference) => goes[reference])) goes[row] = 1;
  return { steps: stepsOf(inventory, goes, topDown), goes, ...freed(inventory, goes), rooted: 0, held: 0 };
}

/** Marks everything that `start` leads to; returns how many were marked. */
function mark({ references }: Inventory, start: Iterable<number>, marks: Uint8Array): number {
  const open = [...start].filter((row) => !marks[row]);
  let marked = 0;
  for (let row = open.pop(); row !== undefined; row = open.pop()) {
    if (marks[row]) continue;
    marks[row] = 1;
    marked++;
    for (const reference of references[row]!) if (!marks[reference]) open.push(reference);
  }
  return marked;
}

/** All rows, each before what it refers to. */
function referrersFirst({ references }: Inventory): Int32Array {
  const order = new Int32Array(references.length);
  const seen = new Uint8Array(references.length);
  let last = references.length;
  const stack: number[] = [];
  const next: number[] = [];
  for (let root = 0; root < references.length; root++) {
    if (seen[root]) continue;
    seen[root] = 1;
    stack.push(root);
    next.push(0);
    while (stack.length > 0) {
      const row = stack.at(-1)!;
      const reference = references[row]![next[next.length - 1]!++];
      if (reference === undefined) {
        stack.pop();
        next.pop();
        order[--last] = row;
      } else if (!seen[reference]) {
        seen[reference] = 1;
        stack.push(reference);
        next.push(0);
      }
    }
  }
  return order;
}

interface Fit {
  readonly keeps: Uint8Array;
  readonly goes: Uint8Array;
  readonly uses: Float64Array;
  readonly topDown: Int32Array;
  readonly maxSize: number;
}

/** Lets go of more, those used longest ago first, until the rest fits or nothing more may go. */
function fit(inventory: Inventory, { keeps, goes, uses, topDown, maxSize }: Fit): void {
  const { narOf, nars, narinfos } = inventory;
  const named = new Int32Array(nars.length);
  let size = inventory.size;
  for (const file of inventory.orphans) size -= file.size;
  for (const nar of narOf) named[nar]!++;
  const take = (row: number): void => {
    const nar = narOf[row]!;
    size -= narinfos[row]!.size;
    if (--named[nar]! === 0) size -= nars[nar]!.file?.size ?? 0;
  };
  for (let row = 0; row < goes.length; row++) if (goes[row]) take(row);
  // the sort keeps the order of those with the same time
  const candidates = topDown.filter((row) => !keeps[row] && !goes[row]);
  for (const row of Array.from(candidates).sort((a, b) => uses[a]! - uses[b]!)) {
    if (size <= maxSize) return;
    goes[row] = 1;
    take(row);
  }
}

function freed({ rows, narOf, nars, narinfos }: Inventory, goes: Uint8Array): { nars: number[]; bytes: number } {
  const stays = new Uint8Array(nars.length);
  const touched = new Set<number>();
  let bytes = 0;
  for (let row = 0; row < rows.length; row++) {
    if (!goes[row]) stays[narOf[row]!] = 1;
    else {
      touched.add(narOf[row]!);
      bytes += narinfos[row]!.size;
    }
  }
  const gone = [...touched].filter((nar) => !stays[nar]);
  for (const nar of gone) bytes += nars[nar]!.file?.size ?? 0;
  return { nars: gone, bytes };
}

function stepsOf({ references }: Inventory, goes: Uint8Array, topDown: Int32Array): number[][] {
  const step = new Int32Array(goes.length);
  const steps: number[][] = [];
  for (const row of topDown) {
    if (!goes[row]) continue;
    (steps[step[row]!] ??= []).push(row);
    for (const reference of references[row]!) step[reference] = Math.max(step[reference]!, step[row]! + 1);
  }
  return steps;
}
