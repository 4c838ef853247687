// Caches of a few files in temporary directories, and what must always be true of them.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import type { StorePath } from '../../src/model/store-path.ts';
import type { CacheStore } from '../../src/store/cache/cache-store.ts';
import { DirectoryFiles } from '../../src/store/cache/directory-files.ts';
import type { CacheFiles } from '../../src/store/cache/files.ts';
import { openCache } from '../../src/store/cache/opening.ts';
import { memoryStore } from '../../src/store/memory.ts';
import type { WritableStore } from '../../src/store/store.ts';
import { directory, file, itemOf, later, sample } from '../contract/sample.ts';
import type { Sample } from '../contract/sample.ts';

/** A cache over these files. */
export function cacheOver(
  files: CacheFiles,
  mode: 'read' | 'write' = 'write',
  search = 'compression=none',
): Promise<CacheStore> {
  return openCache(files, new URLSearchParams(search), mode, { warn: () => {} });
}

export function cacheIn(dir: string, search = 'compression=none'): Promise<CacheStore> {
  return cacheOver(new DirectoryFiles(dir), 'write', search);
}

/** A store that has these, references first. */
export async function storeOf(samples: readonly Sample[]): Promise<WritableStore> {
  const store = memoryStore();
  for await (const outcome of store.add(later(samples.map((one) => itemOf(one))), { checkSignatures: false }))
    assert.equal(outcome.status, 'added');
  return store;
}

/** `count` paths, each of which refers to some before it; every third has the contents of another. */
export async function someSamples(count: number, random: (below: number) => number): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (let i = 0; i < count; i++) {
    const references = new Set<StorePath>();
    for (let n = random(4); n > 0 && i > 0; n--) references.add(samples[random(i)]!.info.path);
    const text = i % 3 === 2 ? `contents ${random(i)}` : `contents ${i}`;
    samples.push(await sample(`p${i}-1.${i % 4}`, directory({ text: file(text) }), [...references]));
  }
  return samples;
}

/** A small generator of numbers, the same for the same seed. */
export function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

export function narinfos(dir: string): string[] {
  return existsSync(dir) ? readdirSync(dir).filter((name) => name.endsWith('.narinfo')) : [];
}

/** Every narinfo has its NAR: what no client may ever find otherwise; and, but for what is being mended, all that it refers to. */
export function expectWhole(dir: string, what: string, closures = true): void {
  for (const name of narinfos(dir)) {
    let text: string;
    try {
      text = readFileSync(join(dir, name), 'utf8');
    } catch {
      continue;
    }
    if (!text.includes('\nURL: ')) continue;
    const field = (key: string): string => new RegExp(`^${key}: (.*)$`, 'm').exec(text)![1]!;
    const size = statSync(join(dir, field('URL')), { throwIfNoEntry: false })?.size;
    const there = (): boolean => existsSync(join(dir, name));
    assert.ok(size === Number(field('FileSize')) || !there(), `${what}: ${name} has lost its NAR`);
    for (const reference of closures ? field('References').split(' ').filter(Boolean) : []) {
      const has = existsSync(join(dir, `${reference.slice(0, 32)}.narinfo`));
      assert.ok(has || !there(), `${what}: ${field('StorePath')} has lost ${reference}`);
    }
  }
}

/** Makes every file `milliseconds` older. */
export function age(dir: string, milliseconds: number): void {
  for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const { mtimeMs } = statSync(path);
    utimesSync(path, new Date(mtimeMs - milliseconds), new Date(mtimeMs - milliseconds));
  }
}

export function has(dir: string, { info }: Sample): boolean {
  return existsSync(join(dir, `${info.path.slice(0, 32)}.narinfo`));
}

/** The closure of `root` among `samples`. */
export function closureIn(samples: readonly Sample[], root: StorePath): Set<StorePath> {
  const byPath = new Map(samples.map((one) => [one.info.path, one]));
  const seen = new Set<StorePath>();
  const open = [root];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    open.push(...byPath.get(path)!.info.references);
  }
  return seen;
}
