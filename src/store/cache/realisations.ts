// Realisations in a cache. A directory is looked through; a web server can be asked only by name, so there a derivation's
// newer kind (`build-trace-v2/<deriver>/<output>.doi`) is asked for, and what cannot be told is said.

import { NarrowError, isNarrowError } from '../../errors.ts';
import {
  formatRealisationFile,
  parseRealisation,
  parseRealisationFileName,
  realisationDirs,
  realisationFileName,
} from '../../format/realisation-json.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { Realisation, RealisationKey } from '../../model/realisation.ts';
import { realisationId } from '../../model/realisation.ts';
import { pathName } from '../../model/store-path.ts';
import type { StorePath } from '../../model/store-path.ts';
import type { CacheFiles, FileOptions } from './files.ts';
import { mediaTypes, referenceOf } from './files.ts';
import { forEachAtOnce } from './slots.ts';

const maxSize = 1 << 20;

/** Those of `paths`. Throws `unsupported`, naming them, for outputs of which the cache cannot tell. */
export async function readRealisations(
  files: CacheFiles,
  paths: readonly PathInfo[],
  warn: (text: string) => void,
  options: FileOptions,
): Promise<Realisation[]> {
  const addressed = paths.filter(mayBeRealised);
  if (addressed.length === 0) return [];
  const listed = await listRealisations(files, new Set(addressed.map((info) => info.path)), options);
  // without a deriver it is a source, or was made content-addressed afterwards
  const outputs = addressed.filter((info) => info.deriver !== undefined);
  return listed ?? askByName(files, outputs, warn, options);
}

/** Only outputs that are addressed by their contents need realisations; derivations (`text:`) are no outputs. */
function mayBeRealised(info: PathInfo): boolean {
  return info.ca !== undefined && info.ca.method !== 'text';
}

async function listRealisations(
  files: CacheFiles,
  wanted: ReadonlySet<StorePath>,
  options: FileOptions,
): Promise<Realisation[] | undefined> {
  const found: Realisation[] = [];
  for (const directory of Object.values(realisationDirs)) {
    const references = files.list(directory, options);
    if (!references) return undefined;
    const names = (await Array.fromAsync(references)).map(decodeURIComponent).filter((name) => name.endsWith('.doi'));
    await forEachAtOnce(names, files.concurrency, async (name) => {
      const realisation = await readOne(files, parseRealisationFileName(name), options);
      if (realisation && wanted.has(realisation.outPath)) found.push(realisation);
    });
  }
  return found;
}

async function readOne(files: CacheFiles, key: RealisationKey, options: FileOptions): Promise<Realisation | undefined> {
  const name = realisationFileName(key);
  const bytes = await files.read(referenceOf(name), maxSize, options);
  return bytes && parseRealisation(bytes, key, { source: `${files.url}/${name}` });
}

/** `foo-1.0` is the output `out`, `foo-1.0-dev` is `dev` of `foo-1.0` or `out` of `foo-1.0-dev`. */
function outputsOf({ path, deriver }: PathInfo): string[] {
  const drvName = pathName(deriver!).replace(/\.drv$/, '');
  const name = pathName(path);
  return name.startsWith(`${drvName}-`) ? [name.slice(drvName.length + 1)] : ['out'];
}

async function askByName(
  files: CacheFiles,
  paths: readonly PathInfo[],
  warn: (text: string) => void,
  options: FileOptions,
): Promise<Realisation[]> {
  const found: Realisation[] = [];
  const unknown: PathInfo[] = [];
  await forEachAtOnce(paths, files.concurrency, async (info) => {
    const answers = await Promise.all(
      outputsOf(info).map((output) => readOne(files, { kind: 'traced', drvPath: info.deriver!, output }, options)),
    );
    const about = answers.filter((answer) => answer?.outPath === info.path) as Realisation[];
    found.push(...about);
    if (about.length === 0) unknown.push(info);
  });
  tellUnknown(files, unknown, warn);
  return found;
}

/**
 * A fixed output (a download) never has references and needs no realisation: without any, that is what it is taken for,
 * aloud. With references it is certainly the output of a floating content-addressed derivation.
 */
function tellUnknown(files: CacheFiles, unknown: readonly PathInfo[], warn: (text: string) => void): void {
  const floating = unknown.filter((info) => info.references.length > 0).map((info) => info.path);
  if (floating.length > 0) {
    throw new NarrowError('unsupported', `${files.url} cannot tell the realisations of ${floating.join(', ')}`, {
      hint: 'copy from a store or a file:// cache, or by its derivation from a cache of Nix 2.35 or newer',
      data: { paths: floating },
    });
  }
  const names = unknown.map((info) => info.path);
  if (names.length > 0)
    warn(`${files.url} cannot be asked for realisations; taken as fixed outputs: ${names.join(', ')}`);
}

/** Writes those that are not there. Throws `differs` when an output has been realised to another path. */
export async function writeRealisations(
  files: CacheFiles,
  realisations: readonly Realisation[],
  options: FileOptions,
): Promise<void> {
  for (const realisation of realisations) {
    const there = await readOne(files, realisation, options).catch((error: unknown) => {
      if (isNarrowError(error, 'format')) return undefined;
      throw error;
    });
    if (there && there.outPath !== realisation.outPath) {
      const id = realisationId(realisation);
      throw new NarrowError('differs', `${files.url} has ${id} as ${there.outPath}, not as ${realisation.outPath}`);
    }
    if (there) continue;
    const bytes = Buffer.from(formatRealisationFile(realisation));
    await files.write(referenceOf(realisationFileName(realisation)), bytes, mediaTypes.json, options);
  }
}
