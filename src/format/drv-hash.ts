// Derivations by hash: the path of a .drv, and the paths of what it builds. An output's path is made of the derivation's
// text in which every input is replaced by a hash of its own ("hash modulo": fixed outputs count by what they are, not by
// how they are fetched) and in which the own paths are blank.

import { NarrowError } from '../errors.ts';
import type { ByteString } from '../bytes/byte-string.ts';
import { bytesFrom } from '../bytes/byte-string.ts';
import { contentAddressedPath, fixedOutputDigest } from '../model/content-address.ts';
import type { Derivation, DerivationOutput, InputNode } from '../model/derivation.ts';
import { derivationKind, derivationReferences, outputPathName } from '../model/derivation.ts';
import { hashBytes } from '../model/hash.ts';
import type { StoreDir, StorePath } from '../model/store-path.ts';
import { makeStorePath, printStorePath } from '../model/store-path.ts';
import { formatDrv, printDrv } from './drv.ts';

/** The store path of the derivation itself. */
export function derivationPath(drv: Derivation, storeDir: StoreDir): StorePath {
  const ca = { method: 'text', hash: hashBytes(formatDrv(drv, storeDir)) } as const;
  return contentAddressedPath(storeDir, ca, `${drv.name}.drv`, { others: derivationReferences(drv), self: false });
}

/** Gives an input derivation. */
export type LoadDerivation = (path: StorePath) => Promise<Derivation> | Derivation;

export interface HashModulo {
  /** Base 16; undefined when it depends on derivations that other derivations make. */
  readonly hash: string | undefined;
  /** It is, or depends on, something content-addressed that is not built yet: nobody's output path can be made of it. */
  readonly deferred: boolean;
  /** Of a fixed-output derivation, which has just the output `out`. */
  readonly fixed: boolean;
}

/** Loads at once while the closure is gathered. */
const loadsAtOnce = 16;
const noDynamic: ReadonlyMap<string, InputNode> = new Map();

/** Computes and remembers hashes; one for a whole closure. Inputs of fixed-output derivations are never loaded. */
export class DerivationHasher {
  readonly #storeDir: StoreDir;
  readonly #load: LoadDerivation;
  readonly #known = new Map<StorePath, HashModulo>();

  constructor(storeDir: StoreDir, load: LoadDerivation) {
    this.#storeDir = storeDir;
    this.#load = load;
  }

  /** The hash under which the derivation at `path` counts as an input of others. */
  async modulo(path: StorePath): Promise<HashModulo> {
    await this.#learn([path]);
    return this.#get(path);
  }

  /** The hash that output paths are made of, and that old realisation ids hold: own paths blank. */
  async masked(drv: Derivation): Promise<HashModulo> {
    await this.#learn(drv.inputDrvs.keys());
    const names = new Set<string>(drv.outputs.keys());
    const env = [...drv.env].map(([name, value]) => [name, names.has(name) ? ('' as ByteString) : value] as const);
    const outputs = [...drv.outputs].map(([name, output]) => [name, blank(output)] as const);
    const { text, deferred } = this.#textOf({ ...drv, outputs: new Map(outputs), env: new Map(env) });
    return { hash: text === undefined ? undefined : sha256(text), deferred, fixed: false };
  }

  /** The path of each output; undefined where it is known only after building. Throws `format` for mixed outputs. */
  async outputPaths(drv: Derivation): Promise<Map<string, StorePath | undefined>> {
    const kind = derivationKind(drv.outputs);
    if (kind === 'floating' || kind === 'impure') return new Map([...drv.outputs.keys()].map((o) => [o, undefined]));
    if (kind === 'fixed') {
      return new Map([...drv.outputs].map(([name, o]) => [name, o.kind === 'fixed' ? o.path : undefined]));
    }
    const { hash, deferred } = await this.masked(drv);
    const digest = hash === undefined || deferred ? undefined : Buffer.from(hash, 'hex');
    const pathOf = (name: string): StorePath | undefined =>
      digest && makeStorePath(this.#storeDir, `output:${name}`, digest, outputPathName(drv.name, name));
    return new Map([...drv.outputs.keys()].map((name) => [name, pathOf(name)]));
  }

  #get(path: StorePath): HashModulo {
    const known = this.#known.get(path);
    if (!known) throw new NarrowError('format', `derivation ${path} depends on itself`);
    return known;
  }

  /** Learns the hashes of `paths` and of all they need. Without recursion: chains are thousands long. */
  async #learn(paths: Iterable<StorePath>): Promise<void> {
    const roots = [...paths].filter((path) => !this.#known.has(path));
    const drvs = await this.#gather(roots);
    const open: StorePath[] = roots;
    const entered = new Set<StorePath>();
    while (open.length > 0) {
      const path = open.at(-1)!;
      const drv = drvs.get(path);
      const inputs = drv && !entered.has(path) && !isFixed(drv) ? [...drv.inputDrvs.keys()] : [];
      const missing = inputs.filter((input) => !this.#known.has(input));
      entered.add(path);
      if (missing.length > 0) {
        for (const input of missing) open.push(input);
        continue;
      }
      open.pop();
      if (drv && !this.#known.has(path)) this.#known.set(path, this.#compute(drv));
    }
  }

  /** The derivations whose hashes are needed and not known, level by level. */
  async #gather(roots: readonly StorePath[]): Promise<Map<StorePath, Derivation>> {
    const drvs = new Map<StorePath, Derivation>();
    const seen = new Set(roots);
    for (let level = [...seen]; level.length > 0;) {
      const next: StorePath[] = [];
      const queue = level.values();
      const loadSome = async (): Promise<void> => {
        for (const path of queue) {
          const drv = await this.#load(path);
          drvs.set(path, drv);
          for (const input of isFixed(drv) ? [] : drv.inputDrvs.keys()) {
            if (this.#known.has(input) || seen.has(input)) continue;
            seen.add(input);
            next.push(input);
          }
        }
      };
      await Promise.all(Array.from({ length: Math.min(loadsAtOnce, level.length) }, loadSome));
      level = next;
    }
    return drvs;
  }

  #compute(drv: Derivation): HashModulo {
    const kind = derivationKind(drv.outputs);
    const out = drv.outputs.get('out');
    if (out?.kind === 'fixed') {
      const path = printStorePath(this.#storeDir, out.path);
      return { hash: Buffer.from(fixedOutputDigest(out.ca, path)).toString('hex'), deferred: false, fixed: true };
    }
    if (kind === 'impure') return { hash: sha256('impure' as ByteString), deferred: true, fixed: false };
    const { text, deferred } = this.#textOf(drv);
    const hash = text === undefined ? undefined : sha256(text);
    return { hash, deferred: deferred || kind !== 'input-addressed', fixed: false };
  }

  /** The text with hashes for inputs; equal hashes share their outputs. */
  #textOf(drv: Derivation): { text: ByteString | undefined; deferred: boolean } {
    const inputs = new Map<string, string[]>();
    let deferred = false;
    for (const [path, node] of drv.inputDrvs) {
      const input = this.#get(path);
      const wrong = input.fixed ? node.outputs.find((output) => output !== 'out') : undefined;
      if (wrong !== undefined) throw new NarrowError('format', `${drv.name}: ${path} has no output '${wrong}'`);
      if (input.hash === undefined || node.dynamic.size > 0) return { text: undefined, deferred: true };
      deferred ||= input.deferred;
      inputs.set(input.hash, [...(inputs.get(input.hash) ?? []), ...node.outputs]);
    }
    const nodes = [...inputs].map(([hash, outputs]) => [hash, { outputs, dynamic: noDynamic }] as const);
    return { text: printDrv(drv, nodes, this.#storeDir), deferred };
  }
}

function isFixed(drv: Derivation): boolean {
  return drv.outputs.get('out')?.kind === 'fixed';
}

function blank(output: DerivationOutput): DerivationOutput {
  return output.kind === 'input-addressed' ? { kind: 'deferred' } : output;
}

function sha256(text: ByteString): string {
  return Buffer.from(hashBytes(bytesFrom(text)).bytes).toString('hex');
}
