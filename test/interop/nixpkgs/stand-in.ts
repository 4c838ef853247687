// A nixpkgs for the tests of narrow's package: the functions beside this file, and this machine's programs for packages.

import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectDir, tempDir } from '../../lab/temp.ts';

/** Packages that are only named: nothing of them is read where narrow is built. */
const named = ['bzip2', 'cacert', 'lz4', 'xz', 'zstd'];

/** Where the stand-in pretends that a package is. */
export const placeOf = (name: string): string => `/packages/${name}`;

/** The directory of a stand-in, a flake, whose Node is that of this process and says that it has this version. */
export function standIn(nodeVersion: string = process.versions.node): string {
  const dir = tempDir('nixpkgs');
  for (const file of ['default.nix', 'builder.sh', 'flake.nix'])
    cpSync(join(import.meta.dirname, file), join(dir, file));
  mkdirSync(join(dir, 'node/bin'), { recursive: true });
  symlinkSync(process.execPath, join(dir, 'node/bin/node'));
  const programs = [
    `nodejs_24 = { version = "${nodeVersion}"; outPath = "${dir}/node"; };`,
    ...named.map((name) => `${name} = "${placeOf(name)}";`),
  ];
  writeFileSync(join(dir, 'programs.nix'), `{ ${programs.join(' ')} }\n`);
  return dir;
}

/** The Nix expression of narrow's package, with arguments of its own. */
export function packageIn(nixpkgs: string, system: string, overrides = ''): string {
  const pkgs = `import ${nixpkgs} { system = "${system}"; programs = import ${nixpkgs}/programs.nix; }`;
  return `(${pkgs}).callPackage ${projectDir}/nix/package.nix { ${overrides} }`;
}
