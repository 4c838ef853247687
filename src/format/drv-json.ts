// Derivations as JSON, in the shapes that `nix derivation show` (once `nix show-derivation`) has had over the years:
//
//   2.8    to 2.14   { full path: D }                            inputDrvs {path: [output]}, hashAlgo "r:sha256"
//   2.26   2.15-2.32 the same with `name`; step by step {outputs, dynamicOutputs}, method, structuredAttrs, base names
//   4      from 2.33 { version, derivations: { base name: D } }  inputs {srcs, drvs}, hashes in SRI, fixed without path
//
// All of them are read, the three named are written. Numbers in structured attributes keep their digits.

import type { ByteString } from '../bytes/byte-string.ts';
import { byteStringOf, bytesFrom, compareBytes, displayBytes } from '../bytes/byte-string.ts';
import type { Place } from '../errors.ts';
import { NarrowError } from '../errors.ts';
import type { Derivation, InputNode } from '../model/derivation.ts';
import { derivationKind, derivationName } from '../model/derivation.ts';
import { sortedUnique } from '../model/path-info.ts';
import type { StoreDir, StorePath } from '../model/store-path.ts';
import { parseBaseName, parseStorePath, printStorePath, storeNameFault } from '../model/store-path.ts';
import { formatOutputJson, readOutputJson } from './drv-json-output.ts';
import type { DrvJsonShape } from './drv-json-output.ts';
import { maxDrvSize, parseStructuredAttrs } from './drv.ts';
import type { JsonCursor, JsonObject } from './json-cursor.ts';
import { readJson, sortedJson } from './json-cursor.ts';

export type { DrvJsonShape } from './drv-json-output.ts';

/** The JSON value for several derivations. Throws `unsupported` for what the shape, or JSON's text, cannot hold. */
export function drvsToJson(
  drvs: Iterable<readonly [StorePath, Derivation]>,
  storeDir: StoreDir,
  shape: DrvJsonShape = '4',
): JsonObject {
  const key = (path: StorePath): string => (shape === '4' ? path : printStorePath(storeDir, path));
  const all = Object.fromEntries([...drvs].map(([path, drv]) => [key(path), drvToJson(drv, storeDir, shape)]));
  return shape === '4' ? { version: 4, derivations: all } : all;
}

/** The JSON value for one derivation, as it stands in {@link drvsToJson}. */
export function drvToJson(drv: Derivation, storeDir: StoreDir, shape: DrvJsonShape = '4'): JsonObject {
  const path = (p: StorePath): string => (shape === '4' ? p : printStorePath(storeDir, p));
  const outputs = [...drv.outputs].map(([name, output]) => [name, formatOutputJson(output, storeDir, shape)]);
  const srcs = drv.inputSrcs.map(path);
  const inputs = [...drv.inputDrvs].map(([p, node]) => [
    path(p),
    shape === '2.8' ? plainOutputs(node, drv) : nodeToJson(node),
  ]);
  const json = drv.env.get('__json' as ByteString);
  const lifted = shape === '4' && json !== undefined;
  const env = [...drv.env].filter(([name]) => !lifted || name !== '__json');
  return {
    args: drv.args.map((arg) => textOf(arg, 'an argument')),
    builder: textOf(drv.builder, 'the builder'),
    env: Object.fromEntries(env.map(([name, value]) => [textOf(name, 'a name'), textOf(value, displayBytes(name))])),
    ...(shape === '4' ? { inputs: { srcs, drvs: Object.fromEntries(inputs) }, version: 4 } : {}),
    ...(shape === '4' ? {} : { inputSrcs: srcs, inputDrvs: Object.fromEntries(inputs) }),
    ...(shape === '2.8' ? {} : { name: drv.name }),
    outputs: Object.fromEntries(outputs),
    ...(lifted ? { structuredAttrs: parseStructuredAttrs(json) } : {}),
    system: textOf(drv.system, 'the system'),
  };
}

function textOf(bytes: ByteString, what: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytesFrom(bytes));
  } catch {
    throw new NarrowError(
      'unsupported',
      `${what} is not UTF-8, which JSON cannot hold: ${displayBytes(bytes).slice(0, 80)}`,
    );
  }
}

function plainOutputs(node: InputNode, drv: Derivation): readonly string[] {
  if (node.dynamic.size === 0) return node.outputs;
  throw new NarrowError('unsupported', `${drv.name}: Nix 2.8 has no JSON for outputs of derivations that are built`);
}

function nodeToJson(node: InputNode): JsonObject {
  const dynamic = [...node.dynamic].map(([output, child]) => [output, nodeToJson(child)]);
  return { outputs: node.outputs, dynamicOutputs: Object.fromEntries(dynamic) };
}

/** Prints compact JSON with sorted keys; a line feed is not added. */
export function formatDrvsJson(
  drvs: Iterable<readonly [StorePath, Derivation]>,
  storeDir: StoreDir,
  shape: DrvJsonShape = '4',
): string {
  return sortedJson(drvsToJson(drvs, storeDir, shape));
}

/** Reads derivations in any shape. Throws `format`, naming the place inside. */
export function parseDrvsJson(
  input: string | Uint8Array,
  storeDir: StoreDir,
  place: Place = {},
): Map<StorePath, Derivation> {
  const json = readJson(input, 'JSON of derivations', place, maxDrvSize);
  const all = json.optional('derivations');
  if (all) checkVersion(json.field('version'));
  return new Map(
    (all ?? json).entries().map(([key, value]) => {
      const path = value.reading(() => drvPath(storeDir, key), 'the path of a derivation');
      const drv = readDrvJson(value, storeDir, derivationName(path));
      return [path, drv] as const;
    }),
  );
}

/** Reads one derivation; `name` is that of its path, and may be left out where the JSON says it. Throws `format`. */
export function readDrvJson(json: JsonCursor, storeDir: StoreDir, name?: string): Derivation {
  const version = json.optional('version');
  if (version) checkVersion(version);
  const said = json.optional('name')?.string();
  if (said !== undefined && name !== undefined && said !== name) throw json.fault(`the name '${name}'`, `'${said}'`);
  const drvName = said ?? name;
  if (drvName === undefined) throw json.fault("a field 'name'", 'none');
  const outputs = new Map(
    named(json.field('outputs')).map(([output, value]) => [
      output,
      readOutputJson(value, { storeDir, drvName, output }),
    ]),
  );
  json.reading(() => derivationKind(outputs), 'outputs of one kind');
  const inputs = json.optional('inputs');
  const path = (cursor: JsonCursor): StorePath => cursor.parse((t) => anyPath(storeDir, t), `a path in ${storeDir}`);
  const drvs = (inputs ? inputs.field('drvs') : json.field('inputDrvs')).entries().map(([key, value]) => {
    return [value.reading(() => anyPath(storeDir, key), `a path in ${storeDir}`), readNode(value, 0)] as const;
  });
  return {
    name: drvName,
    outputs,
    inputDrvs: new Map(drvs.sort(byKey)),
    inputSrcs: sortedUnique((inputs ? inputs.field('srcs') : json.field('inputSrcs')).list().map(path)),
    system: byteStringOf(json.field('system').string()),
    builder: byteStringOf(json.field('builder').string()),
    args: json.field('args').strings().map(byteStringOf),
    env: readEnv(json),
  };
}

function readEnv(json: JsonCursor): Map<ByteString, ByteString> {
  const env = json
    .field('env')
    .entries()
    .map(([key, v]): [ByteString, ByteString] => [byteStringOf(key), byteStringOf(v.string())]);
  const attrs = json.optional('structuredAttrs');
  if (attrs && attrs.value !== null) {
    attrs.object();
    if (env.some(([key]) => key === '__json')) throw attrs.fault('either structuredAttrs or __json', 'both');
    env.push(['__json' as ByteString, byteStringOf(sortedJson(attrs.value))]);
  }
  return new Map(env.sort(byKey));
}

function readNode(json: JsonCursor, depth: number): InputNode {
  if (depth > 64) throw json.fault('at most 64 levels', 'one more');
  if (Array.isArray(json.value)) return { outputs: outputNames(json), dynamic: new Map() };
  const dynamic = json.optional('dynamicOutputs');
  const children = dynamic
    ? named(dynamic).map(([output, child]) => [output, readNode(child, depth + 1)] as const)
    : [];
  return { outputs: outputNames(json.field('outputs')), dynamic: new Map(children) };
}

function outputNames(json: JsonCursor): string[] {
  for (const item of json.list()) checkName(item, item.string());
  return sortedUnique(json.strings());
}

/** Fields that are named as outputs, sorted. */
function named(json: JsonCursor): [string, JsonCursor][] {
  return json
    .entries()
    .map(([name, value]): [string, JsonCursor] => [checkName(value, name), value])
    .sort(byKey);
}

function checkName(json: JsonCursor, name: string): string {
  const fault = storeNameFault(name);
  if (fault !== undefined) throw json.fault('the name of an output', fault);
  return name;
}

function checkVersion(json: JsonCursor): void {
  if (json.value !== 3 && json.value !== 4) throw json.fault('version 3 or 4');
}

/** A full path or a base name: both have been written. */
function anyPath(storeDir: StoreDir, path: string): StorePath {
  return path.startsWith('/') ? parseStorePath(storeDir, path) : parseBaseName(path);
}

function byKey(a: readonly [string, unknown], b: readonly [string, unknown]): number {
  return compareBytes(a[0], b[0]);
}

function drvPath(storeDir: StoreDir, text: string): StorePath {
  const path = anyPath(storeDir, text);
  derivationName(path);
  return path;
}
