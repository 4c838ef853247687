// Answers a request: just the volumes that are asked for, and the roots of a bundle that brings just the paths.

import { NarrowError } from '../errors.ts';
import { AtomicFile } from '../fs/atomic-file.ts';
import type { StorePath } from '../model/store-path.ts';
import { damageError } from '../store/bundle/volume-file.ts';
import { volumeName } from '../store/bundle/volume-names.ts';
import { VolumeSet } from '../store/bundle/volume-set.ts';
import type { Store } from '../store/store.ts';
import type { BundleRequest } from './request.ts';

/**
 * What brings the other side to where the bundle was made for: paths that are not there any more, as far as they are here with
 * the same contents; in place of the others what is made from them.
 */
export async function answeringRoots(source: Store, { paths }: BundleRequest): Promise<StorePath[]> {
  const here = await source.pathInfos(paths.map(({ path }) => path));
  const roots = paths.flatMap(({ path, narHash, differs, baseOf }) => {
    const info = here.get(path);
    const same = info && Buffer.from(info.narHash.bytes).toString('hex').startsWith(narHash);
    return !differs && info && (same || baseOf.length === 0) ? [path] : baseOf;
  });
  return [...new Set(roots)];
}

export interface CopiedVolumes {
  readonly numbers: readonly number[];
  /** None after a dry run. */
  readonly files: readonly string[];
}

/**
 * Copies the volumes that are asked for out of `sent`, the bundle as it is kept here, to `out` and its number. Throws `missing`
 * when that is another bundle or lacks them, `integrity` when it is damaged here, too.
 */
export async function copyVolumes(
  request: BundleRequest,
  sent: readonly string[],
  { out, dryRun = false }: { readonly out: string; readonly dryRun?: boolean },
): Promise<CopiedVolumes> {
  await using volumes = await VolumeSet.open(sent);
  const numbers = numbersAsked(request, volumes, sent[0]!);
  for await (const damage of volumes.damages()) if (numbers.includes(damage.volume)) throw damageError(damage);
  const files: string[] = [];
  for (const number of dryRun ? [] : numbers) {
    const name = volumes.volumes.length === 1 && request.paths.length === 0 ? out : volumeName(out, number);
    await using file = await AtomicFile.create(name);
    for await (const chunk of volumes.fileBytes(number)) await file.write(chunk);
    await file.commit(name);
    files.push(name);
  }
  return { numbers, files };
}

function numbersAsked(request: BundleRequest, volumes: VolumeSet, sent: string): number[] {
  if (request.bundle !== undefined && request.bundle !== volumes.id)
    throw new NarrowError(
      'missing',
      `volumes of the bundle ${request.bundle} are asked for, ${sent} is ${volumes.id}`,
      {
        hint: 'name the files of the bundle that was sent',
      },
    );
  const last = volumes.volumes.at(-1)!.table.volume;
  const { after = last } = request;
  const more = Array.from({ length: Math.max(last - after, 0) }, (_, i) => after + i + 1);
  const numbers = [...new Set([...request.volumes, ...more])];
  const absent = numbers.filter((number) => number > last);
  if (absent.length === 0) return numbers;
  throw new NarrowError('missing', `the bundle of ${sent} has no volumes ${absent.join(', ')}: it has ${last}`);
}
