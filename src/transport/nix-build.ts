// `nix build` as a child process: from installables to the paths of their outputs. Nix writes to our own standard error, so that
// its progress, what it warns of and the logs of what fails are seen as ever.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { NarrowError, formatError } from '../errors.ts';

export interface NixBuildOptions {
  /** The store it builds in, as Nix writes it; left out: what Nix takes by itself. */
  readonly store?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Stock settings allow neither flakes nor `nix build`. */
const features = ['--extra-experimental-features', 'nix-command flakes'];

/** Evaluates and builds; the paths of the outputs that are meant. Throws `unavailable` without Nix, `missing` where it fails. */
export async function nixBuild(
  installables: readonly string[],
  { store, signal }: NixBuildOptions = {},
): Promise<string[]> {
  signal?.throwIfAborted();
  const place = store === undefined ? [] : ['--store', store];
  // Nix 2.8 has no --print-out-paths
  const args = [...features, 'build', '--no-link', '--json', ...place, '--', ...installables];
  const child = spawn('nix', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const stop = (): void => void child.kill('SIGTERM');
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const [printed, [status]] = await Promise.all([
      text(child.stdout),
      once(child, 'close') as Promise<[number | null]>,
    ]);
    signal?.throwIfAborted();
    if (status === 0) return pathsIn(printed);
    throw new NarrowError('missing', `nix could not build ${installables.join(', ')}`, {
      hint: 'what it said stands above',
      data: { installables },
    });
  } catch (error) {
    throw notStarted(error, installables) ?? error;
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

/** Of `[{"drvPath": …, "outputs": {"out": "/nix/store/…"}}]`. Throws `format`. */
function pathsIn(printed: string): string[] {
  try {
    const built = JSON.parse(printed) as readonly { readonly outputs: Readonly<Record<string, string>> }[];
    const paths = [...new Set(built.flatMap(({ outputs }) => Object.values(outputs)))];
    if (paths.length > 0 && paths.every((path) => typeof path === 'string')) return paths;
  } catch {
    // told below
  }
  throw formatError('nix build printed no paths', {}, { expected: 'outputs as JSON', got: printed.slice(0, 200) });
}

function notStarted(cause: unknown, installables: readonly string[]): NarrowError | undefined {
  const { code, syscall } = cause as NodeJS.ErrnoException;
  if (syscall?.startsWith('spawn') !== true) return undefined;
  const why = code === 'ENOENT' ? 'there is no nix on PATH' : `nix could not be started (${code})`;
  return new NarrowError('unavailable', `cannot build ${installables.join(', ')}: ${why}`, {
    cause,
    hint: 'build it where Nix is, and name its path: ./result, or /nix/store/…',
  });
}
