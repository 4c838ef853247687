// Whether the substituters of nix.conf answer, and whether what Nix remembers of them is so: all at once, each tried only once.

import { NarrowError } from '../errors.ts';
import type { NixSettings } from '../config/nix-conf.ts';
import type { OpenContext } from '../store/open-context.ts';
import type { Diagnosis } from './examine.ts';
import { examineStore } from './examine.ts';
import { staleMemory } from './stale.ts';

/** Seconds until a substituter counts as silent. */
const patience = '5';

/** Looks at every substituter that Nix here would ask. */
export function examineSubstituters(context: OpenContext): Promise<Diagnosis[]> {
  const { settings } = context;
  if (settings.flag('substitute') === false) return Promise.resolve([]);
  const urls = [...new Set(settings.list('substituters') ?? [])];
  const impatient = { ...context, settings: withValue(settings, 'connect-timeout', patience) };
  return Promise.all(urls.map((url) => examine(url, impatient)));
}

async function examine(url: string, context: OpenContext): Promise<Diagnosis> {
  const asked = /^https?:/.test(url) ? `${url}${url.includes('?') ? '&' : '?'}retry-attempts=1` : url;
  const diagnosis = await examineStore(asked, context, []);
  // whether it answers has been told already
  const stale = diagnosis.facts ? ((await staleMemory(url, context).catch(ignoreFailure)) ?? []) : [];
  // nothing is written to a substituter
  const told = diagnosis.findings.filter(({ subject }) => subject === 'reach' || subject === 'clock');
  return {
    ...diagnosis,
    url,
    advice: [],
    findings: [...told, ...stale],
  };
}

function ignoreFailure(error: unknown): undefined {
  if (!(error instanceof NarrowError)) throw error;
}

function withValue(settings: NixSettings, key: string, value: string): NixSettings {
  return { ...settings, get: (name) => (name === key ? value : settings.get(name)) };
}
