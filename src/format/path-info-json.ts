// Path infos as JSON lines: what an export stream leaves out (signatures, content addresses, hashes) in a file beside it.
//
//   {"path":"/nix/store/…","narHash":"sha256-…","narSize":N,"references":["/nix/store/…"],"deriver":"/nix/store/….drv",
//    "ca":"fixed:r:sha256:…","signatures":["name:base64"]}
//
// `deriver` and `ca` may be absent. Read are also the objects and lists that `narrow info --json` and `nix path-info --json`
// print, of any Nix: there a path may be the key, references may be base names, and null means a path that is not there.

import type { Place } from '../errors.ts';
import { formatContentAddress, parseContentAddress } from '../model/content-address.ts';
import { formatSri, parseHash } from '../model/hash.ts';
import type { PathInfo } from '../model/path-info.ts';
import { sortedUnique } from '../model/path-info.ts';
import { normaliseSignature } from '../model/signature.ts';
import type { StoreDir, StorePath } from '../model/store-path.ts';
import { parseBaseName, parseStorePath, printStorePath } from '../model/store-path.ts';
import type { JsonCursor } from './json-cursor.ts';
import { readJson } from './json-cursor.ts';

/** Longest text that is read, in bytes. */
export const maxPathInfosSize: number = 256 * 2 ** 20;

const what = 'path info';

/** One line, without its feed. */
export function formatPathInfoLine(info: PathInfo, storeDir: StoreDir): string {
  const full = (path: StorePath): string => printStorePath(storeDir, path);
  return JSON.stringify({
    path: full(info.path),
    narHash: formatSri(info.narHash),
    narSize: info.narSize,
    references: info.references.map(full),
    deriver: info.deriver && full(info.deriver),
    ca: info.ca && formatContentAddress(info.ca),
    signatures: info.signatures,
  });
}

/** Reads infos in any of the forms. `place.source` names the text in errors. Throws `format` with line or place inside. */
export function parsePathInfos(text: string, storeDir: StoreDir, place: Place = {}): Map<StorePath, PathInfo> {
  const infos = rows(text, place).map(([key, json]) => readPathInfo(json, storeDir, key));
  return new Map(infos.map((info) => [info.path, info]));
}

/** The values that are infos, with the path where it is the key. */
function rows(text: string, place: Place): [string | undefined, JsonCursor][] {
  if (text.includes('}\n{')) {
    const lines = text.split('\n').map((line, index) => ({ line: line.trim(), number: index + 1 }));
    return lines
      .filter(({ line }) => line !== '')
      .map(({ line, number }) => [undefined, readJson(line, what, { ...place, line: number }, maxPathInfosSize)]);
  }
  if (text.trim() === '') return [];
  const json = readJson(text, what, place, maxPathInfosSize);
  if (Array.isArray(json.value))
    return json
      .list()
      .filter((item) => !isInvalid(item))
      .map((item) => [undefined, item]);
  if (json.optional('narHash')) return [[undefined, json]];
  return (json.optional('info') ?? json).entries().filter(([, item]) => item.value !== null);
}

/** How lists of Nix say that a path is not there. */
function isInvalid(item: JsonCursor): boolean {
  return item.value === null || item.optional('valid')?.value === false;
}

function readPathInfo(json: JsonCursor, storeDir: StoreDir, key: string | undefined): PathInfo {
  const read = (text: string): StorePath => (text.includes('/') ? parseStorePath(storeDir, text) : parseBaseName(text));
  const expected = `a path in ${storeDir}`;
  const ca = json.optional('ca');
  const deriver = json.optional('deriver');
  return {
    path: key === undefined ? json.field('path').parse(read, expected) : json.reading(() => read(key), expected),
    narHash: json.field('narHash').parse((text) => parseHash(text, 'sha256'), 'a SHA-256 hash'),
    narSize: readSize(json.field('narSize')),
    references: sortedUnique(
      json
        .field('references')
        .list()
        .map((item) => item.parse(read, expected)),
    ),
    deriver: deriver === undefined || deriver.value === null ? undefined : deriver.parse(read, expected),
    ca: ca === undefined || ca.value === null ? undefined : readAddress(ca),
    signatures: sortedUnique(json.optional('signatures')?.list().map(readSignature) ?? []),
  };
}

function readSize(json: JsonCursor): number {
  if (Number.isSafeInteger(json.value) && (json.value as number) > 0) return json.value as number;
  throw json.fault('a size in bytes');
}

/** Newer Nix prints an object with method and hash. */
function readAddress(json: JsonCursor): PathInfo['ca'] {
  if (typeof json.value === 'string') return json.parse(parseContentAddress, 'a content address');
  const method = json.field('method').string();
  if (method !== 'nar' && method !== 'flat' && method !== 'text' && method !== 'git')
    throw json.fault('a method of hashing', method);
  return { method, hash: json.field('hash').parse((text) => parseHash(text), 'a hash') };
}

/** Newer Nix may print an object with keyName and sig. */
function readSignature(json: JsonCursor): string {
  if (typeof json.value === 'string') return json.parse(normaliseSignature, 'a signature');
  return normaliseSignature(`${json.field('keyName').string()}:${json.field('sig').string()}`);
}
