// Copies narrow itself, with all it needs, to a host that has none, so that what is copied next goes by deltas. Only when it
// is asked for: nothing is installed on a host silently. No root is made there: the collector may take it again.

import { NarrowError } from '../errors.ts';
import type { StoreDir, StorePath } from '../model/store-path.ts';
import { parseStorePath, printStorePath } from '../model/store-path.ts';
import { machineOf } from '../store/machine.ts';
import type { OpenContext } from '../store/open-context.ts';
import { openStore, openWritable } from '../store/open.ts';
import type { Store } from '../store/store.ts';
import { copyClosure } from './copy.ts';
import type { CopyResult } from './copy.ts';

export interface BootstrapRequest {
  /** `ssh://HOST`. */
  readonly url: string;
  /** A file of the narrow that runs here; all links in it followed. */
  readonly program: string;
  readonly open: OpenContext;
  readonly checkSignatures: boolean;
  readonly dryRun: boolean;
}

export interface Bootstrapped {
  /** The same store, spoken for by the narrow that was copied. */
  readonly url: string;
  readonly path: StorePath;
  readonly copy: CopyResult;
}

/** Kinds of machines as `uname -m` names them. */
const machines: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64' };

/** Throws `usage`, `unsupported` before anything moves, and what a copy throws. */
export async function bootstrap({ url, program, open, ...how }: BootstrapRequest): Promise<Bootstrapped> {
  await using source = await openStore('auto', open);
  const path = ownPath(source.storeDir, program);
  await using destination = await openWritable(withParameter(url, 'narrow', 'no'), open);
  await expectSameKind(destination, open.signal);
  const copy = await copyClosure({ source, destination, roots: [path], signal: open.signal, ...how });
  const there = `${printStorePath(source.storeDir, path)}/bin/narrow`;
  return { url: how.dryRun ? url : withParameter(url, 'narrow', there), path, copy };
}

function ownPath(storeDir: StoreDir, program: string): StorePath {
  const [, name] = program.startsWith(`${storeDir}/`) ? program.slice(storeDir.length).split('/') : [];
  if (name) return parseStorePath(storeDir, `${storeDir}/${name}`);
  throw new NarrowError(
    'unsupported',
    `this narrow runs from ${program}, which is in no path of ${storeDir}: it cannot be copied`,
    {
      hint: 'run the Nix package (flake.nix, nix/package.nix), or install narrow there and name it: ?narrow=PROGRAM',
    },
  );
}

function withParameter(url: string, name: string, value: string): string {
  const [place, query] = [url.replace(/\?.*$/s, ''), url.includes('?') ? url.slice(url.indexOf('?') + 1) : ''];
  const params = new URLSearchParams(query);
  if (!place.startsWith('ssh://'))
    throw new NarrowError('usage', `--bootstrap is for a host at one end of the copy, ssh://HOST, got ${place}`);
  if (params.has('narrow')) throw new NarrowError('usage', '--bootstrap and ?narrow= name two programs: leave one out');
  params.set(name, value);
  return `${place}?${params.toString()}`;
}

/** A program of another kind of machine would be copied, and then not start. */
async function expectSameKind(destination: Store, signal: AbortSignal | undefined): Promise<void> {
  const machine = machineOf(destination);
  const here = machines[process.arch];
  if (!machine || here === undefined) return;
  await using command = machine.start(['uname', '-m'], { signal });
  const there = await command.firstLine();
  if (there === undefined || there === here) return;
  throw new NarrowError('unsupported', `${machine.name} is ${there}, and this narrow is built for ${here}`, {
    hint: `build the Nix package for ${there}-linux, copy it there, and name it: ?narrow=/nix/store/…-narrow/bin/narrow`,
  });
}
