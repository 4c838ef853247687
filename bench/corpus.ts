// What benchmarks run on: the big closures of the laboratory beside this repository where it is, else the small ones of
// test/lab, said aloud, because ratios on small closures are mostly process start.

import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { closure } from '../test/lab/closures.ts';
import { nix } from '../test/lab/nix.ts';

export type Size = 'small' | 'medium' | 'large';
/** The same system built again from another libc, or with a share of its packages from the next release. */
export type Generation = 'gen1' | 'gen2-rebuild' | 'gen3-update';

export interface Corpus {
  readonly label: string;
  /** Root of the chroot store that holds it, or undefined for the machine's own store. */
  readonly root: string | undefined;
  readonly storeUrl: string;
  readonly top: string;
  readonly paths: readonly string[];
  /** Bytes of all NARs. */
  readonly narSize: number;
}

const builder = new URL('../../shared/lab/corpus/corpus.sh', import.meta.url).pathname;
const root = (size: Size, generation: Generation): string => `/nix/var/nix/gcroots/lab/${size}-${generation}-pi1`;

/** A closure of about the given size. */
export async function corpus(size: Size, generation: Generation = 'gen1'): Promise<Corpus> {
  if (!existsSync(builder)) return smallCorpus(size, generation);
  const link = root(size, generation);
  if (!existsSync(link))
    execFileSync(builder, ['build', size, generation, 'pi1'], { stdio: ['ignore', 'ignore', 'inherit'] });
  const top = execFileSync('readlink', [link], { encoding: 'utf8' }).trim();
  return describe(`${size} ${generation}`, undefined, 'local', top);
}

const ownNames = { gen1: 'basic', 'gen2-rebuild': 'rebuilt', 'gen3-update': 'updated' } as const;

async function smallCorpus(size: Size, generation: Generation): Promise<Corpus> {
  console.log(
    `bench: the big laboratory is absent; '${size}' is the repository's own small closure, so ratios say little`,
  );
  const own = await closure(ownNames[generation]);
  return describe(`${size} ${generation} (the repository's own)`, own.root, `local?root=${own.root}`, own.top);
}

async function describe(label: string, storeRoot: string | undefined, storeUrl: string, top: string): Promise<Corpus> {
  const list = (await nix('2.8').run('nix-store', ['-qR', top], storeRoot === undefined ? {} : { store: storeRoot }))
    .stdout;
  const paths = list.trim().split('\n');
  const sizes = (
    await nix('2.8').run('nix-store', ['-q', '--size', ...paths], storeRoot === undefined ? {} : { store: storeRoot })
  ).stdout;
  const narSize = sizes
    .trim()
    .split('\n')
    .reduce((sum, line) => sum + Number(line), 0);
  return { label, root: storeRoot, storeUrl, top, paths, narSize };
}

/** Scratch directory of a benchmark; made anew. */
export function scratch(name: string): string {
  const dir = join(process.env['BENCH_DIR'] ?? '/tmp', `narrow-bench-${name}`);
  remove(dir);
  mkdirSync(dir, { recursive: true });
  return dir;
}

/** Removes a tree that may hold read-only directories. */
export function remove(path: string): void {
  if (existsSync(path)) execFileSync('chmod', ['-R', 'u+w', path]);
  rmSync(path, { recursive: true, force: true });
}

/** All paths of the closure as one tree of files, as one NAR is made of. */
export function asOneTree(source: Corpus, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const path of source.paths) {
    const from = source.root === undefined ? path : join(source.root, path);
    cpSync(from, join(to, path.split('/').at(-1)!), {
      recursive: true,
      verbatimSymlinks: true,
      preserveTimestamps: true,
    });
  }
  if (readdirSync(to).length === 0) throw new Error('an empty closure');
}
