// The words that copy from one machine to another when they are started on one of them: narrow's where it is there, else
// those of the Nix there, which differ by version.

import type { StoreDir, StorePath } from '../model/store-path.ts';
import { isDerivationPath, printStorePath } from '../model/store-path.ts';
import { compareVersions } from '../model/version.ts';
import type { Machine, MachineAddress } from '../store/machine.ts';
import { sshOptions } from './direct-probe.ts';
import type { DirectProgram } from './route.ts';

/** A copy that is started on one machine. */
export interface DirectWay {
  readonly starter: Machine;
  readonly target: Machine;
  /** How the starter reaches the target. */
  readonly address: MachineAddress;
  /** The source sends, or the destination fetches. */
  readonly side: 'source' | 'destination';
  /** The destination asks for no signatures, or the user vouches for the source. */
  readonly unchecked: boolean;
  readonly storeDir: StoreDir;
}

/** So many paths in one command: a shell takes 128 KiB of words. */
const pathsAtOnce = 400;

/**
 * Starts the words after the first two, with options for ssh (in front of those that are set there) and with another
 * directory to find programs in; ends them when its own input ends, which is when whoever started it is gone. Begins with
 * a line, which tells that the login is over.
 */
const runScript: string = [
  'echo begun',
  'NIX_SSHOPTS="$1${NIX_SSHOPTS:+ $NIX_SSHOPTS}"',
  'export NIX_SSHOPTS',
  '[ -z "$2" ] || PATH=$PATH:$2',
  'shift 2',
  'exec 3<&0',
  '"$@" < /dev/null 3<&- & main=$!',
  '(cat <&3; kill "$main") > /dev/null 2>&1 & watch=$!',
  'exec 3<&-',
  'wait "$main"',
  'status=$?',
  'kill "$watch" 2> /dev/null',
  'exit "$status"',
].join('; ');

/** What on the starter can do it, best first; undefined when nothing there can. */
export function chooseProgram(programs: ReadonlyMap<string, string>, way: DirectWay): DirectProgram | undefined {
  if (programs.has('narrow')) return 'narrow';
  const { starter, target, unchecked } = way;
  const simple = target.scheme === 'ssh' && target.parameters.size === 0 && !starter.parameters.has('remote-store');
  // opaque paths to every version of it, and no signatures are asked for
  if (simple && unchecked && programs.has('nix-copy-closure')) return 'nix-copy-closure';
  return programs.has('nix') ? 'nix' : undefined;
}

/** The command lines, each at most a shell's, for the closures of `paths`. */
export function directCommands(
  way: DirectWay,
  program: DirectProgram,
  version: string,
  paths: readonly StorePath[],
): string[][] {
  const options = [...sshOptions, '-oServerAliveInterval=15', '-oServerAliveCountMax=4'];
  if (way.address.port !== undefined) options.push('-p', way.address.port);
  const prefix = ['sh', '-c', runScript, 'sh', options.join(' '), way.starter.programs];
  return batches(program, paths).map((batch) => {
    const printed = batch.map((path) => printStorePath(way.storeDir, path));
    const derivations = program === 'nix' && isDerivationPath(batch[0]!);
    return [...prefix, ...programWords(way, program, version, derivations), ...printed];
  });
}

/** `nix copy` takes derivations for their outputs unless it is told not to, and then all are meant. */
function batches(program: DirectProgram, paths: readonly StorePath[]): StorePath[][] {
  const groups =
    program === 'nix'
      ? [paths.filter(isDerivationPath), paths.filter((path) => !isDerivationPath(path))]
      : [[...paths]];
  return groups.flatMap((group) =>
    Array.from({ length: Math.ceil(group.length / pathsAtOnce) }, (_, i) =>
      group.slice(i * pathsAtOnce, (i + 1) * pathsAtOnce),
    ),
  );
}

function programWords(way: DirectWay, program: DirectProgram, version: string, derivations: boolean): string[] {
  const [toTarget, toStarter] = way.side === 'source' ? ['--to', '--from'] : ['--from', '--to'];
  if (program === 'nix-copy-closure') return [program, toTarget, way.address.destination];
  const own = way.starter.parameters.get('remote-store');
  return [
    program,
    ...(program === 'nix' && needsFeature(version) ? ['--extra-experimental-features', 'nix-command'] : []),
    'copy',
    ...(way.unchecked ? ['--no-check-sigs'] : []),
    ...(derivations ? ['--derivation'] : []),
    ...(own === undefined ? [] : [toStarter, own]),
    toTarget,
    targetUrl(way),
  ];
}

/** `nix copy` is experimental since 2.4. */
function needsFeature(version: string): boolean {
  const number = /(\d+\.\d+)\S*\s*$/.exec(version)?.[1];
  return number === undefined || compareVersions(number, '2.4') >= 0;
}

/** The port is an option of ssh: older Nixes read none in URLs. */
function targetUrl({ target, address }: DirectWay): string {
  const [, user = '', host = ''] = /^(.*@)?(.*)$/.exec(address.destination)!;
  const parameters = new URLSearchParams([...target.parameters]).toString().replaceAll('+', '%20');
  const place = `${user}${host.includes(':') ? `[${host}]` : host}`;
  return `${target.scheme}://${place}${parameters === '' ? '' : `?${parameters}`}`;
}
