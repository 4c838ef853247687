// Answers a request of narrow bundle missing: volumes as they were sent, and a bundle of paths that are not there any more.

import { answeringRoots, copyVolumes } from '../../bundle/answer.ts';
import type { CreateRequest } from '../../bundle/create.ts';
import { parseRequest } from '../../bundle/request.ts';
import { NarrowError } from '../../errors.ts';
import type { Store } from '../../store/store.ts';
import type { Context } from '../context.ts';
import { readBytes } from '../read-bytes.ts';
import type { CreateOptions } from './bundle-create-options.ts';
import { makeBundle } from './bundle-make.ts';
import type { MadeJson } from './bundle-make.ts';
import { allVolumes } from './bundle-show.ts';

/** `sent` are the files of the bundle of which volumes are asked for. Returns what is printed with `--json`. */
export async function answerRequest(
  source: Store,
  sent: readonly string[],
  options: CreateOptions & { readonly request: string },
  how: Pick<CreateRequest, 'keys' | 'volumeSize'>,
  context: Context,
): Promise<MadeJson> {
  const { request: file, out, dryRun = false } = options;
  const request = parseRequest(await readBytes(file), file);
  const asksForVolumes = request.volumes.length > 0 || request.after !== undefined;
  if (asksForVolumes && sent.length === 0)
    throw new NarrowError('usage', `${file} asks for volumes of the bundle ${request.bundle ?? ''}`, {
      hint: `name the files that were sent: narrow bundle create --request ${file} -o ${out} BUNDLE`,
    });
  if (!asksForVolumes && request.paths.length === 0) context.say(`${file} asks for nothing`);
  let made: MadeJson = { dryRun, files: [] };
  if (request.paths.length > 0) {
    const roots = await answeringRoots(source, request);
    made = await makeBundle({ source, roots, there: request.there, ...how }, options, context);
  }
  if (!asksForVolumes) return { ...made, volumes: [] };
  const { numbers, files } = await copyVolumes(request, allVolumes(sent), { out, dryRun });
  if (!options.json && files.length > 0) context.say(`${files.join(', ')}: as before, to be named with the others`);
  return { ...made, files: [...made.files, ...files], volumes: numbers };
}
