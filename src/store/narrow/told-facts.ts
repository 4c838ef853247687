// What another side tells of itself, as JSON: only what has the right type is taken, and texts without control characters.

import { plainText } from '../../protocol/remote-error.ts';
import type { StoreFacts } from '../facts.ts';

type Told = Readonly<Record<string, unknown>>;

/** Of anything, however wrong. */
export function parseFacts(json: string): StoreFacts {
  const told = objectOf(parsed(json));
  const obstacle = objectOf(told['obstacle']);
  const why = textOf(obstacle['why']);
  const space = objectOf(told['space']);
  const where = textOf(space['where']);
  const free = sizeOf(space['free']);
  const rules = objectOf(told['signatures']);
  const required = flagOf(rules['required']);
  const keys = rules['trustedKeys'];
  return {
    kind: textOf(told['kind']) ?? 'store',
    version: textOf(told['version']),
    trust: (['trusted', 'untrusted', 'unknown'] as const).find((trust) => trust === told['trust']),
    writable: flagOf(told['writable']),
    obstacle: why === undefined ? undefined : { why, hint: textOf(obstacle['hint']) },
    space: where === undefined || free === undefined ? undefined : { where, free, exact: space['exact'] === true },
    signatures:
      required === undefined
        ? undefined
        : { required, trustedKeys: Array.isArray(keys) ? keys.flatMap((key) => textOf(key) ?? []) : [] },
  };
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    // facts only spare a failure later on: without them the copy goes on
    return undefined;
  }
}

function objectOf(value: unknown): Told {
  return typeof value === 'object' && value !== null ? (value as Told) : {};
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? plainText(value) : undefined;
}

function flagOf(value: unknown): boolean | undefined {
  return typeof value === 'boolean' ? value : undefined;
}

function sizeOf(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 ? value : undefined;
}
