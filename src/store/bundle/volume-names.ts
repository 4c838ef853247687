// The files of a bundle: the name itself when there is one, else the name with a number behind it, from `.001` on.

import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

export function volumeName(path: string, number: number): string {
  return `${path}.${String(number).padStart(3, '0')}`;
}

/** All files of the bundle that `path` names, which may be the one file, the name of several, or one of these. */
export function volumesNamed(path: string): string[] {
  if (existsSync(path)) {
    const stem = /^(.+)\.\d{3,}$/.exec(path)?.[1];
    return stem === undefined ? [path] : numbered(stem);
  }
  const several = numbered(path);
  return several.length > 0 ? several : [path];
}

function numbered(stem: string): string[] {
  const prefix = `${basename(stem)}.`;
  const isOne = (name: string): boolean => name.startsWith(prefix) && /^\d{3,}$/.test(name.slice(prefix.length));
  try {
    return readdirSync(dirname(stem))
      .filter(isOne)
      .sort()
      .map((name) => join(dirname(stem), name));
  } catch {
    return [];
  }
}
