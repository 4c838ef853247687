// A closure as a build would have left it: each package a store path of its own, in which links and the first lines of
// scripts name the store paths it needs. Node itself is one of them, and a tree of links to all programs is the root.

import { chmodSync, cpSync, createWriteStream, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { ExportItem } from '../../src/format/export-stream.ts';
import { writeExport } from '../../src/format/export-stream.ts';
import { packNar } from '../../src/format/nar/pack.ts';
import { localTree } from '../../src/fs/tree.ts';
import { hashBytes } from '../../src/model/hash.ts';
import { scanReferences } from '../../src/model/references-scan.ts';
import { defaultStoreDir, makeStorePath, printStorePath } from '../../src/model/store-path.ts';
import type { StorePath } from '../../src/model/store-path.ts';
import type { Package } from './packages.ts';
import { installedPackages } from './packages.ts';

export interface DemoClosure {
  readonly root: string;
  readonly paths: number;
  /** An export stream of the whole closure, references first. */
  readonly file: string;
}

/** Lays out the store paths below `directory` and writes them as one export stream. */
export async function buildClosure(directory: string): Promise<DemoClosure> {
  const stage = new Stage(join(directory, 'stage'));
  const node = stage.node();
  const programs: [name: string, target: string][] = [['node', `${node}/bin/node`]];
  for (const one of installedPackages()) programs.push(...stage.package(one, node));
  const root = stage.programs(programs);
  const file = join(directory, 'closure.export');
  await pipeline(writeExport(stage.items(), defaultStoreDir), copied, createWriteStream(file));
  return { root, paths: stage.size, file };
}

/** A stream keeps what it was given; our chunks are borrowed. */
async function* copied(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  for await (const chunk of source) yield Buffer.from(chunk);
}

class Stage {
  readonly #directory: string;
  /** In the order they were made: references first. */
  readonly #paths: StorePath[] = [];
  readonly #packages = new Map<string, string>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  get size(): number {
    return this.#paths.length;
  }

  /** The program that narrow runs with. */
  node(): string {
    const [path, directory] = this.#begin(`nodejs-${process.versions.node}`, []);
    mkdirSync(join(directory, 'bin'), { recursive: true });
    cpSync(process.execPath, join(directory, 'bin/node'), { dereference: true });
    return path;
  }

  /** One package with links to those it needs, and a script for each of its programs. Returns name and file of these. */
  package({ name, version, directory, dependencies, programs }: Package, node: string): [string, string][] {
    const needs = dependencies.map((one) => this.#packages.get(one)!);
    const [path, target] = this.#begin(`${name.replace('@', '').replace('/', '-')}-${version}`, [node, ...needs]);
    const home = join('lib/node_modules', name);
    cpSync(directory, join(target, home), { recursive: true, verbatimSymlinks: true });
    for (const dependency of dependencies) {
      const link = join(target, home, 'node_modules', dependency);
      mkdirSync(dirname(link), { recursive: true });
      symlinkSync(join(this.#packages.get(dependency)!, 'lib/node_modules', dependency), link);
    }
    this.#packages.set(name, path);
    return Object.entries(programs).map(([program, file]) => {
      const script = `#!${node}/bin/node\nimport(${JSON.stringify(join(path, home, file))});\n`;
      mkdirSync(join(target, 'bin'), { recursive: true });
      writeFileSync(join(target, 'bin', basename(program)), script);
      chmodSync(join(target, 'bin', basename(program)), 0o755);
      return [program, `${path}/bin/${basename(program)}`];
    });
  }

  /** All packages in one tree: `bin` with links to the programs, `lib` with links to the rest. */
  programs(programs: readonly (readonly [string, string])[]): string {
    const targets = [...this.#packages.values()];
    const [path, directory] = this.#begin('narrow-tools', targets);
    mkdirSync(join(directory, 'bin'), { recursive: true });
    mkdirSync(join(directory, 'lib'));
    for (const [name, target] of programs) symlinkSync(target, join(directory, 'bin', name));
    for (const [name, target] of this.#packages) symlinkSync(target, join(directory, 'lib', name.replace('/', '-')));
    return path;
  }

  /** The items of an export stream; references are found by looking for their hashes, as Nix does after a build. */
  async *items(): AsyncGenerator<ExportItem> {
    for (const path of this.#paths) {
      const tree = localTree(join(this.#directory, path));
      const references = await scanReferences(packNar(tree), this.#paths);
      yield { info: { path, references }, nar: () => packNar(tree) };
    }
  }

  /** A path named by what it is made from, as the output of a build is: its contents do not prove it, a signature must. */
  #begin(name: string, inputs: readonly string[]): [path: string, directory: string] {
    const recipe = hashBytes([name, ...inputs].join('\n')).bytes;
    const path = makeStorePath(defaultStoreDir, 'output:out', recipe, name);
    this.#paths.push(path);
    const directory = join(this.#directory, path);
    mkdirSync(directory, { recursive: true });
    return [printStorePath(defaultStoreDir, path), directory];
  }
}
