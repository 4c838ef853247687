// Writes derivations as columns: those that can be made again from them to the byte.

import { formatDrv, parseDrv } from '../../format/drv.ts';
import { DerivationHasher, derivationPath } from '../../format/drv-hash.ts';
import { NarrowError, isNarrowError } from '../../errors.ts';
import type { ContentAddress } from '../../model/content-address.ts';
import { derivationName, fixedOutputPath } from '../../model/derivation.ts';
import type { Derivation } from '../../model/derivation.ts';
import { hashPart, hashPartLength, printStorePath } from '../../model/store-path.ts';
import type { StoreDir, StorePath } from '../../model/store-path.ts';
import type { ColumnWriter } from '../columns.ts';
import {
  algos,
  column,
  computed,
  digestForms,
  digestMark,
  digestText,
  methods,
  namedPaths,
  pathMark,
  withOwnPaths,
} from './layout.ts';
import type { Input } from './layout.ts';

/** A path that texts can name. */
interface Mark {
  readonly path: StorePath;
  readonly index: number;
}

export class DrvWriter {
  readonly #storeDir: StoreDir;
  readonly #hasher: DerivationHasher;
  readonly #drvs = new Map<StorePath, Derivation>();

  constructor(storeDir: StoreDir) {
    this.#storeDir = storeDir;
    this.#hasher = new DerivationHasher(storeDir, (path) => {
      const drv = this.#drvs.get(path);
      if (drv) return drv;
      throw new NarrowError('missing', `${path} is not among the derivations`);
    });
  }

  /** Takes a derivation in, inputs first; false when it cannot be made again from columns. */
  async take(path: StorePath, text: Uint8Array): Promise<boolean> {
    try {
      const drv = parseDrv(text, derivationName(path), this.#storeDir);
      if (!formatDrv(drv, this.#storeDir).equals(text) || derivationPath(drv, this.#storeDir) !== path) return false;
      if (!(await this.#isPredictable(drv))) return false;
      this.#drvs.set(path, drv);
      return true;
    } catch (error) {
      if (isNarrowError(error)) return false;
      throw error;
    }
  }

  /** Takes a derivation out again; those that use it must be taken out, too. */
  drop(path: StorePath): void {
    this.#drvs.delete(path);
  }

  /** Appends a derivation that was taken. `numberOf` numbers every path it refers to below `number`, its own. */
  write(path: StorePath, number: number, numberOf: (path: StorePath) => number, out: ColumnWriter): void {
    const drv = this.#drvs.get(path)!;
    const text = (target: number, value: string): void => out.bytes(target, Buffer.from(`${value}\0`, 'latin1'));
    text(column.name, drv.name);
    const address = addressOf(drv);
    out.varint(column.number, address ? codeOf(address) : computed);
    if (address) out.bytes(column.digest, address.hash.bytes);
    else {
      out.varint(column.number, drv.outputs.size);
      for (const name of drv.outputs.keys()) text(column.name, name);
    }
    const inputs = this.#writeInputs(drv, number, numberOf, out);
    const sources = this.#writeNumbers(drv.inputSrcs, number, numberOf, out);
    text(column.name, drv.system);
    const marks = new Map(namedPaths(inputs, sources).map((path, index) => [hashPart(path), { path, index }]));
    const marked = (value: string): void => text(column.text, this.#marked(value, marks, address, out));
    marked(drv.builder);
    out.varint(column.number, drv.args.length);
    for (const arg of drv.args) marked(arg);
    const env = withOwnPaths(drv, this.#storeDir, false);
    out.varint(column.number, env.size);
    for (const [name, value] of env) {
      text(column.variable, name);
      marked(value);
    }
  }

  async #isPredictable(drv: Derivation): Promise<boolean> {
    if ([...drv.inputDrvs.values()].some(({ dynamic }) => dynamic.size > 0)) return false;
    const texts = [drv.system, drv.builder, ...drv.args, ...drv.env.keys(), ...drv.env.values()];
    if (texts.some((text) => text.includes(pathMark) || text.includes(digestMark) || text.includes('\0'))) return false;
    const address = addressOf(drv);
    const paths = address
      ? new Map([['out', fixedOutputPath(this.#storeDir, address, drv.name, 'out')]])
      : await this.#hasher.outputPaths(drv);
    for (const [name, output] of drv.outputs) {
      if (output.kind !== 'fixed' && output.kind !== 'input-addressed') return false;
      if (output.path !== paths.get(name)) return false;
    }
    const env = withOwnPaths(drv, this.#storeDir, true);
    return [...drv.env].every(([name, value]) => env.get(name) === value);
  }

  #writeInputs(drv: Derivation, number: number, numberOf: (path: StorePath) => number, out: ColumnWriter): Input[] {
    const paths = this.#writeNumbers([...drv.inputDrvs.keys()], number, numberOf, out);
    return paths.map((path) => {
      const names = drv.inputDrvs.get(path)!.outputs;
      // nearly always just `out`
      const alone = names.length === 1 && names[0] === 'out';
      out.varint(column.number, alone ? 0 : names.length + 1);
      if (!alone) for (const name of names) out.bytes(column.name, Buffer.from(`${name}\0`, 'latin1'));
      return { path, drv: this.#drvs.get(path), names };
    });
  }

  /** Paths by how far back they are, the nearest first; returns them in this order. */
  #writeNumbers(
    paths: readonly StorePath[],
    number: number,
    numberOf: (path: StorePath) => number,
    out: ColumnWriter,
  ): StorePath[] {
    const numbered = paths.map((path) => ({ path, at: numberOf(path) })).sort((a, b) => b.at - a.at);
    out.varint(column.number, numbered.length);
    let last = number;
    for (const { at } of numbered) {
      out.varint(column.number, last - at - 1);
      last = at;
    }
    return numbered.map(({ path }) => path);
  }

  #marked(
    value: string,
    marks: ReadonlyMap<string, Mark>,
    address: ContentAddress | undefined,
    out: ColumnWriter,
  ): string {
    const prefix = printStorePath(this.#storeDir, '' as StorePath);
    let marked = '';
    let from = 0;
    for (let at = value.indexOf(prefix); at >= 0; at = value.indexOf(prefix, at + 1)) {
      const begin = at + prefix.length;
      const mark = marks.get(value.slice(begin, begin + hashPartLength));
      if (!mark || !value.startsWith(mark.path, begin)) continue;
      out.varint(column.mark, mark.index);
      marked += value.slice(from, at) + pathMark;
      from = begin + mark.path.length;
    }
    marked += value.slice(from);
    if (!address) return marked;
    return digestForms.reduce(
      (text, _, form) => text.replaceAll(digestText(address, form)!, `${digestMark}${form}`),
      marked,
    );
  }
}

function addressOf({ outputs }: Derivation): ContentAddress | undefined {
  const out = outputs.get('out');
  return outputs.size === 1 && out?.kind === 'fixed' ? out.ca : undefined;
}

function codeOf({ method, hash }: ContentAddress): number {
  return 1 + methods.indexOf(method) + methods.length * algos.indexOf(hash.algo);
}
