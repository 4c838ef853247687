// Which paths of two sides may be versions of one another by their names: those of one class.

import { splitVersion } from '../model/version.ts';
import type { Side } from './pairing-graph.ts';

/** Endings that are kinds of files, not names of outputs. */
const extension = /\.(drv|tar|gz|xz|bz2|zst|zip|patch|diff|lock|sh|service|conf|json|nar)$/;

/** What a store path's name says without its version: `git-2.39.5-doc.drv` is `git`, and its kind is `-doc.drv`. */
export function packageOf(name: string): { readonly name: string; readonly kind: string } {
  let kind = '';
  let rest = name;
  for (let end = extension.exec(rest); end; end = extension.exec(rest)) {
    kind = end[0] + kind;
    rest = rest.slice(0, end.index);
  }
  const split = splitVersion(rest);
  const output = /-[A-Za-z_]+$/.exec(split.version);
  return { name: split.name, kind: (output?.[0] ?? '') + kind };
}

/** From the most to the least telling: name; package and output; name with all numbers alike; what stands before a number. */
const readings: readonly ((name: string) => string)[] = [
  (name) => name,
  (name) => {
    const split = packageOf(name);
    return `${split.name} ${split.kind}`;
  },
  (name) => name.replace(/\d+([._]\d+)*/g, '#'),
  (name) => `${name.replace(/[-_.]\d.*/, '')} ${packageOf(name).kind}`,
];

/** Equal numbers on both sides are candidates for each other; -1: nothing is like it. */
export interface Classes {
  readonly fresh: Int32Array;
  /** An old path's most telling reading that a fresh path has, too. */
  readonly old: Int32Array;
  /** By class: all old paths that any of their readings puts there. */
  readonly members: readonly (readonly number[])[];
}

/** Puts each fresh path into the class of its most telling reading that the old side has, too. */
export function classesOf(fresh: Side, old: Side): Classes {
  const ids = new Map<string, number>();
  const members: number[][] = [];
  const oldIds = old.names.map((name, index) =>
    readings.map((read, level) => {
      const key = `${level} ${read(name)}`;
      const id = ids.get(key) ?? ids.size;
      ids.set(key, id);
      (members[id] ??= []).push(index);
      return id;
    }),
  );
  const used = new Uint8Array(ids.size);
  const freshIds = Int32Array.from(fresh.names, (name) => {
    for (const [level, read] of readings.entries()) {
      const id = ids.get(`${level} ${read(name)}`);
      if (id === undefined) continue;
      used[id] = 1;
      return id;
    }
    return -1;
  });
  return { fresh: freshIds, old: Int32Array.from(oldIds, (own) => own.find((id) => used[id] === 1) ?? -1), members };
}
