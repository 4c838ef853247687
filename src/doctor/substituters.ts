// Whether the substituters of nix.conf answer: each is opened as a cache, all at once and each only once.

import type { NixSettings } from '../config/nix-conf.ts';
import type { OpenContext } from '../store/open-context.ts';
import type { Diagnosis } from './examine.ts';
import { examineStore } from './examine.ts';

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
  // nothing is written to a substituter
  return {
    ...diagnosis,
    url,
    advice: [],
    findings: diagnosis.findings.filter(({ subject }) => subject === 'reach' || subject === 'clock'),
  };
}

function withValue(settings: NixSettings, key: string, value: string): NixSettings {
  return { ...settings, get: (name) => (name === key ? value : settings.get(name)) };
}
