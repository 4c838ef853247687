// A copy between two other machines that does not pass through here: started on one of them, where they reach each other.
// Whatever is said there, the destination is asked from here what has arrived; what has not goes through here.

import type { PathInfo } from '../model/path-info.ts';
import type { StorePath } from '../model/store-path.ts';
import { NarrowError } from '../errors.ts';
import type { Machine } from '../store/machine.ts';
import { machineOf } from '../store/machine.ts';
import type { AddOptions, Outcome, Store, WritableStore } from '../store/store.ts';
import type { DirectWay } from './direct-command.ts';
import { chooseProgram, directCommands } from './direct-command.ts';
import type { Probe } from './direct-probe.ts';
import { probe } from './direct-probe.ts';
import type { OnEvent } from './events.ts';
import { copiedPath } from './nix-lines.ts';
import type { DirectProgram, Route } from './route.ts';

export interface RouteOptions {
  /** The machines may not be connected to each other. */
  readonly relay?: boolean | undefined;
  /** Lend the machine that starts the copy this user's ssh agent. */
  readonly forwardAgent?: boolean | undefined;
}

export interface RouteRequest extends RouteOptions {
  readonly source: Store;
  readonly destination: WritableStore;
  /** The closures of the roots are copied, and not just some paths. */
  readonly recursive: boolean;
  readonly checkSignatures: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** A route, and for a direct one how to go it. */
export interface Travel {
  readonly route: Route;
  readonly direct?: Direct | undefined;
}

export interface Direct {
  readonly way: DirectWay;
  readonly program: DirectProgram;
  /** What it says to `--version`. */
  readonly version: string;
  readonly forwardAgent: boolean;
}

/** Tries what would be tried: whether the source's machine reaches the destination's, or the other way round. */
export async function chooseRoute(request: RouteRequest): Promise<Travel> {
  const { source, destination, forwardAgent = false, signal } = request;
  const [from, to] = [machineOf(source), machineOf(destination)];
  if (!from || !to) return { route: { kind: 'plain' } };
  if (request.relay) return relayed('as asked for');
  if (!request.recursive) return relayed('single paths are not copied without their references otherwise');
  const failures: string[] = [];
  let denied = false;
  for (const side of ['source', 'destination'] as const) {
    const [starter, target] = side === 'source' ? [from, to] : [to, from];
    const bound = boundTo(target);
    const found = bound === undefined ? await probe(starter, target, { forwardAgent, signal }) : undefined;
    const travel = found?.address && direct(request, { starter, target, side, found, address: found.address });
    if (travel?.direct) return travel;
    denied ||= found?.denied ?? false;
    failures.push(bound ?? (found?.address ? `${starter.name} has nothing to copy with` : found!.why));
  }
  const lend = denied && !forwardAgent && process.env['SSH_AUTH_SOCK'];
  const hint = lend ? '--forward-agent lends them your keys while they copy' : undefined;
  return relayed([...new Set(failures)].join(', and '), hint);
}

function relayed(why: string, hint?: string): Travel {
  return { route: { kind: 'relayed', why, hint } };
}

/** Keys that are here, or were named here, are not handed to another machine. */
function boundTo({ name, bound }: Machine): string | undefined {
  const [first] = bound;
  return first === undefined ? undefined : `only this machine has the ${first} of ${name}`;
}

interface Reached extends Pick<DirectWay, 'starter' | 'target' | 'side' | 'address'> {
  readonly found: Probe;
}

function direct(request: RouteRequest, { found, ...reached }: Reached): Travel | undefined {
  const { source, destination, forwardAgent = false } = request;
  const { starter, side } = reached;
  // the serve protocol asks for no signatures, and that is what the plan was made for
  const unchecked = machineOf(destination)!.scheme === 'ssh' || !request.checkSignatures;
  const way = { ...reached, unchecked, storeDir: source.storeDir };
  const program = chooseProgram(found.programs, way);
  if (program === undefined) return undefined;
  const route = { kind: 'direct', why: found.why, startedOn: starter.name, side, program, forwardAgent } as const;
  return { route, direct: { way, program, version: found.programs.get(program)!, forwardAgent } };
}

export interface DirectRun {
  readonly destination: WritableStore;
  readonly missing: readonly PathInfo[];
  readonly add: AddOptions;
  readonly onEvent?: OnEvent | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface DirectResult {
  /** Of the paths that are there now. */
  readonly outcomes: readonly Outcome[];
  /** Those that are not: they have to go another way. */
  readonly rest: readonly PathInfo[];
}

/** Has the paths copied, and asks the destination which have arrived. Throws when that cannot be asked, and for an abort. */
export async function copyDirectly(direct: Direct, run: DirectRun): Promise<DirectResult> {
  const { destination, missing, add, onEvent, signal } = run;
  const problem = await carryOut(direct, run);
  signal?.throwIfAborted();
  destination.renew?.();
  const verdicts = await destination.check(missing, add);
  const outcomes: Outcome[] = [];
  const rest: PathInfo[] = [];
  for (const info of missing) {
    const verdict = verdicts.get(info.path) ?? { status: 'missing' };
    if (verdict.status === 'valid') outcomes.push({ status: 'added', path: info.path, bytes: info.narSize });
    else if (verdict.status === 'differs')
      outcomes.push({ status: 'differs', path: info.path, bytes: 0, error: new NarrowError('differs', verdict.why) });
    else rest.push(info);
  }
  if (rest.length > 0) {
    const what = problem ?? `${rest.length} of ${missing.length} paths did not arrive`;
    const left = rest.length === missing.length ? 'all' : `${rest.length} of ${missing.length} paths`;
    onEvent?.({ type: 'warning', text: `the direct copy failed: ${what}; ${left} will go through here` });
    onEvent?.({ type: 'phase', text: 'copying through here' });
  }
  return { outcomes, rest };
}

/** Starts the commands one after the other; why one failed. */
async function carryOut(direct: Direct, { missing, onEvent, signal }: DirectRun): Promise<string | undefined> {
  const { way, program, version, forwardAgent } = direct;
  const { starter, target, side } = way;
  onEvent?.({
    type: 'phase',
    text: `${starter.name} ${side === 'source' ? 'sends to' : 'fetches from'} ${target.name}`,
  });
  const begun = beginnings(missing, onEvent);
  const onLine = (line: string): void => {
    if (!begun(copiedPath(line, way.storeDir))) onEvent?.({ type: 'said', who: starter.name, text: line });
  };
  for (const words of directCommands(way, program, version, tops(missing))) {
    await using command = starter.start(words, { onLine, signal, forwardAgent });
    const { status, errors } = await command.end;
    if (status === 0) continue;
    const last = errors.findLast((line) => /^(error|narrow):/.test(line)) ?? errors.at(-1);
    const how = status === undefined ? 'a signal' : `status ${status}`;
    return `${program} on ${starter.name} ended with ${how}${last === undefined ? '' : `, ${last}`}`;
  }
  return undefined;
}

/** Nix says which path it begins with, one after the other: those before are through. False for a path that is none of ours. */
function beginnings(missing: readonly PathInfo[], onEvent: OnEvent | undefined): (path?: StorePath) => boolean {
  const sizes = new Map(missing.map((info) => [info.path, info.narSize]));
  const tell = (path: StorePath, bytes: number): void => onEvent?.({ type: 'bytes', path, bytes, elsewhere: true });
  let current: StorePath | undefined;
  return (path) => {
    const size = path === undefined ? undefined : sizes.get(path);
    if (path === undefined || size === undefined) return false;
    if (current !== undefined) tell(current, sizes.get(current)!);
    current = path;
    tell(path, 0);
    return true;
  };
}

/** Those that no other needs: the closures of these hold them all, and nothing that is not there. */
export function tops(missing: readonly PathInfo[]): StorePath[] {
  const needed = new Set(missing.flatMap(({ path, references }) => references.filter((one) => one !== path)));
  return missing.map(({ path }) => path).filter((path) => !needed.has(path));
}
