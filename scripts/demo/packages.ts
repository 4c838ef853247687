// The project's own installed packages, and what each needs: real files with real dependencies, on every machine that has
// built narrow.

import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectDir } from '../project.ts';

export interface Package {
  /** As npm names it: `@types/node`. */
  readonly name: string;
  readonly version: string;
  readonly directory: string;
  /** Names of installed packages. */
  readonly dependencies: readonly string[];
  /** Name of a program -> file in the package. */
  readonly programs: Readonly<Record<string, string>>;
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly bin?: string | Readonly<Record<string, string>>;
}

const nodeModules = join(projectDir, 'node_modules');

/** Everything in node_modules, dependencies first. */
export function installedPackages(): Package[] {
  const manifests = globSync(['*/package.json', '@*/*/package.json'], { cwd: nodeModules }).toSorted();
  const found = new Map(manifests.map((file) => readPackage(join(nodeModules, file, '..'))).map((p) => [p.name, p]));
  const ordered = new Map<string, Package>();
  for (const name of found.keys()) place(name, found, ordered, new Set());
  return [...ordered.values()];
}

function readPackage(directory: string): Package {
  const manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Manifest;
  const { name, version, bin = {} } = manifest;
  const needed = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies });
  return {
    name,
    version,
    directory,
    dependencies: needed.filter((one) => existsSync(join(nodeModules, one))).toSorted(),
    programs: typeof bin === 'string' ? { [name]: bin } : bin,
  };
}

function place(name: string, from: Map<string, Package>, ordered: Map<string, Package>, open: Set<string>): void {
  const one = from.get(name);
  if (!one || ordered.has(name) || open.has(name)) return;
  open.add(name);
  for (const dependency of one.dependencies) place(dependency, from, ordered, open);
  // a circle, which npm allows and a store does not, is cut where it closes
  ordered.set(name, { ...one, dependencies: one.dependencies.filter((other) => ordered.has(other)) });
}
