// Reads all of a file that others wrote: whether it is well-formed, and its paths are what it says of them.

import { hashOf, hashing } from '../bytes/hash.ts';
import { isNarrowError } from '../errors.ts';
import { noVisitor } from '../format/nar/tree.ts';
import { readNar } from '../format/nar/unpack.ts';
import type { Hash } from '../model/hash.ts';
import type { StorePath } from '../model/store-path.ts';
import { kindOfFile, openCarriedBytes } from '../store/bundle/carried-bytes.ts';
import type { CarriedBytes } from '../store/bundle/carried-bytes.ts';
import type { CarriedKind } from '../store/bundle/carried-kind.ts';
import { openCarried } from '../store/bundle/carried-store.ts';
import type { Carried, CarriedOptions } from '../store/bundle/carried-store.ts';
import { verifyPaths } from '../transfer/verify.ts';
import { broughtByCarried } from './brought.ts';
import type { Brought } from './brought.ts';
import { scriptPayload } from './formats/script.ts';
import type { Applicability } from './verify.ts';

export interface CarriedProblem {
  /** Undefined: it concerns the file as a whole. */
  readonly path: StorePath | undefined;
  readonly message: string;
}

export interface CarriedCheck {
  readonly kind: CarriedKind;
  readonly problems: readonly CarriedProblem[];
  /** How many paths it brings, where it could be opened. */
  readonly paths?: number;
  /** What can be told of a NAR alone. */
  readonly nar?: { readonly narHash: Hash; readonly narSize: number } | undefined;
  readonly applicability?: Applicability | undefined;
}

/** Kinds that say hashes of what they bring. All of the others is read when they are opened. */
const kindsWithHashes: ReadonlySet<CarriedKind> = new Set(['tar', 'script']);

/** Tells all that is wrong with `file`; signatures count only for `against`. Throws `io`, and what `against` throws. */
export async function checkCarried(
  file: string,
  options: CarriedOptions,
  against: (brought: Brought) => Promise<Applicability | undefined>,
): Promise<CarriedCheck> {
  const { signal } = options;
  const kind = (await kindOfFile(file, signal))!;
  const problems: CarriedProblem[] = [];
  const damaged = (error: unknown): undefined => {
    if (!isNarrowError(error, 'format') && !isNarrowError(error, 'integrity')) throw error;
    problems.push({ path: undefined, message: error.message });
  };
  if (kind === 'nar') return { kind, problems, nar: await describeNar(file, signal).catch(damaged) };
  await using carried = await openCarried(file, options).catch(damaged);
  if (!carried) return { kind, problems };
  for await (const problem of carriedProblems(carried, signal)) problems.push(problem);
  const applicability = await against(broughtByCarried(carried));
  return { kind, problems, paths: carried.infos.size, applicability };
}

async function* carriedProblems(
  { store, kind, bytes, infos }: Carried,
  signal: AbortSignal | undefined,
): AsyncGenerator<CarriedProblem, void, undefined> {
  const message = kind === 'script' ? await scriptDamage(bytes) : undefined;
  if (message !== undefined) yield { path: undefined, message };
  const contents = kindsWithHashes.has(kind);
  for await (const { path, problems } of verifyPaths({ store, infos: infos.values(), contents, signal }))
    for (const problem of problems) yield { path, message: problem.message };
}

async function scriptDamage(bytes: CarriedBytes): Promise<string | undefined> {
  const payload = await scriptPayload(bytes);
  if (!payload) return `${bytes.name} was cut, or something was added behind it`;
  const { digest } = await hashOf(bytes.range(payload.offset, payload.length));
  return digest.equals(payload.digest) ? undefined : `the archive in ${bytes.name} is not what its last line says`;
}

async function describeNar(file: string, signal: AbortSignal | undefined): Promise<CarriedCheck['nar']> {
  await using bytes = await openCarriedBytes(file, signal);
  const nar = hashing(bytes.range(0, bytes.size));
  await readNar(nar, noVisitor, { name: file });
  return { narHash: { algo: 'sha256', bytes: nar.digest() }, narSize: nar.size };
}
