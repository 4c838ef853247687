// The text of a derivation (`.drv`):
//
//   drv    = "Derive(" body ")" | 'DrvWithVersion("xp-dyn-drv",' body ")"
//   body   = [(id,path,algo,hash)] "," [(drv path,node)] "," [source] "," system "," builder "," [argument] "," [(name,value)]
//   node   = [output] | "(" [output] ",[" (output,node) … "])"          the second only in xp-dyn-drv
//
// No white space, no line feed at the end; sets are sorted by bytes. Strings are bytes in no particular charset.

import type { ByteString } from '../bytes/byte-string.ts';
import { byteString, bytesFrom, compareBytes } from '../bytes/byte-string.ts';
import type { Place } from '../errors.ts';
import { NarrowError, formatError } from '../errors.ts';
import { encodeHash } from '../model/hash.ts';
import type { Derivation, DerivationOutput, InputNode } from '../model/derivation.ts';
import { derivationKind } from '../model/derivation.ts';
import { sortedUnique } from '../model/path-info.ts';
import type { StoreDir, StorePath } from '../model/store-path.ts';
import { parseStorePath, printStorePath, storeNameFault } from '../model/store-path.ts';
import { AtermReader, atermList, atermString } from './aterm.ts';
import { formatMethodAlgo, parseDrvOutput } from './drv-output.ts';
import { parseKeepingDigits } from './json-cursor.ts';

/** Longest derivation that is read, in bytes. */
export const maxDrvSize: number = 64 * 2 ** 20;
/** Deepest nesting of derivations made by derivations. */
const maxDynamicDepth = 64;

/**
 * Reads a derivation. `name` is that of its store path without `.drv` (the text does not hold it); `place.source` names
 * the text in errors. Throws `format` with the byte offset. Stricter than Nix where the text could not be printed again as
 * it was: repeated names, missing or doubled commas, bytes after the end. Unsorted sets are taken, as Nix takes them.
 */
export function parseDrv(text: Uint8Array, name: string, storeDir: StoreDir, place: Place = {}): Derivation {
  if (text.length > maxDrvSize) {
    throw formatError('bad derivation', place, { expected: `at most ${maxDrvSize} bytes`, got: `${text.length}` });
  }
  return new DrvReader(byteString(text), name, storeDir, place).derivation();
}

class DrvReader {
  readonly #in: AtermReader;
  readonly #name: string;
  readonly #storeDir: StoreDir;
  #dynamic = false;

  constructor(text: ByteString, name: string, storeDir: StoreDir, place: Place) {
    this.#in = new AtermReader(text, 'derivation', place);
    this.#name = name;
    this.#storeDir = storeDir;
  }

  derivation(): Derivation {
    this.#head();
    const outputs = this.#map(this.#outputName, (id) => this.#output(id));
    this.#checked(0, 'outputs of one kind', () => derivationKind(outputs));
    this.#in.expect(',');
    const inputDrvs = this.#map(this.#path, () => this.#node(0));
    this.#in.expect(',');
    const inputSrcs = sortedUnique(this.#in.list(this.#path));
    const [system, builder] = [this.#next(), this.#next()];
    this.#in.expect(',');
    const args = this.#in.strings();
    this.#in.expect(',');
    const env = this.#map(
      () => this.#in.string(),
      (key) => this.#envValue(key),
    );
    this.#in.expect(')');
    this.#in.end();
    return { name: this.#name, outputs, inputDrvs, inputSrcs, system, builder, args, env };
  }

  #head(): void {
    if (this.#in.sees('DrvWithVersion(')) {
      this.#in.expect('DrvWithVersion(');
      const at = this.#in.offset;
      const version = this.#in.string();
      if (version !== 'xp-dyn-drv') throw this.#in.fault("version 'xp-dyn-drv'", `'${version.slice(0, 40)}'`, at);
      this.#dynamic = true;
      this.#in.expect(',');
    } else if (this.#in.sees('Derive(')) this.#in.expect('Derive(');
    else throw this.#in.fault("'Derive(' or 'DrvWithVersion('");
  }

  /** A comma and a string. */
  #next(): ByteString {
    this.#in.expect(',');
    return this.#in.string();
  }

  /** `[(key…),(key…)]`, sorted by key, no key twice. */
  #map<K extends string, V>(readKey: () => K, readValue: (key: K) => V): Map<K, V> {
    const seen = new Set<K>();
    const entries = this.#in.list((): [K, V] => {
      this.#in.expect('(');
      const at = this.#in.offset;
      const key = readKey();
      if (seen.has(key)) throw this.#in.fault('each name once', `'${key.slice(0, 80)}' again`, at);
      seen.add(key);
      const value = readValue(key);
      this.#in.expect(')');
      return [key, value];
    });
    return new Map(entries.sort(([a], [b]) => compareBytes(a, b)));
  }

  #checked<T>(offset: number, expected: string, read: () => T): T {
    try {
      return read();
    } catch (cause) {
      if (!(cause instanceof NarrowError)) throw cause;
      throw this.#in.fault(expected, cause.message, offset, cause);
    }
  }

  readonly #path = (): StorePath => {
    const at = this.#in.offset;
    const text = this.#in.string();
    return this.#checked(at, `a path in ${this.#storeDir}`, () => parseStorePath(this.#storeDir, text));
  };

  /** Names that no store path could carry are refused; they are printed without escapes. */
  readonly #outputName = (): string => {
    const at = this.#in.offset;
    const name = this.#in.string();
    const fault = storeNameFault(name);
    if (fault !== undefined) throw this.#in.fault('the name of an output', fault, at);
    return name;
  };

  #output(id: string): DerivationOutput {
    const at = this.#in.offset + 1;
    const [path, algo, hash] = [this.#next(), this.#next(), this.#next()];
    const about = { storeDir: this.#storeDir, drvName: this.#name, output: id };
    return this.#checked(at, `an output '${id}'`, () => parseDrvOutput(about, path, algo, hash));
  }

  #node(depth: number): InputNode {
    this.#in.expect(',');
    const at = this.#in.offset;
    const none = new Map<string, InputNode>();
    if (!this.#dynamic || !this.#in.sees('(')) {
      const outputs = sortedUnique(this.#in.list(this.#outputName));
      if (outputs.length === 0) throw this.#in.fault('at least one output', 'none', at);
      return { outputs, dynamic: none };
    }
    if (depth >= maxDynamicDepth) throw this.#in.fault(`at most ${maxDynamicDepth} levels`, 'one more');
    this.#in.expect('(');
    const outputs = sortedUnique(this.#in.list(this.#outputName));
    this.#in.expect(',');
    const dynamic = this.#map(this.#outputName, () => this.#node(depth + 1));
    this.#in.expect(')');
    if (outputs.length === 0 && dynamic.size === 0) throw this.#in.fault('at least one output', 'none', at);
    return { outputs, dynamic };
  }

  /** Nix ≥ 2.30 refuses structured attributes that are no JSON object; so do we. */
  #envValue(key: ByteString): ByteString {
    const at = this.#in.offset + 1;
    const value = this.#next();
    if (key === '__json') {
      const json = this.#checked(at, 'JSON in __json', () => parseStructuredAttrs(value));
      if (typeof json !== 'object' || json === null || Array.isArray(json)) {
        throw this.#in.fault('a JSON object in __json', 'another value', at);
      }
    }
    return value;
  }
}

/** The value of `__json`; numbers keep their digits. Throws `format`. */
export function parseStructuredAttrs(value: ByteString): unknown {
  try {
    return parseKeepingDigits(new TextDecoder('utf-8', { fatal: true }).decode(bytesFrom(value)));
  } catch (cause) {
    throw new NarrowError('format', cause instanceof Error ? cause.message : 'no JSON', { cause });
  }
}

/** Prints a derivation as Nix does, byte for byte. Throws `format` for values that the text cannot hold. */
export function formatDrv(drv: Derivation, storeDir: StoreDir): Buffer {
  const inputs = [...drv.inputDrvs].map(([path, node]) => [printStorePath(storeDir, path), node] as const);
  return bytesFrom(printDrv(drv, inputs, storeDir));
}

/** The text with the inputs under any keys: paths, or hashes when it is hashed (drv-hash.ts). */
export function printDrv(
  drv: Derivation,
  inputs: readonly (readonly [key: string, node: InputNode])[],
  storeDir: StoreDir,
): ByteString {
  const head = inputs.some(([, node]) => node.dynamic.size > 0) ? 'DrvWithVersion("xp-dyn-drv",' : 'Derive(';
  const parts = [
    atermList([...drv.outputs].sort(byKey).map(([id, output]) => printOutput(id, output, storeDir))),
    atermList([...inputs].sort(byKey).map(([key, node]) => `("${key}",${printNode(node)})`)),
    atermList(sortedUnique(drv.inputSrcs).map((path) => `"${printStorePath(storeDir, path)}"`)),
    plain(drv.system),
    atermString(drv.builder),
    atermList(drv.args.map(atermString)),
    atermList([...drv.env].sort(byKey).map(([name, value]) => `(${atermString(name)},${atermString(value)})`)),
  ];
  return `${head}${parts.join(',')})` as ByteString;
}

function byKey(a: readonly [string, unknown], b: readonly [string, unknown]): number {
  return compareBytes(a[0], b[0]);
}

function printOutput(id: string, output: DerivationOutput, storeDir: StoreDir): string {
  const row = (path: string, algo: string, hash: string): string => `(${plain(id)},"${path}","${algo}","${hash}")`;
  switch (output.kind) {
    case 'input-addressed':
      return row(printStorePath(storeDir, output.path), '', '');
    case 'fixed': {
      const { method, hash } = output.ca;
      return row(
        printStorePath(storeDir, output.path),
        formatMethodAlgo(method, hash.algo),
        encodeHash(hash, 'base16'),
      );
    }
    case 'floating':
      return row('', formatMethodAlgo(output.method, output.algo), '');
    case 'deferred':
      return row('', '', '');
    case 'impure':
      return row('', formatMethodAlgo(output.method, output.algo), 'impure');
  }
}

function printNode(node: InputNode): string {
  const outputs = atermList(sortedUnique(node.outputs).map(plain));
  if (node.dynamic.size === 0) return outputs;
  const children = [...node.dynamic].sort(byKey).map(([output, child]) => `(${plain(output)},${printNode(child)})`);
  return `(${outputs},${atermList(children)})`;
}

/** What Nix prints without looking for characters to escape. */
function plain(text: string): string {
  const quoted = atermString(text);
  if (quoted.length !== text.length + 2) {
    throw new NarrowError('format', `cannot print ${quoted} in a derivation: Nix does not escape it here`);
  }
  return quoted;
}
