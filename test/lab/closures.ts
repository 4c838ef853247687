// Real closures in stores of their own, built once by Nix 2.8 from closures.nix and kept in .build/lab/closures. Whoever
// changes one takes a copy. The folder's name holds a hash of what made it, so that a change here builds anew.
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { nix } from './nix.ts';
import type { NixOptions } from './nix.ts';
import { run } from './run.ts';
import { labDir, remove, tempDir, tempDirInLab } from './temp.ts';

/**
 * - `basic`: some 30 outputs below a small system, their derivations, unsigned
 * - `rebuilt`: the same from a libc whose derivation differs: other hashes, otherwise equal bytes
 * - `updated`: the same with another version of some packages
 * - `ca`: fixed outputs of several kinds, texts, sources, self references, floating outputs with their realisations
 * - `signed`: `basic`, all of it signed with the first key, the small system also with the second
 */
export type ClosureName = 'basic' | 'rebuilt' | 'updated' | 'ca' | 'signed';

export interface Closure {
  readonly name: ClosureName;
  /** The store's root: `local?root=ROOT`, files in ROOT/nix/store. Read-only: use {@link copyOfStore} to change it. */
  readonly root: string;
  /** The store path that holds all of it together. */
  readonly top: string;
  /** The closure of `top`, in Nix's order: references first. */
  readonly paths: readonly string[];
  /** Derivation of `top`. */
  readonly drv: string;
  /** The closure of `drv`. */
  readonly drvs: readonly string[];
  /** Some outputs by their attribute in closures.nix. */
  readonly named: Readonly<Record<string, string>>;
}

export interface KeyPair {
  readonly name: string;
  /** File of the secret key. */
  readonly secretFile: string;
  /** The public key as it stands in trusted-public-keys. */
  readonly publicKey: string;
}

const build: NixOptions = { timeout: 300_000 };

function libraries(): string[] {
  const triple = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' }[process.arch as string];
  if (triple === undefined) throw new Error(`the laboratory has no closures for ${process.arch}`);
  const lib = join('/lib', triple);
  const loader = readdirSync(lib).find((name) => /^ld-linux-.*\.so\.\d$/.test(name));
  if (loader === undefined) throw new Error(`no ld-linux-*.so in ${lib}`);
  const real = { libc6: 'libc.so.6', ld: loader, tinfo: 'libtinfo.so.6' };
  const args = Object.entries(real).map(([arg, file]) => [arg, realpathSync(join(lib, file))]);
  return [...args, ['loader', loader]].flatMap(([arg, value]) => ['--argstr', arg as string, value as string]);
}

const variants: Record<ClosureName, readonly string[]> = {
  basic: ['-A', 'basic'],
  signed: ['-A', 'basic'],
  rebuilt: ['-A', 'basic', '--argstr', 'rebuild', '2'],
  updated: ['-A', 'basic', '--arg', 'update', 'true'],
  ca: ['-A', 'ca'],
};
const attributes = {
  basic: ['bash', 'coreutils', 'etc', 'firmware', 'greet', 'hello', 'initrd', 'libc', 'multi', 'ncurses', 'odd', 'top'],
  ca: ['flat', 'leaf', 'md5', 'outs', 'self', 'self0', 'sha1', 'sha512', 'top'],
};

const here = import.meta.dirname;
const madeFrom = createHash('sha256')
  .update(readFileSync(join(here, 'closures.nix')))
  .update(readFileSync(join(here, 'closures.ts')));
const key = madeFrom.digest('hex').slice(0, 12);
const closuresDir = join(labDir, 'closures');

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');

async function make(name: ClosureName, dir: string): Promise<void> {
  const root = join(dir, 'root');
  const old = nix('2.8');
  const mounted = { ...build, store: root, mounted: true };
  const expression = [join(here, 'closures.nix'), ...libraries(), ...variants[name]];
  const drvs = lines((await old.run('nix-instantiate', expression, mounted)).stdout);
  const outputs = lines((await old.run('nix-store', ['--realise', ...drvs], mounted)).stdout);
  const names = name === 'ca' ? attributes.ca : attributes.basic;
  if (outputs.length !== names.length) throw new Error(`expected ${names.length} outputs, got ${outputs.length}`);
  const named = Object.fromEntries(names.map((attribute, i) => [attribute, outputs[i] as string]));
  const top = named['top'] as string;
  const drv = drvs[names.indexOf('top')] as string;
  for (const [link, target] of Object.entries({ top, drv })) {
    const file = join(root, 'nix/var/nix/gcroots', link);
    mkdirSync(dirname(file), { recursive: true });
    symlinkSync(target, file);
  }
  if (name === 'signed') await signAll(root, top, named['libc'] as string);
  const paths = lines(await old.store(root, '-qR', top));
  const closure = { name, top, paths, drv, drvs: lines(await old.store(root, '-qR', drv)), named };
  writeFileSync(join(dir, 'closure.json'), JSON.stringify(closure, undefined, 1));
}

async function signAll(root: string, top: string, libc: string): Promise<void> {
  const [first, second] = await Promise.all([keyPair('lab-1'), keyPair('lab-2')]);
  const sign = (pair: KeyPair, ...what: string[]): Promise<string> =>
    nix('2.8').nix('store', 'sign', '--store', root, '--key-file', pair.secretFile, ...what);
  await sign(first, '--recursive', top);
  await sign(second, libc, top);
}

const made = new Map<string, Promise<unknown>>();

function once<T>(what: string, action: () => Promise<T>): Promise<T> {
  let promise = made.get(what) as Promise<T> | undefined;
  if (promise === undefined) made.set(what, (promise = action()));
  return promise;
}

/** Builds below a name of its own and renames, so that two processes may do it at once; the first one wins. */
async function keep(dir: string, action: (part: string) => Promise<void>): Promise<void> {
  if (existsSync(dir)) return;
  const part = tempDirInLab('part');
  await action(part);
  mkdirSync(dirname(dir), { recursive: true });
  try {
    renameSync(part, dir);
  } catch (error) {
    if (!existsSync(dir)) throw error;
  }
  remove(part);
}

/** A closure, built at the first call on a machine (2 to 6 s), then there. Do not write to it. */
export function closure(name: ClosureName): Promise<Closure> {
  return once(name, async () => {
    const dir = join(closuresDir, key, name);
    await keep(dir, (part) => make(name, part));
    return {
      root: join(dir, 'root'),
      ...(JSON.parse(readFileSync(join(dir, 'closure.json'), 'utf8')) as object),
    } as Closure;
  });
}

/** A key pair, the same for all tests: `lab-1` is the one to trust, `lab-2` one that only some trust, others at will. */
export function keyPair(name: string): Promise<KeyPair> {
  return once(`key ${name}`, async () => {
    const dir = join(closuresDir, key, 'keys', name);
    await keep(dir, async (part) => {
      await nix('2.8').run('nix-store', [
        '--generate-binary-cache-key',
        name,
        join(part, 'secret'),
        join(part, 'public'),
      ]);
    });
    return { name, secretFile: join(dir, 'secret'), publicKey: readFileSync(join(dir, 'public'), 'utf8').trim() };
  });
}

/** A copy of a whole store that may be changed; gone when the process ends. */
export async function copyOfStore(root: string): Promise<string> {
  const copy = join(tempDir('copy'), 'root');
  // temporary roots of whoever reads it meanwhile come and go
  const pack = `tar -C "$1" --exclude='./nix/var/nix/temproots/*' -cf - .`;
  await run(['bash', '-ec', `set -o pipefail; mkdir "$2"; ${pack} | tar -C "$2" -xpf -`, 'copy', root, copy]);
  return copy;
}

/** Deletes closures made by other versions of these files. */
export function dropOldClosures(): void {
  if (!existsSync(closuresDir)) return;
  for (const old of readdirSync(closuresDir)) {
    if (old !== key) rmSync(join(closuresDir, old), { recursive: true, force: true });
  }
}
