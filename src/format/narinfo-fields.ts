// What each field of a narinfo may hold: one reader a field, by the rules of current Nix (≥ 2.34), which are the
// strictest so far (signatures are checked); where we refuse more, the reason stands beside it.

import { NarrowError } from '../errors.ts';
import type { ContentAddress } from '../model/content-address.ts';
import { parseContentAddress } from '../model/content-address.ts';
import type { Hash } from '../model/hash.ts';
import { formatHash, parseHash } from '../model/hash.ts';
import { sortedUnique } from '../model/path-info.ts';
import { normaliseSignature } from '../model/signature.ts';
import type { StoreDir, StorePath } from '../model/store-path.ts';
import { parseBaseName, parseStorePath } from '../model/store-path.ts';
import type { NarinfoQuirk, NarinfoQuirkKind } from './narinfo-quirk.ts';

/** What has been read so far. */
export interface NarinfoDraft {
  readonly storeDir: StoreDir;
  readonly quirks: NarinfoQuirk[];
  path?: StorePath;
  url?: string;
  compression?: string;
  fileHash?: Hash;
  fileSize?: number | undefined;
  narHash?: Hash;
  narSize?: number;
  sawReferences?: boolean;
  references: readonly StorePath[];
  deriver?: StorePath | undefined;
  signatures: string[];
  ca?: ContentAddress;
}

/** Compression names that Nix knows; some of them no Nix ever wrote. */
export const compressionNames: ReadonlySet<string> = new Set(
  'none br bzip2 compress grzip gzip lrzip lz4 lzip lzma lzop xz zstd'.split(' '),
);

type FieldReader = (draft: NarinfoDraft, value: string, line: number) => void;

/** Field name -> reader. A reader throws a NarrowError without place, to which line and field are added. */
export const fieldReaders: Readonly<Record<string, FieldReader>> = Object.assign(Object.create(null), {
  StorePath(draft, value, line) {
    const canonical = canonicalPath(value);
    draft.path = parseStorePath(draft.storeDir, canonical);
    if (canonical !== value) note(draft, 'path-form', line, 'StorePath', `read as ${canonical}`);
  },
  URL(draft, value) {
    // Bytes that are no UTF-8 cannot be kept apart from each other in a URL; no server has written such a name.
    if (value.includes('\ufffd')) throw expected('UTF-8', 'other bytes');
    draft.url = value;
  },
  Compression(draft, value, line) {
    // 2.34 fails when it opens the NAR, not before; later ones refuse the narinfo.
    if (value !== '' && !compressionNames.has(value)) {
      note(draft, 'unknown-compression', line, 'Compression', `no Nix knows ${quote(value)}`);
    }
    draft.compression = value;
  },
  FileHash(draft, value, line) {
    draft.fileHash = readHash(draft, value, line, 'FileHash');
    if (draft.fileHash.algo !== 'sha256')
      note(draft, 'file-hash-other-algorithm', line, 'FileHash', 'Nix writes sha256');
  },
  FileSize(draft, value, line) {
    draft.fileSize = readSize(draft, value, line, 'FileSize') || undefined;
  },
  NarHash(draft, value, line) {
    draft.narHash = readHash(draft, value, line, 'NarHash');
    // Nix parses others, then compares with the SHA-256 it computes: such a path can never be accepted.
    if (draft.narHash.algo !== 'sha256') throw expected('sha256', draft.narHash.algo);
  },
  NarSize(draft, value, line) {
    draft.narSize = readSize(draft, value, line, 'NarSize');
  },
  References(draft, value, line) {
    const given = value.split(' ').filter((name) => name !== '');
    if (draft.references.length > 0) throw expected('one References line', 'another one');
    draft.references = sortedUnique(given.map(parseBaseName));
    draft.sawReferences = true;
    if (draft.references.join(' ') !== value)
      note(draft, 'references-order', line, 'References', 'not sorted and unique');
  },
  Deriver(draft, value, line) {
    // Not cleared by a later `unknown-deriver`, as in Nix.
    if (value !== 'unknown-deriver') draft.deriver = parseBaseName(value);
    else note(draft, 'unknown-deriver', line, 'Deriver', 'taken as none');
  },
  Sig(draft, value, line) {
    const normal = normaliseSignature(value);
    draft.signatures.push(normal);
    if (normal !== value) note(draft, 'signature-form', line, 'Sig', `read as ${normal}`);
  },
  CA(draft, value) {
    if (draft.ca) throw expected('one CA line', 'another one');
    if (value !== '') draft.ca = parseContentAddress(value);
  },
} satisfies Record<string, FieldReader>);

function readHash(draft: NarinfoDraft, value: string, line: number, field: string): Hash {
  const hash = parseHash(value);
  if (formatHash(hash) !== value) note(draft, 'hash-encoding', line, field, `Nix writes ${formatHash(hash)}`);
  return hash;
}

/** Decimal digits; a plus sign is taken, as Nix takes it. Above 2^53 - 1 a size is refused: no such file exists. */
function readSize(draft: NarinfoDraft, value: string, line: number, field: string): number {
  const size = /^\+?[0-9]+$/.test(value) ? Number(value) : NaN;
  if (!Number.isSafeInteger(size)) throw expected('a decimal number of bytes', quote(value));
  if (`${size}` !== value) note(draft, 'number-form', line, field, `read as ${size}`);
  return size;
}

/** What Nix makes of a path before it looks at it: no doubled or trailing slashes, `.` and `..` resolved. */
function canonicalPath(path: string): string {
  if (!path.startsWith('/')) return path;
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

function note(draft: NarinfoDraft, kind: NarinfoQuirkKind, line: number, field: string, text: string): void {
  draft.quirks.push({ kind, line, field, note: text });
}

function expected(what: string, got: string): NarrowError {
  return new NarrowError('format', `expected ${what}, got ${got}`, { data: { expected: what, got } });
}

function quote(text: string): string {
  return `'${text.length > 60 ? `${text.slice(0, 60)}…` : text}'`;
}
