// One file out of a NAR that streams past: nothing is stored, and reading stops behind the file. So the rest of the NAR is
// not checked, nor its hash: whoever must trust the bytes reads a NAR that was verified.

import type { ByteString } from '../../bytes/byte-string.ts';
import type { ByteSource } from '../../bytes/source.ts';
import { NarrowError } from '../../errors.ts';
import { NarParser } from './parser.ts';
import { treePathText } from './tree.ts';
import type { NarVisitor, TreePath } from './tree.ts';

/** The contents of the regular file at `path` of the NAR; fails when there is none. `name` names the input in errors. */
export async function* catNar(
  source: ByteSource,
  path: TreePath,
  name?: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const finder = new FileFinder(path);
  const parser = new NarParser(finder, name);
  for await (const chunk of source) {
    parser.push(chunk);
    yield* finder.pieces.splice(0);
    if (finder.found === 'whole') return;
    if (parser.done) break;
  }
  parser.end();
  throw new NarrowError('missing', `there is no file ${treePathText(path)} in ${name ?? 'the NAR'}`, {
    data: { is: finder.other },
  });
}

/** Watches for one path, and keeps slices of its contents until they are taken. */
class FileFinder implements NarVisitor {
  readonly pieces: Uint8Array[] = [];
  found: 'not yet' | 'in part' | 'whole' = 'not yet';
  /** What lies at the path when it is no file. */
  other: 'directory' | 'symlink' | undefined;
  readonly #path: TreePath;
  #depth = 0;
  /** How many of the directories entered are on the way to the path. */
  #matched = 0;

  constructor(path: TreePath) {
    this.#path = path;
  }

  directory(name: ByteString): void {
    if (this.#isHere(name)) this.other = 'directory';
    else if (this.#matched === this.#depth && this.#isStep(name)) this.#matched++;
    this.#depth++;
  }

  leave(): void {
    this.#depth--;
    this.#matched = Math.min(this.#matched, this.#depth);
  }

  regular(name: ByteString): void {
    if (this.#isHere(name)) this.found = 'in part';
  }

  contents(chunk: Uint8Array): void {
    if (this.found === 'in part') this.pieces.push(chunk);
  }

  closeRegular(): void {
    if (this.found === 'in part') this.found = 'whole';
  }

  symlink(name: ByteString): void {
    if (this.#isHere(name)) this.other = 'symlink';
  }

  /** True for a node that is the path's own. The root, depth 0, has no name. */
  #isHere(name: ByteString): boolean {
    return this.#depth === this.#path.length && this.#matched === this.#depth && this.#isStep(name);
  }

  #isStep(name: ByteString): boolean {
    return this.#depth === 0 || this.#path[this.#depth - 1] === name;
  }
}
