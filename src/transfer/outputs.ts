// The outputs of a derivation, where their paths follow from the derivation itself.

import { NarrowError } from '../errors.ts';
import type { Derivation } from '../model/derivation.ts';
import type { OutputSpec } from '../model/output-spec.ts';
import type { StorePath } from '../model/store-path.ts';
import { isDerivationPath } from '../model/store-path.ts';
import type { Store } from '../store/store.ts';
import { readDerivation } from './derivations.ts';

/**
 * Paths of the outputs that `spec` names; the derivation has to be in `store`, its outputs need not. Throws `usage`,
 * `missing`, and `unsupported` for outputs whose path is known only when they are built.
 */
export async function outputPaths(store: Store, drvPath: StorePath, spec: OutputSpec): Promise<StorePath[]> {
  if (!isDerivationPath(drvPath)) throw new NarrowError('usage', `${drvPath} is no derivation, so it has no outputs`);
  const info = (await store.pathInfos([drvPath])).get(drvPath);
  if (!info) throw new NarrowError('missing', `${store.url} does not have ${drvPath}`);
  const drv = await readDerivation(store, info);
  return (spec === 'all' ? [...drv.outputs.keys()] : spec).map((name) => outputPath(drvPath, drv, name));
}

function outputPath(drvPath: StorePath, drv: Derivation, name: string): StorePath {
  const output = drv.outputs.get(name);
  if (!output) {
    const names = [...drv.outputs.keys()].join(', ');
    throw new NarrowError('usage', `${drvPath} has no output '${name}'`, { hint: `it has ${names}` });
  }
  if ('path' in output) return output.path;
  throw new NarrowError('unsupported', `the path of ${drvPath}^${name} is known only when it is built`, {
    hint: 'it is content-addressed: name the output path itself',
  });
}

/** Those outputs of `drv` whose path follows from it, by output name. */
export function knownOutputs(drv: Derivation): Map<string, StorePath> {
  return new Map([...drv.outputs].flatMap(([name, output]) => ('path' in output ? [[name, output.path]] : [])));
}
