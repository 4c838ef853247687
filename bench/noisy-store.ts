// A closure as it comes out of another build that is not reproducible to the bit: the same store paths with other contents, in
// a store of its own.

import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { chmodSync, lstatSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { localTree } from '../src/fs/tree.ts';
import { packNar } from '../src/format/nar/pack.ts';
import { nix } from '../test/lab/nix.ts';
import type { Corpus } from './corpus.ts';
import { datedGzip, isList, rebuiltElf, reordered } from './noisy-files.ts';

export interface NoiseOptions {
  /** Another one is another build. */
  readonly build: string;
  /** Paths that stay as they are. */
  readonly kept: ReadonlySet<string>;
  /** One text in each path has its lines in another order than in a build without this. */
  readonly shuffled: boolean;
}

/** What was changed: numbers of files. */
export interface Noise {
  elf: number;
  gzip: number;
  lists: number;
}

/** Copies `source` to the chroot store `root` with noise in all paths but those that are kept. */
export async function noisyStore(
  source: Corpus,
  root: string,
  options: NoiseOptions,
): Promise<{ corpus: Corpus; noise: Noise }> {
  const store = join(root, 'nix/store');
  mkdirSync(store, { recursive: true });
  const real = source.paths.map((path) => (source.root === undefined ? path : join(source.root, path)));
  execFileSync('cp', ['-a', ...real, store]);
  const noise: Noise = { elf: 0, gzip: 0, lists: 0 };
  const changed = source.paths.filter((path) => !options.kept.has(path));
  for (const path of changed) disturb(join(root, path), options, noise);
  const sizes = await register(source, root);
  const narSize = sizes.reduce((sum, size) => sum + size, 0);
  const corpus = { ...source, label: `${source.label}, noisy`, root, storeUrl: `local?root=${root}`, narSize };
  return { corpus, noise };
}

function disturb(path: string, { build, shuffled }: NoiseOptions, noise: Noise): void {
  // what a build has of its own does not follow from the store path's hash
  const name = path.split('/').at(-1)!.slice(33);
  let list: { file: string; size: number } | undefined;
  for (const file of filesOf(path)) {
    const bytes = readFileSync(file);
    const seed = `${build} ${name} ${file.slice(path.length)}`;
    const elf = rebuiltElf(bytes, seed);
    const gzip = datedGzip(bytes, `${build} ${name}`);
    if (elf !== bytes) noise.elf++;
    else if (gzip !== bytes) noise.gzip++;
    else if (isList(bytes) && bytes.length > (list?.size ?? 0)) list = { file, size: bytes.length };
    if (elf !== bytes || gzip !== bytes) replace(file, elf === bytes ? gzip : elf);
  }
  if (list === undefined) return;
  noise.lists++;
  if (shuffled) replace(list.file, reordered(readFileSync(list.file), build));
}

/** Never through links: they lead into the machine's own store. (Node's `recursive` listing follows them.) Names that are no UTF-8 are left out. */
function filesOf(path: string): string[] {
  const stats = lstatSync(path);
  if (stats.isFile()) return [path];
  if (!stats.isDirectory()) return [];
  return readdirSync(path)
    .filter((name) => !name.includes('\ufffd'))
    .sort()
    .flatMap((name) => filesOf(join(path, name)));
}

function replace(file: string, bytes: Buffer): void {
  const { mode } = lstatSync(file);
  chmodSync(file, 0o600);
  writeFileSync(file, bytes);
  chmodSync(file, mode & 0o777);
}

/** Makes the paths valid, with hashes of what they are now; returns the sizes of their NARs. */
async function register(source: Corpus, root: string): Promise<number[]> {
  const at = source.root === undefined ? {} : { store: source.root };
  const { stdout } = await nix('2.8').run('nix-store', ['--dump-db', ...source.paths], at);
  const lines = stdout.split('\n');
  const sizes: number[] = [];
  const told: string[] = [];
  // of each path: itself, hash, size, deriver, number of references, these
  for (let i = 0; i + 5 <= lines.length;) {
    const [path, , , deriver, count] = lines.slice(i, i + 5) as [string, string, string, string, string];
    const { hash, size } = await narHash(join(root, path));
    const end = i + 5 + Number(count);
    told.push(path, hash, `${size}`, deriver, count, ...lines.slice(i + 5, end));
    sizes.push(size);
    i = end;
  }
  await nix('2.8').run('nix-store', ['--load-db'], { store: root, input: `${told.join('\n')}\n` });
  return sizes;
}

async function narHash(path: string): Promise<{ hash: string; size: number }> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of packNar(localTree(path))) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { hash: hash.digest('hex'), size };
}
