// Narinfos exactly as Nix and narrow write them, read for what a collection wants to know: one expression, a tenth of the time of
// reading all fields. Everything else (other orders, fields, forms) is left to the reader of all narinfos.

import { tryBaseName } from '../model/store-path.ts';
import type { StoreDir, StorePath } from '../model/store-path.ts';
import type { IndexRow } from './index-file.ts';

const digit = '[0-9a-df-np-sv-z]';
const hash = `sha256:[01]${digit}{51}`;
const name = `${digit}{32}-[0-9A-Za-z+_?=-][0-9A-Za-z+._?=-]{0,210}`;
const size = '[1-9][0-9]{0,14}';

/** Longest that is read this way, in bytes: a thousand references. */
export const maxPlain: number = 65_536;

/** Keeps one copy of each name: what is cut out of a text keeps all of that alive. */
class Names {
  readonly #known = new Map<string, StorePath>();

  /** The same name; undefined when it is that of no store path. */
  get(text: string): StorePath | undefined {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const path = tryBaseName(ownCopy(text));
    if (path !== undefined) this.#known.set(path, path);
    return path;
  }
}

function ownCopy(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}

/** Reads the narinfos of one store directory. */
export class PlainNarinfoReader {
  readonly #pattern: RegExp;
  readonly #names = new Names();

  constructor(storeDir: StoreDir) {
    const lines = [
      `StorePath: ${RegExp.escape(storeDir)}/(${name})`,
      `URL: (nar/[0-9a-z]{1,128}\\.nar(?:\\.[0-9a-z]{1,8})?)`,
      `Compression: (?:none|xz|zstd|bzip2|gzip|br)(?:\nFileHash: ${hash})?(?:\nFileSize: (${size}))?`,
      `NarHash: ${hash}`,
      `NarSize: (${size})`,
      `References: (${name}(?: ${name})*)?(?:\nDeriver: ${name})?`,
    ];
    this.#pattern = new RegExp(`^${lines.join('\n')}\n(?:Sig: [^\\s:]{1,200}:[0-9A-Za-z+/]{86}==\n)*$`);
  }

  /** Undefined for what is no such narinfo; it may be one all the same. */
  read(bytes: Buffer, version: string): IndexRow | undefined {
    const match = this.#pattern.exec(bytes.toString('latin1'));
    if (!match) return undefined;
    const [, own, url, fileSize = '0', narSize, given] = match;
    const path = this.#names.get(own!);
    const references: StorePath[] = [];
    if (given !== undefined)
      for (const text of given.split(' ')) {
        const reference = this.#names.get(text);
        if (reference === undefined) return undefined;
        references.push(reference);
      }
    if (path === undefined || !isSorted(references)) return undefined;
    return { path, version, url: ownCopy(url!), fileSize: Number(fileSize), narSize: Number(narSize), references };
  }
}

/** Each once, too. */
function isSorted(references: readonly StorePath[]): boolean {
  for (let i = 1; i < references.length; i++) if (references[i - 1]! >= references[i]!) return false;
  return true;
}
