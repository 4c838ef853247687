// Every Nix that setup.sh provides, run against stores of the tests' own with nothing of the machine's configuration.
// Chroot stores (`--store DIR`) do for everything but building; builds see DIR/nix at /nix, in a mount namespace of their own.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { run } from './run.ts';
import type { RunOptions, RunResult } from './run.ts';
import { labDir, tempDir } from './temp.ts';

export interface NixOptions extends RunOptions {
  /** The store's root: `--store ROOT` is added. Without it the arguments have to name the stores. */
  readonly store?: string | undefined;
  /** Lines that are added to nix.conf, such as `require-sigs = true`. */
  readonly conf?: string | undefined;
  /** Mount ROOT/nix at /nix in a private mount namespace, and run there instead of with `--store`: for builds. */
  readonly mounted?: boolean | undefined;
}

type Program = 'nix' | 'nix-store' | 'nix-daemon' | 'nix-instantiate' | 'nix-copy-closure' | 'nix-env' | 'nix-hash';

/** Settings of every run. A Nix that finds no group nixbld refuses to build as root, hence the empty one. */
export const baseConf: string = `experimental-features = nix-command ca-derivations
substitute = false
substituters =
sandbox = false
build-users-group =
builders =
connect-timeout = 5
`;

/** One version of Nix. */
export class Nix {
  /** Major and minor version: `2.8`, `2.26`, `2.34`. */
  readonly label: string;
  /** The folder of its programs, to put on a PATH. */
  readonly bin: string;
  #homes = new Map<string, string>();

  constructor(label: string, bin: string) {
    this.label = label;
    this.bin = bin;
  }

  /** A whole environment: this Nix first on the PATH, an empty home, the settings above and `conf`. */
  env(conf = ''): Record<string, string> {
    const home = this.#home(conf);
    return {
      PATH: `${this.bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
      HOME: home,
      USER: 'root',
      NIX_CONF_DIR: join(home, 'conf'),
      LC_ALL: 'C.UTF-8',
    };
  }

  /** Runs one of its programs to the end. */
  run(program: Program, args: readonly string[], options: NixOptions = {}): Promise<RunResult> {
    const { store, conf, mounted } = options;
    const env = { ...this.env(conf), ...options.env };
    const argv = [join(this.bin, program), ...args];
    if (store === undefined) return run(argv, { ...options, env });
    if (mounted === true) return run([...inMountedStore(store), ...argv], { ...options, env });
    return run([...argv, '--store', store], { ...options, env });
  }

  /** `nix-store ARGS --store ROOT`: standard output without the last newline. */
  async store(root: string, ...args: string[]): Promise<string> {
    return (await this.run('nix-store', args, { store: root })).stdout.trimEnd();
  }

  /** `nix ARGS`; the arguments name the stores. */
  async nix(...args: string[]): Promise<string> {
    return (await this.run('nix', args)).stdout.trimEnd();
  }

  /** What `nix-store --verify --check-contents` complains about; undefined when the store is clean. */
  async complaints(root: string): Promise<string | undefined> {
    const result = await this.run('nix-store', ['--verify', '--check-contents'], { store: root, mayFail: true });
    const noise = /^(reading the Nix store|checking (path existence|(link |store )?hashes|the store)|verifying|$).*/;
    const lines = result.stderr.split('\n').filter((line) => !noise.test(line));
    return result.status === 0 && lines.length === 0 ? undefined : `status ${result.status}: ${lines.join('\n')}`;
  }

  #home(conf: string): string {
    const known = this.#homes.get(conf);
    if (known !== undefined) return known;
    const home = tempDir('nix-home');
    mkdirSync(join(home, 'conf'));
    writeFileSync(join(home, 'conf/nix.conf'), baseConf + conf);
    this.#homes.set(conf, home);
    return home;
  }
}

/** The words before a command that make it see ROOT/nix at /nix, and nobody else. */
export function inMountedStore(root: string): string[] {
  mkdirSync(join(root, 'nix/store'), { recursive: true });
  mkdirSync(join(root, 'nix/var/nix'), { recursive: true });
  mkdirSync('/nix', { recursive: true }); // the place to mount at; nothing is written there
  return ['unshare', '--mount', '--propagation', 'private', 'sh', '-ec', 'mount --bind "$0/nix" /nix; exec "$@"', root];
}

function find(bin: string): Nix | undefined {
  const program = join(bin, 'nix');
  if (!existsSync(program)) return undefined;
  const version = /(\d+\.\d+)\S*\s*$/.exec(execFileSync(program, ['--version'], { encoding: 'utf8' }));
  return version?.[1] === undefined ? undefined : new Nix(version[1], bin);
}

let found: readonly Nix[] | undefined;

/** Every Nix there is, oldest first. Throws without Debian's 2.8 and 2.26; sid's current one may be absent, said aloud. */
export function nixes(): readonly Nix[] {
  if (found !== undefined) return found;
  const all = ['/usr/bin', join(labDir, 'nix-2.26/bin'), join(labDir, 'nix-current/bin')].map(find);
  for (const [i, label] of ['2.8', '2.26'].entries()) {
    if (all[i]?.label === label) continue;
    throw new Error(`the tests need Nix ${label} and found ${all[i]?.label ?? 'none'}: run \`make setup\` as root`);
  }
  if (all[2] === undefined)
    console.error('lab: *** no current Nix (Debian sid) here: tests run with 2.8 and 2.26 only ***');
  found = all.filter((nix) => nix !== undefined);
  return found;
}

/** One of {@link nixes}: `2.8`, `2.26`, or `current` for the newest that is there. */
export function nix(label: '2.8' | '2.26' | 'current'): Nix {
  const all = nixes();
  const one = label === 'current' ? all.at(-1) : all.find((n) => n.label === label);
  if (one === undefined) throw new Error(`no Nix ${label}`);
  return one;
}

/** A new store: a root directory with an empty database of schema 10, made by Nix 2.8. */
export async function freshStore(): Promise<string> {
  const root = tempDir('store');
  await nix('2.8').store(root, '--init');
  const schema = readFileSync(join(root, 'nix/var/nix/db/schema'), 'utf8').trim();
  if (schema !== '10') throw new Error(`expected store schema 10, got ${schema}`);
  return root;
}
