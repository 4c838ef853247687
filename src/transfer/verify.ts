// Whether paths are what their store says: contents by NAR hash and size, content addresses by recomputing them, and
// signatures by trusted keys. Everything that is wrong is told; nothing is changed.

import { NarrowError, isNarrowError } from '../errors.ts';
import { formatContentAddress } from '../model/content-address.ts';
import type { PathInfo } from '../model/path-info.ts';
import { isContentAddressed } from '../model/path-info.ts';
import type { TrustedKeys } from '../model/signature.ts';
import type { StorePath } from '../model/store-path.ts';
import { takeNar } from '../store/intake.ts';
import { contentCheck } from '../store/content-check.ts';
import type { Store } from '../store/store.ts';
import { concurrently } from './concurrently.ts';

export type ProblemKind =
  /** The bytes are not those of the path, or not there. */
  | 'contents'
  /** The path does not follow from its content address. */
  | 'address'
  /** Too few signatures by trusted keys. */
  | 'signatures'
  /** It could not be told: the store did not answer. */
  | 'unreadable';

export interface Problem {
  readonly kind: ProblemKind;
  readonly message: string;
}

export interface Report {
  readonly path: StorePath;
  readonly problems: readonly Problem[];
  /** Bytes read, as stored. */
  readonly bytes: number;
}

export interface VerifyRequest {
  readonly store: Store;
  readonly infos: Iterable<PathInfo>;
  /** Read and hash the contents. */
  readonly contents: boolean;
  /** Look at signatures. */
  readonly trust?: TrustRule | undefined;
  readonly onBytes?: ((path: StorePath, bytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface TrustRule {
  readonly keys: TrustedKeys;
  /** How many signatures by trusted keys; 0: one, or the path was built by the store itself, as Nix has it. */
  readonly signatures: number;
}

/** Paths that are read at once: hashing is in this thread, reading and unpacking is not. */
const atOnce = 4;

/** Checks paths, several at once and in constant memory; reports come as they are done. Throws only when aborted. */
export function verifyPaths(request: VerifyRequest): AsyncGenerator<Report, void, undefined> {
  return concurrently(request.infos, atOnce, (info) => verifyPath(request, info));
}

async function verifyPath(request: VerifyRequest, info: PathInfo): Promise<Report> {
  const { store, trust } = request;
  request.signal?.throwIfAborted();
  const problems: Problem[] = [];
  const found = (problem: Problem | undefined): void => void (problem && problems.push(problem));
  if (trust) found(signatureProblem(store, info, trust));
  found(addressProblem(store, info));
  let bytes = 0;
  if (request.contents) {
    const onBytes = (n: number): void => {
      bytes += n;
      request.onBytes?.(info.path, n);
    };
    found(await contentsProblem(request, info, onBytes));
  }
  return { path: info.path, problems, bytes };
}

function addressProblem({ storeDir }: Store, info: PathInfo): Problem | undefined {
  if (!info.ca || isContentAddressed(storeDir, info)) return undefined;
  return {
    kind: 'address',
    message: `it claims the content address ${formatContentAddress(info.ca)}, which makes another path`,
  };
}

function signatureProblem({ storeDir }: Store, info: PathInfo, { keys, signatures }: TrustRule): Problem | undefined {
  if ((info.ultimate && signatures === 0) || isContentAddressed(storeDir, info)) return undefined;
  const needed = Math.max(1, signatures);
  const valid = keys.validSignatures(storeDir, info);
  if (valid.length >= needed) return undefined;
  const names = new Set(info.signatures.map((s) => s.slice(0, s.indexOf(':'))));
  const lack =
    needed === 1 ? 'no trusted key signed it' : `it has ${valid.length} of ${needed} signatures by trusted keys`;
  const has = names.size === 0 ? 'it has no signature' : `its signatures are by ${[...names].join(', ')}`;
  return { kind: 'signatures', message: `${lack}: ${has}` };
}

async function contentsProblem(
  { store, signal }: VerifyRequest,
  info: PathInfo,
  onBytes: (bytes: number) => void,
): Promise<Problem | undefined> {
  const check = contentCheck(info);
  const item = { info, open: (options: Parameters<Store['open']>[1]) => store.open(info, options) };
  try {
    await takeNar(item, { visitor: check?.visitor, onChunk: check?.onChunk, onBytes, signal });
    check?.verify();
    return undefined;
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof NarrowError)) throw error;
    const untold =
      isNarrowError(error, 'unavailable') || isNarrowError(error, 'io') || isNarrowError(error, 'unsupported');
    return { kind: untold ? 'unreadable' : 'contents', message: error.message };
  }
}
