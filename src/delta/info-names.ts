// Names of paths and derivers as they follow from one another.

import { byteString } from '../bytes/byte-string.ts';
import type { ColumnReader, ColumnWriter } from './columns.ts';
import { bad } from './base-closure.ts';
import { column } from './info-columns.ts';

/** Names are ASCII; 211 characters at most, and `.drv` more. */
const maxLength = 216;

/** Writes `name` by what it shares with `from` at its beginning and end. */
export function writeName(name: string, from: string, out: ColumnWriter): void {
  const most = Math.min(name.length, from.length);
  let before = 0;
  while (before < most && name[before] === from[before]) before++;
  let after = 0;
  while (after < most - before && name.at(-1 - after) === from.at(-1 - after)) after++;
  const between = Buffer.from(name.slice(before, name.length - after), 'latin1');
  out.varint(column.names, before);
  out.varint(column.names, after);
  out.varint(column.names, between.length);
  out.bytes(column.text, between);
}

/** Not checked to be a name. Throws `format` for lengths that do not fit `from`. */
export function readName(from: string, input: ColumnReader): string {
  const before = input.varint(column.names);
  const after = input.varint(column.names);
  const length = input.varint(column.names);
  if (before + after > from.length || length > maxLength)
    throw bad('name', `parts of the ${from.length} characters of '${from}'`, `${before} + ${length} + ${after}`);
  const between = byteString(input.bytes(column.text, length));
  return from.slice(0, before) + between + from.slice(from.length - after);
}

/** What a path's deriver is called if the path is its only or first output, and if the path's last word is the output. */
export function deriverNames(name: string): { readonly ofPath: string; readonly ofPackage: string } {
  return { ofPath: `${name}.drv`, ofPackage: `${name.replace(/-[A-Za-z_]+$/, '')}.drv` };
}

/** Derivers and derivations told so far, the last one of each name. */
export class KnownDerivers<Path extends string> {
  readonly #byName = new Map<string, Path>();

  add(name: string, path: Path): void {
    this.#byName.set(name, path);
  }

  /** The one that a path of this name is most likely from. */
  of(name: string): Path | undefined {
    const { ofPath, ofPackage } = deriverNames(name);
    return this.#byName.get(ofPath) ?? this.#byName.get(ofPackage);
  }
}
