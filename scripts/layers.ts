// Checks the layers from the imports themselves, `import()` and types included, and draws them: the graph in
// docs/architecture.md and the overrides in .oxlintrc.json are written with --write, and checked to be current without.

import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { Layer } from './layer-rules.ts';
import { everywhere, foldersAbove, frontDoor, layers, lintOverrides, modulesDenied } from './layer-rules.ts';
import { between, isMain, projectDir, replaceBetween } from './project.ts';

const page = join(projectDir, 'docs/architecture.md');
const lintConfig = join(projectDir, '.oxlintrc.json');

interface Import {
  /** Relative to src. */
  readonly file: string;
  readonly line: number;
  readonly specifier: string;
}

/** Statements, re-exports and `import()` of literal names; text in comments and strings does not count. */
const importPattern =
  /\/\/[^\n]*|\/\*[\s\S]*?\*\/|`(?:\\.|[^`\\])*`|(?:\bimport\s*\(\s*|\bimport\s+|\b(?:import|export)\b[^'"`;()]*?\bfrom\s*)(['"])(.*?)\1/g;

function importsOf(file: string): Import[] {
  const text = readFileSync(join(projectDir, 'src', file), 'utf8');
  return [...text.matchAll(importPattern)].flatMap((match) =>
    match[2] === undefined ? [] : [{ file, line: text.slice(0, match.index).split('\n').length, specifier: match[2] }],
  );
}

/** The file in src that an import means, undefined for a package or a module of Node's. */
function target({ file, specifier }: Import): string | undefined {
  return specifier.startsWith('.') ? relative('/src', join('/src', dirname(file), specifier)) : undefined;
}

function folderOf(file: string): string | undefined {
  return file.includes('/') ? file.split('/')[0] : undefined;
}

/** Why an import must not be, or undefined. */
function fault(one: Import): string | undefined {
  const folder = folderOf(one.file);
  const to = target(one);
  if (to?.startsWith('..')) return to === '../package.json' ? undefined : 'leads out of src';
  if (to !== undefined && !existsSync(join(projectDir, 'src', to))) return 'is not there';
  if (to === frontDoor) return 'is for users of the library only';
  if (folder === undefined) return rootFault(one.file, to);
  const layer = layers.find((other) => other.folder === folder);
  if (!layer) return `has no layer: name src/${folder} in scripts/layer-rules.ts`;
  if (to === undefined) return isDenied(layer, one.specifier) ? 'is not for this layer' : undefined;
  if (everywhere.includes(to)) return undefined;
  return foldersAbove(layer).includes(folderOf(to) ?? to) ? 'is not below it' : undefined;
}

function rootFault(file: string, to: string | undefined): string | undefined {
  if (file === frontDoor) return to !== undefined && folderOf(to) === 'cli' ? 'is not for the library' : undefined;
  return to === undefined ? undefined : 'is above it: this file is for everybody';
}

function isDenied(layer: Layer, specifier: string): boolean {
  const named = specifier.replace(/^(node:)?/, 'node:');
  return modulesDenied(layer).some((name) =>
    [specifier, named].some((one) => one === name || one.startsWith(`${name}/`)),
  );
}

/** A mermaid graph of the folders: files and lines in the boxes, imports on the arrows. */
function drawing(files: readonly string[], imports: readonly Import[]): string {
  const boxes = layers.flatMap(({ folder }) => {
    const own = files.filter((file) => folderOf(file) === folder);
    if (own.length === 0) return [];
    return [`  ${folder}["${folder}/<br>${own.length} ${own.length === 1 ? 'file' : 'files'}"]`];
  });
  const counts = new Map<string, number>();
  for (const one of imports) {
    const [from, to] = [folderOf(one.file), folderOf(target(one) ?? '')];
    if (from === undefined || to === undefined || from === to) continue;
    counts.set(`${from} ${to}`, (counts.get(`${from} ${to}`) ?? 0) + 1);
  }
  const order = (key: string): number[] => key.split(' ').map((f) => layers.findIndex((l) => l.folder === f));
  const arrows = [...counts]
    .toSorted(([a], [b]) => order(b)[0]! - order(a)[0]! || order(b)[1]! - order(a)[1]!)
    .map(([key, n]) => `  ${key.replace(' ', ` -->|${n}| `)}`);
  return ['```mermaid', 'flowchart TD', ...boxes.toReversed(), ...arrows, '```'].join('\n');
}

/** Boxes and arrows without their numbers: those may lag behind, or every two changes of imports would be in conflict. */
function shape(graph: string): string {
  return graph.replaceAll(/\d+( files?)?/g, '');
}

/** The lint configuration with the overrides of the table in place of those there. */
function lintText(): string {
  const config = JSON.parse(readFileSync(lintConfig, 'utf8')) as { overrides: { files: string[] }[] };
  const others = config.overrides.filter(({ files }) => !files[0]?.startsWith('src/'));
  return JSON.stringify({ ...config, overrides: [...lintOverrides(), ...others] }, undefined, 2);
}

/** Everything that is not as it should be; with `write` the generated parts are made anew first. */
function check(write: boolean): string[] {
  const files = globSync('**/*.ts', { cwd: join(projectDir, 'src') }).toSorted();
  const imports = files.flatMap(importsOf);
  const graph = drawing(files, imports);
  if (write) {
    writeFileSync(page, replaceBetween(readFileSync(page, 'utf8'), 'graph', graph));
    writeFileSync(lintConfig, lintText());
  }
  const faults = imports.flatMap((one) => {
    const why = fault(one);
    return why === undefined ? [] : [`src/${one.file}:${one.line}: '${one.specifier}' ${why}`];
  });
  if (shape(between(readFileSync(page, 'utf8'), 'graph')) !== shape(graph))
    faults.push('docs/architecture.md: the graph is not current: run make format');
  if (JSON.stringify(JSON.parse(readFileSync(lintConfig, 'utf8')), undefined, 2) !== lintText())
    faults.push('.oxlintrc.json: the overrides are not those of scripts/layer-rules.ts: run make format');
  return faults;
}

if (isMain(import.meta)) {
  const faults = check(process.argv.includes('--write'));
  for (const line of faults) console.error(line);
  if (faults.length > 0) process.exitCode = 1;
}
