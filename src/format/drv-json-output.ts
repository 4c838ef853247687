// One output of a derivation in JSON: which fields are there tells its kind.

import { NarrowError } from '../errors.ts';
import type { IngestionMethod } from '../model/content-address.ts';
import type { DerivationOutput } from '../model/derivation.ts';
import type { HashAlgo } from '../model/hash.ts';
import { encodeHash, formatSri, parseHash } from '../model/hash.ts';
import type { StoreDir } from '../model/store-path.ts';
import { printStorePath } from '../model/store-path.ts';
import type { OutputPlace } from './drv-output.ts';
import { fixedOutput, formatMethodAlgo, parseDrvOutput, parseMethodAlgo } from './drv-output.ts';
import type { JsonCursor, JsonObject } from './json-cursor.ts';

const methods: readonly IngestionMethod[] = ['flat', 'nar', 'text', 'git'];

/** The shapes that are written, each named by the first thing that has it and is tested: Nix 2.8, Nix 2.26, version 4. */
export type DrvJsonShape = '2.8' | '2.26' | '4';

/** The JSON value for an output. */
export function formatOutputJson(output: DerivationOutput, storeDir: StoreDir, shape: DrvJsonShape): JsonObject {
  const how = (method: IngestionMethod, algo: HashAlgo): JsonObject =>
    shape === '2.8' ? { hashAlgo: formatMethodAlgo(method, algo) } : { method, hashAlgo: algo };
  switch (output.kind) {
    case 'input-addressed':
      return { path: shape === '4' ? output.path : printStorePath(storeDir, output.path) };
    case 'fixed': {
      const { method, hash } = output.ca;
      if (shape === '4') return { method, hash: formatSri(hash) };
      const path = printStorePath(storeDir, output.path);
      return { path, ...how(method, hash.algo), hash: encodeHash(hash, 'base16') };
    }
    case 'floating':
      return how(output.method, output.algo);
    case 'deferred':
      return {};
    case 'impure':
      return { ...how(output.method, output.algo), impure: true };
  }
}

/** Reads an output of any shape. Throws `format`. */
export function readOutputJson(json: JsonCursor, place: OutputPlace): DerivationOutput {
  const path = json.optional('path')?.string();
  const full = path === undefined || path.startsWith('/') ? path : `${place.storeDir}/${path}`;
  const hash = json.optional('hash')?.string();
  const algo = json.optional('hashAlgo')?.string();
  const method = readMethod(json);
  const impure = json.optional('impure');
  if (impure && impure.value !== true) throw impure.fault('true');
  if (hash !== undefined && impure) throw json.fault('no hash of an impure output');
  return json.reading(() => {
    if (hash === undefined) {
      const text =
        algo === undefined ? '' : method === undefined ? algo : formatMethodAlgo(method, parseMethodAlgo(algo).algo);
      if (text === '' && (method !== undefined || impure))
        throw new NarrowError('format', "expected a field 'hashAlgo'");
      return parseDrvOutput(place, full ?? '', text, impure ? 'impure' : '');
    }
    const how = algo === undefined ? undefined : parseMethodAlgo(algo);
    if (how === undefined && method === undefined)
      throw new NarrowError('format', "expected a field 'method' or 'hashAlgo'");
    return fixedOutput(place, method ?? how?.method ?? 'flat', parseHash(hash, how?.algo), full);
  }, 'an output');
}

function readMethod(json: JsonCursor): IngestionMethod | undefined {
  const cursor = json.optional('method');
  const method = methods.find((m) => m === cursor?.value);
  if (cursor && !method) throw cursor.fault(methods.join(', '));
  return method;
}
