// What can be known of a destination before the first byte: protocol, permission, room, trust, clock. Pure, made from what
// the store tells of itself (store/facts.ts) and from the plan; nothing is guessed, and what nobody tells is said to be so.

import { NarrowError } from '../errors.ts';
import type { PathInfo } from '../model/path-info.ts';
import type { StoreFacts } from '../store/facts.ts';
import { isInspectable } from '../store/facts.ts';
import type { Store } from '../store/store.ts';
import type { Plan } from './plan.ts';

/** `untold`: nobody can tell before it is tried. An `error` is certain: the copy would fail. */
export type Level = 'ok' | 'untold' | 'warning' | 'error';

/** `memory`: what is remembered of a cache and is not so any more. */
export type Subject = 'reach' | 'write' | 'space' | 'trust' | 'signatures' | 'clock' | 'memory';

export interface Finding {
  readonly level: Level;
  readonly subject: Subject;
  readonly what: string;
  /** What to do about it. */
  readonly hint?: string | undefined;
}

export interface PreflightOptions {
  /** The copy that is meant; without it, the place is looked at for itself. */
  readonly plan?: Plan | undefined;
  /** Ask nothing over a line that is not known already, unless the plan depends on it. */
  readonly quick?: boolean | undefined;
  /** Nobody vouches for the paths. Default true. */
  readonly checkSignatures?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Clocks that differ by more are told: certificates and expiry dates are judged by them. Seconds. */
const clockTolerance = 300;

/** Looks at `destination`. Throws only when it cannot be reached at all. */
export async function preflight(destination: Store, options: PreflightOptions = {}): Promise<Finding[]> {
  if (!isInspectable(destination)) return [];
  const { plan, checkSignatures = true, quick, signal } = options;
  const copy = plan && plan.missing.length > 0 ? { ...plan, checkSignatures } : undefined;
  return findingsOn(await destination.inspect({ quick, copy, signal }), plan, checkSignatures);
}

/** What the facts mean, for `plan` where there is one. */
export function findingsOn(facts: StoreFacts, plan?: Plan, checkSignatures: boolean = true): Finding[] {
  const { kind, version } = facts;
  const reach: Finding = { level: 'ok', subject: 'reach', what: version ? `${kind}: ${version}` : kind };
  const idle = plan?.missing.length === 0 && plan.toSign.length === 0;
  const room = idle ? [] : [write(facts), space(facts, plan)];
  const rest = [...room, trust(facts, plan), signatures(facts, plan, checkSignatures), clock(facts)];
  return [reach, ...rest.filter((finding) => finding !== undefined)];
}

/** Throws `refused`, with all that is certain to fail, when something is. */
export function expectClear(findings: readonly Finding[], destination: string): void {
  const errors = findings.filter(({ level }) => level === 'error');
  const [first] = errors;
  if (!first) return;
  throw new NarrowError('refused', `${destination} cannot take the copy: ${errors.map((e) => e.what).join('; ')}`, {
    hint: first.hint,
    data: { findings: errors },
  });
}

function write({ writable, obstacle }: StoreFacts): Finding {
  const subject = 'write';
  if (writable === undefined)
    return { level: 'untold', subject, what: 'only the first path tells whether it is taken' };
  if (writable) return { level: 'ok', subject, what: 'paths can be added' };
  return { level: 'error', subject, what: obstacle?.why ?? 'nothing can be added', hint: obstacle?.hint };
}

function space({ space: there }: StoreFacts, plan: Plan | undefined): Finding {
  const subject = 'space';
  if (!there) return untoldSpace;
  const { where, free, exact } = there;
  const room = `${bytes(free)} are free in ${where}`;
  const needed = plan?.narSize ?? 0;
  if (needed <= free) return { level: 'ok', subject, what: needed > 0 ? `${room}, ${bytes(needed)} are needed` : room };
  const hint =
    'make room (nix-collect-garbage -d, for a cache narrow cache gc, frees what nothing needs any more), or copy less';
  if (exact) return { level: 'error', subject, what: `${bytes(needed)} are needed, and only ${room}`, hint };
  return { level: 'warning', subject, what: `${bytes(needed)} of NARs have to be compressed into less: ${room}`, hint };
}

const untoldSpace: Finding = {
  level: 'untold',
  subject: 'space',
  what: 'how much room there is cannot be asked over this protocol',
};

function trust({ trust: there, signatures: rules }: StoreFacts, plan: Plan | undefined): Finding | undefined {
  const subject = 'trust';
  if (there === undefined) return undefined;
  if (there === 'trusted') return { level: 'ok', subject, what: 'this user is trusted: unsigned paths are taken' };
  if (rules?.required === false) return { level: 'ok', subject, what: 'this user is not trusted, and need not be' };
  const unsigned = plan?.unsigned ?? 0;
  const who = there === 'untrusted' ? 'this user is not trusted' : 'whether this user is trusted is not told';
  // without a plan, and where the rules are known, the plan's refusals say it
  if (plan && (unsigned === 0 || rules))
    return {
      level: there === 'untrusted' ? 'ok' : 'untold',
      subject,
      what: unsigned === 0 ? `${who}, which nothing here depends on` : who,
    };
  const what = plan
    ? `${who}: the ${unsigned} paths without a signature are refused, unless require-sigs is off there`
    : `${who}: only signed and content-addressed paths are taken`;
  return {
    level: there === 'untrusted' ? 'warning' : 'untold',
    subject,
    what,
    hint: plan ? signForCopyHint : signHint,
  };
}

const signHint = 'sign the paths (narrow sign) with a key that is trusted there';
const signForCopyHint = `${signHint}; narrow doctor tells the lines for that`;
const vouchHint = 'this user is trusted there and may vouch for them: --no-check-sigs; or sign them (narrow sign)';

function signatures(facts: StoreFacts, plan: Plan | undefined, checkSignatures: boolean): Finding | undefined {
  const subject = 'signatures';
  const { signatures: rules } = facts;
  const [first] = plan?.refused ?? [];
  const [unsigned, ...more] = plan && !first ? refusedThere(facts, plan, checkSignatures) : [];
  if (unsigned) {
    const others = more.length > 0 ? ` and ${more.length} other${more.length === 1 ? '' : 's'} lack` : ' lacks';
    const what = `${unsigned.path}${others} a signature by a key that is trusted there`;
    return { level: 'error', subject, what, hint: facts.trust === 'trusted' ? vouchHint : signForCopyHint };
  }
  if (plan && first) {
    const what = `${plan.refused.length} of ${plan.total} paths would be refused: ${first.path} ${first.why}`;
    return { level: 'error', subject, what, hint: first.hint };
  }
  if (!rules) return undefined;
  if (plan) return { level: 'ok', subject, what: 'no path would be refused' };
  if (!rules.required) return { level: 'ok', subject, what: 'signatures are not asked for (require-sigs = false)' };
  const { trustedKeys } = rules;
  if (trustedKeys.length > 0)
    return { level: 'ok', subject, what: `signatures by ${trustedKeys.join(', ')} are taken` };
  // whoever is trusted vouches for paths
  if (facts.trust === 'trusted') return undefined;
  return { level: 'warning', subject, what: 'signatures are asked for, and no key is trusted', hint: signHint };
}

/** Where the rules are another machine's, the verdicts on the paths were made without them. */
function refusedThere(
  { trust: there, signatures: rules }: StoreFacts,
  plan: Plan,
  checkSignatures: boolean,
): PathInfo[] {
  const asked = there === 'untrusted' || (there === 'trusted' && checkSignatures);
  if (!rules?.required || !asked) return [];
  const { publicKeys } = rules;
  const names = new Set(rules.trustedKeys);
  const signed = (info: PathInfo): boolean =>
    publicKeys
      ? publicKeys.validSignatures(plan.storeDir, info).length > 0
      : info.signatures.some((one) => names.has(one.split(':')[0]!));
  return plan.missing.filter((info) => info.ca === undefined && !signed(info));
}

function clock({ clock: there }: StoreFacts): Finding | undefined {
  const subject = 'clock';
  if (!there) return undefined;
  const { ahead, within } = there;
  const off = Math.abs(ahead);
  if (off <= clockTolerance + within) return { level: 'ok', subject, what: 'the clocks agree' };
  const side = ahead > 0 ? 'ahead of' : 'behind';
  const what = `its clock is ${duration(off)} ${side} this machine's`;
  return { level: 'warning', subject, what, hint: 'set the wrong one: certificates are judged by it' };
}

function duration(seconds: number): string {
  if (seconds >= 2 * 86_400) return `${Math.round(seconds / 86_400)} days`;
  return seconds >= 90 * 60 ? `${Math.round(seconds / 3600)} hours` : `${Math.round(seconds / 60)} minutes`;
}

function bytes(n: number): string {
  const exponent = n < 1000 ? 0 : Math.min(5, Math.floor(Math.log10(n) / 3));
  return exponent === 0 ? `${n} B` : `${(n / 1000 ** exponent).toFixed(1)} ${['', 'k', 'M', 'G', 'T', 'P'][exponent]}B`;
}
