// When each path was last of use: when it was pushed, when something that needs it was, and what else is known (a web server's
// log, the times of files). What a path refers to was used with it.

import { hashPart } from '../model/store-path.ts';
import type { Inventory } from './inventory.ts';
import type { Roots } from './roots.ts';

/** What a web server's log tells. Times in milliseconds since 1970. */
export interface LoggedUses {
  /** By hash part of a narinfo, or by reference of a NAR. */
  readonly times: ReadonlyMap<string, number>;
  /** The oldest and newest line; undefined of a log without any. */
  readonly from: number | undefined;
  readonly to: number | undefined;
}

export interface UseSources {
  readonly roots: Roots;
  readonly logged?: LoggedUses | undefined;
  /** Reading a NAR counts as use, where times of reading are kept. */
  readonly accessTimes?: boolean | undefined;
}

/** By row, milliseconds since 1970. */
export function lastUses(inventory: Inventory, { roots, logged, accessTimes }: UseSources): Float64Array {
  const uses = Float64Array.from(inventory.narinfos, (file) => file.modified);
  const note = (row: number | undefined, time: number): void => {
    if (row !== undefined && time > uses[row]!) uses[row] = time;
  };
  for (const { paths, written } of [...roots.pushes, ...[...roots.names.values()].flat()])
    for (const path of paths) note(inventory.rowOf.get(hashPart(path)), written);
  for (const [row, { path }] of inventory.rows.entries()) {
    const nar = inventory.nars[inventory.narOf[row]!]!;
    if (accessTimes && nar.file?.accessed !== undefined) note(row, nar.file.accessed);
    // before its first line a log tells nothing: so long ago anything may have been used
    if (logged?.from !== undefined) note(row, logged.from);
    if (logged) note(row, Math.max(logged.times.get(hashPart(path)) ?? 0, logged.times.get(nar.reference) ?? 0));
  }
  return passOn(inventory, uses);
}

/** Gives each path the latest time of all that need it: from the latest on, so that each is visited once. */
function passOn({ references }: Inventory, uses: Float64Array): Float64Array {
  const order = Int32Array.from(uses, (_, row) => row).sort((a, b) => uses[b]! - uses[a]!);
  const seen = new Uint8Array(uses.length);
  const result = new Float64Array(uses.length);
  const open: number[] = [];
  for (const start of order) {
    if (seen[start]) continue;
    open.push(start);
    seen[start] = 1;
    for (let row = open.pop(); row !== undefined; row = open.pop()) {
      result[row] = uses[start]!;
      for (const reference of references[row]!) {
        if (seen[reference]) continue;
        seen[reference] = 1;
        open.push(reference);
      }
    }
  }
  return result;
}
