// Whether one machine reaches another by ssh, without asking anybody anything, and what it has to copy with. That the name
// leads to the same machine there as here is proven by a process: started on the target from here, seen through the other.

import { randomBytes } from 'node:crypto';
import type { Machine, MachineAddress } from '../store/machine.ts';
import { quoteWord } from '../transport/ssh-words.ts';

export interface ProbeOptions {
  readonly forwardAgent: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** What was found on the machine that would start the copy. */
export interface Probe {
  /** What the programs there say to `--version`, by name. */
  readonly programs: ReadonlyMap<string, string>;
  /** How it reaches the target; undefined when it does not, and `why`. */
  readonly address: MachineAddress | undefined;
  readonly why: string;
  /** It was not let in. */
  readonly denied: boolean;
}

/** ssh of one machine to another: no questions, no patience. Whom it takes for whom is left to that machine's own settings. */
export const sshOptions: readonly string[] = ['-oBatchMode=yes', '-oConnectTimeout=5'];

/** A process that has a token among its words, until its input ends. In one line: a word for a login shell cannot have several. */
const holderScript = 'echo "narrow-holds $$"; cat > /dev/null; exit 0';

/** For the login shell of the target: shows the words of a process. */
function lookCommand(pid: string): string {
  const look = `{ tr '\\000' ' ' < /proc/${pid}/cmdline || ps -p ${pid} -o args=; } 2> /dev/null; echo; echo narrow-looked`;
  return ['sh', '-c', look].map(quoteWord).join(' ');
}

/** Tells which programs there are, and what the target says of the process: at each address until one does. */
const probeScript: string = [
  'echo narrow-begun',
  '[ -z "$1" ] || PATH=$PATH:$1',
  'look=$2 token=$3',
  'shift 3',
  'for p in narrow nix nix-copy-closure; do v=$($p --version 2> /dev/null < /dev/null) && echo "narrow-has $p $v"; done',
  'while [ $# -gt 0 ]; do echo narrow-asks',
  `said=$(ssh -x -T ${sshOptions.join(' ')} \${2:+-p "$2"} -- "$1" "$look" 2>&1 < /dev/null)`,
  `echo "$said" | sed 's/^/narrow-said /'`,
  'case $said in *"$token"*) exit 0 ;; esac',
  'shift 2',
  'done',
].join('; ');

/** Whether `starter` reaches `target`. What goes wrong is told as a reason, not thrown, but for an abort. */
export async function probe(starter: Machine, target: Machine, options: ProbeOptions): Promise<Probe> {
  const { signal } = options;
  const token = randomBytes(16).toString('hex');
  await using holder = target.start(['sh', '-c', holderScript, 'sh', token], { signal });
  const pid = /^narrow-holds (\d+)$/.exec((await holder.firstLine()) ?? '')?.[1];
  signal?.throwIfAborted();
  if (pid === undefined) return failed(`nothing can be started on ${target.name}`);
  const look = lookCommand(pid);
  const addresses = target.addresses();
  const where = addresses.flatMap(({ destination, port }) => [destination, port ?? '']);
  await using asking = starter.start(['sh', '-c', probeScript, 'sh', starter.programs, look, token, ...where], options);
  const { status, output, errors } = await asking.end;
  signal?.throwIfAborted();
  if (status !== 0) return failed(`nothing can be started on ${starter.name}${said(errors.at(-1))}`);
  return readProbe(output, { starter, target, token, addresses });
}

function failed(why: string): Probe {
  return { programs: new Map(), address: undefined, why, denied: false };
}

interface Asked {
  readonly starter: Pick<Machine, 'name'>;
  readonly target: Pick<Machine, 'name'>;
  readonly token: string;
  readonly addresses: readonly MachineAddress[];
}

/** Reads what the probe printed. */
export function readProbe(output: readonly string[], { starter, target, token, addresses }: Asked): Probe {
  const programs = new Map<string, string>();
  const answers: string[][] = [];
  for (const line of output) {
    const has = /^narrow-has (\S+) (.*)$/.exec(line);
    if (has) programs.set(has[1]!, has[2]!);
    else if (line === 'narrow-asks') answers.push([]);
    else if (line.startsWith('narrow-said ')) answers.at(-1)?.push(line.slice('narrow-said '.length));
  }
  const reached = answers.findIndex((lines) => lines.some((line) => line.includes(token)));
  const address = addresses[reached];
  if (address) return { programs, address, why: `${starter.name} can log in to ${address.destination}`, denied: false };
  const [worst] = answers.map(obstacleIn).sort((a, b) => a.rank - b.rank);
  const { text, denied } = worst ?? { text: 'was not asked for', denied: false };
  return { programs, address: undefined, why: text.replace('…', target.name).replace(/^/, `${starter.name} `), denied };
}

interface Obstacle {
  /** What tells most goes first. */
  readonly rank: number;
  /** Follows the name of the machine that tried; an ellipsis stands for the other one's. */
  readonly text: string;
  readonly denied: boolean;
}

const obstacles: readonly (readonly [RegExp, string, boolean])[] = [
  [/permission denied|too many authentication failures/i, 'cannot log in to …', true],
  [/HOST IDENTIFICATION HAS CHANGED|host key for .* has changed/i, 'knows … by another host key', false],
  [/host key verification failed/i, 'does not know the host key of …', false],
  [/^narrow-looked$/, 'finds another machine under the name of …', false],
];
/** Of several addresses, this says least. */
const unresolved = /resolve hostname|not known$/i;

/** What kept one machine from the other, out of what ssh and the other side said. */
function obstacleIn(lines: readonly string[]): Obstacle {
  for (const [rank, [pattern, text, denied]] of obstacles.entries()) {
    const line = lines.findLast((one) => pattern.test(one));
    if (line !== undefined) return { rank, text: `${text}${denied ? said(line) : ''}`, denied };
  }
  const last = lines.at(-1);
  if (last !== undefined && unresolved.test(last))
    return { rank: obstacles.length + 1, text: 'does not know the name of …', denied: false };
  return { rank: obstacles.length, text: `cannot reach …${said(last)}`, denied: false };
}

function said(line: string | undefined): string {
  return line === undefined ? '' : ` (${line.replace(/^ssh: /, '').slice(0, 200)})`;
}
