// A tree seen through a translation: contents, link targets and names have their hash parts replaced, and lists are sorted
// anew, because another name may stand elsewhere. Nothing is copied or kept but the names of directories that hold hash parts.

import { compareBytes, displayBytes } from '../bytes/byte-string.ts';
import type { ByteString } from '../bytes/byte-string.ts';
import { NarrowError, isNarrowError } from '../errors.ts';
import { rangeWithin } from '../format/nar/range.ts';
import { treePathText } from '../format/nar/tree.ts';
import type { ReadRange, SyncFileTree, TreePath, TreeStat } from '../format/nar/tree.ts';
import { Translator, context } from './translate.ts';
import type { HashPartMap } from './translate.ts';

/** Directories whose names are remembered. */
const rememberedDirectories = 256;

/**
 * `tree` with every hash part replaced. What it reads is borrowed as what `tree` reads is. Where two names of a directory
 * become one, listing it is an `integrity` error: such a tree cannot be translated, see {@link isCollision}.
 */
export function translated(tree: SyncFileTree, by: Translator | HashPartMap): SyncFileTree {
  const translator = by instanceof Translator ? by : new Translator(by);
  return translator.empty ? tree : new TranslatedTree(tree, translator);
}

/** By what a tree is translated; undefined where it is as it was. For contents that are hidden in its files. */
export function translatorOf(tree: SyncFileTree): Translator | undefined {
  return tree instanceof TranslatedTree ? tree.translator : undefined;
}

/** True for the error of a directory in which two names become one. */
export function isCollision(error: unknown): boolean {
  return isNarrowError(error, 'integrity') && error.data['collision'] === true;
}

class TranslatedTree implements SyncFileTree {
  readonly synchronous = true;
  readonly #tree: SyncFileTree;
  readonly translator: Translator;
  /** By the original path of a directory: original names by translated ones. */
  readonly #originals = new Map<string, ReadonlyMap<ByteString, ByteString>>();
  #lastPath = '';
  #lastSize: number | undefined;

  constructor(tree: SyncFileTree, translator: Translator) {
    this.#tree = tree;
    this.translator = translator;
  }

  stat(path: TreePath): TreeStat | undefined {
    const original = this.#original(path);
    const stat = original && this.#tree.stat(original);
    if (stat?.type === 'regular') {
      this.#lastPath = path.join('/');
      this.#lastSize = stat.size;
    }
    if (stat?.type !== 'symlink') return stat;
    const target = this.translator.text(stat.target);
    return target === stat.target ? stat : { type: 'symlink', target };
  }

  list(path: TreePath): readonly ByteString[] {
    const original = this.#existing(path);
    const names = this.#tree.list(original);
    const renamed = names.map((name) => this.translator.text(name));
    if (renamed.every((name, i) => name === names[i])) return names;
    renamed.sort(compareBytes);
    for (let i = 1; i < renamed.length; i++) if (renamed[i] === renamed[i - 1]) throw collision(path, renamed[i]!);
    return renamed;
  }

  read(path: TreePath, range?: ReadRange): Iterable<Uint8Array> {
    const original = this.#existing(path);
    if (range?.offset === undefined && range?.length === undefined) {
      const size = path.join('/') === this.#lastPath ? this.#lastSize : undefined;
      return this.translator.stream(this.#tree.read(original), size);
    }
    return this.#part(path, original, range);
  }

  *#part(path: TreePath, original: TreePath, range: ReadRange): Generator<Uint8Array, void, undefined> {
    const stat = this.#tree.stat(original);
    if (stat?.type !== 'regular') throw missing(path);
    const [start, end] = rangeWithin(stat.size, range, path);
    const from = Math.max(0, start - context);
    const length = Math.min(stat.size, end + context) - from;
    let at = from;
    for (const chunk of this.translator.stream(this.#tree.read(original, { offset: from, length }), length)) {
      const wanted = chunk.subarray(Math.max(0, start - at), Math.max(0, end - at));
      at += chunk.length;
      if (wanted.length > 0) yield wanted;
    }
  }

  #existing(path: TreePath): TreePath {
    const original = this.#original(path);
    if (original === undefined) throw missing(path);
    return original;
  }

  /** Where the translated `path` lies in the original tree. */
  #original(path: TreePath): TreePath | undefined {
    if (!path.some((name) => this.translator.concerns(name))) return path;
    const original: ByteString[] = [];
    for (const name of path) {
      const before = this.translator.concerns(name) ? this.#namesIn(original).get(name) : name;
      if (before === undefined) return undefined;
      original.push(before);
    }
    return original;
  }

  #namesIn(directory: TreePath): ReadonlyMap<ByteString, ByteString> {
    const key = directory.join('/');
    const known = this.#originals.get(key);
    if (known !== undefined) return known;
    const names = new Map<ByteString, ByteString>();
    if (this.#tree.stat(directory)?.type === 'directory') {
      for (const name of this.#tree.list(directory)) {
        const renamed = this.translator.text(name);
        if (names.has(renamed)) throw collision(directory, renamed);
        names.set(renamed, name);
      }
    }
    if (this.#originals.size >= rememberedDirectories) this.#originals.clear();
    this.#originals.set(key, names);
    return names;
  }
}

function missing(path: TreePath): NarrowError {
  return new NarrowError('missing', `there is no ${treePathText(path)} in the translated tree`);
}

function collision(directory: TreePath, name: ByteString): NarrowError {
  const what = `two names in ${treePathText(directory)} become "${displayBytes(name)}" when hash parts are replaced`;
  return new NarrowError('integrity', what, {
    hint: 'such a tree cannot serve as a base; the path is taken without it',
    data: { collision: true },
  });
}
