// What the machine of an ssh store tells beside the protocol, which knows nothing of it: room, clock, who the user is
// there, and what its daemon asks of paths. One small script, in a session of a connection that is there already.

import { TrustedKeys, parsePublicKey } from '../../model/signature.ts';
import type { StoreDir } from '../../model/store-path.ts';
import type { InspectOptions, StoreFacts } from '../facts.ts';
import type { SshPlace } from './ssh-connection.ts';
import { siblingProgram } from './ssh-connection.ts';

/** Below, a copy is through before the answer would be. Bytes. */
const worthAsking = 32 << 20;

/** Whether to ask: somebody wants to know all, or so much will be sent that the disk may fill up. */
export function worthAskingHost({ quick = false, copy }: InspectOptions): boolean {
  return !quick || (copy?.narSize ?? 0) >= worthAsking;
}

/** What is absent is not told. */
export type HostFacts = Pick<StoreFacts, 'clock' | 'signatures' | 'space' | 'trust'>;

/**
 * Prints lines that begin with `narrow-`. The settings are those of the machine, without the user's own, which the daemon
 * does not heed. The store's directory may not exist yet: then the room is that of the nearest that does.
 */
const script: string = [
  'd=$1',
  'shift',
  'echo narrow-clock "$(date +%s)"',
  'while [ -n "$d" ] && [ ! -e "$d" ]; do d=${d%/*}; done',
  'df -Pk "${d:-/}" 2> /dev/null | sed "s/^/narrow-room /"',
  'echo narrow-user "$(id -u)" "$(id -un)" "$(id -Gn)"',
  'export NIX_USER_CONF_FILES=/dev/null',
  'said() { "$@" 2> /dev/null < /dev/null | sed "s/^/narrow-set /"; }',
  'nix="$* --extra-experimental-features nix-command"',
  'n=$(said $nix config show)',
  '[ -n "$n" ] || n=$(said $nix show-config)',
  'echo "$n"',
].join('; ');

/** Asks; where connections are not shared, or what it takes is not there, nothing is told. */
export async function hostFacts(place: SshPlace, storeDir: StoreDir): Promise<HostFacts> {
  const dir = directoryOf(place, storeDir);
  const asked = Date.now() / 1000;
  try {
    const nix = siblingProgram(place, 'nix');
    const said = await place.connection.runBeside(['sh', '-c', script, 'sh', dir ?? '/', ...nix]);
    const { space, ...facts } = readHostFacts(said, { asked, answered: Date.now() / 1000 });
    return dir === undefined ? facts : { ...facts, space };
  } catch {
    return {};
  }
}

/** Where the files of the store lie there; undefined where the URL leaves that to another program. */
function directoryOf({ params }: SshPlace, storeDir: StoreDir): string | undefined {
  const remote = params.get('remote-store') ?? '';
  if (/^(auto|daemon|local)?$/.test(remote)) return storeDir;
  const root = /^(?:local\?root=)?(\/[^?&]*)$/.exec(remote)?.[1];
  return root === undefined ? undefined : `${root.replace(/\/+$/, '')}${storeDir}`;
}

/** When the script was started, and when it had ended: seconds since 1970. */
export interface Asked {
  readonly asked: number;
  readonly answered: number;
}

/** Reads what the script printed. */
export function readHostFacts(said: string, { asked, answered }: Asked): HostFacts {
  const rows = said.split('\n').flatMap((line) => {
    const row = /^narrow-(\w+) (.*)$/.exec(line);
    return row ? [[row[1]!, row[2]!] as const] : [];
  });
  const all = (name: string): string[] => rows.filter(([key]) => key === name).map(([, value]) => value);
  const settings = new Map(all('set').flatMap((line) => pair(line)));
  const now = Number(all('clock')[0]);
  const within = (answered - asked) / 2;
  return {
    clock: now > 0 ? { ahead: now - (asked + within), within: within + 1 } : undefined,
    space: roomIn(all('room').at(-1)),
    trust: trustOf(all('user')[0], settings.get('trusted-users')),
    signatures: rulesIn(settings),
  };
}

function pair(line: string): [string, string][] {
  const match = /^(\S+) = ?(.*)$/.exec(line);
  return match ? [[match[1]!, match[2]!]] : [];
}

const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '');

/** The last line of `df -Pk`. */
function roomIn(line: string | undefined): HostFacts['space'] {
  const match = /\s(\d+)\s+\d+%\s+(\/.*)$/.exec(line ?? '');
  return match ? { where: match[2]!, free: Number(match[1]) * 1024, exact: true } : undefined;
}

/** Root needs nobody's trust: its Nix opens the store itself. */
function trustOf(user: string | undefined, trusted: string | undefined): HostFacts['trust'] {
  const [id, name, ...groups] = words(user ?? '');
  if (id === '0') return 'trusted';
  if (name === undefined || trusted === undefined) return undefined;
  const who = new Set(['*', name, ...groups.map((group) => `@${group}`)]);
  return words(trusted).some((word) => who.has(word)) ? 'trusted' : 'untrusted';
}

function rulesIn(settings: ReadonlyMap<string, string>): HostFacts['signatures'] {
  const required = settings.get('require-sigs');
  if (required === undefined) return undefined;
  const keys = words(settings.get('trusted-public-keys') ?? '');
  const rules = { required: required === 'true', trustedKeys: keys.map((key) => key.split(':')[0]!) };
  try {
    return { ...rules, publicKeys: new TrustedKeys(keys.map(parsePublicKey)) };
  } catch {
    // what Nix there makes of a bad key is its own affair
    return rules;
  }
}
