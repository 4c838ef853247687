// What stores are opened with in tests: no settings but those given, short pauses, warnings kept.
import type { NixSettings } from '../../src/config/nix-conf.ts';
import { TrustedKeys } from '../../src/model/signature.ts';
import type { OpenContext } from '../../src/store/open-context.ts';

export interface TestContext extends OpenContext {
  readonly warnings: string[];
}

export function settingsOf(values: Readonly<Record<string, string>> = {}): NixSettings {
  return {
    get: (key) => values[key],
    list: (key) => values[key]?.split(' '),
    flag: (key) => (values[key] === undefined ? undefined : values[key] === 'true'),
  };
}

/** Tries are 20 ms apart unless `values` say otherwise. */
export function testContext(values: Readonly<Record<string, string>> = {}): TestContext {
  const warnings: string[] = [];
  return {
    settings: settingsOf({ 'filetransfer-retry-delay': '20', 'netrc-file': '/dev/null', ...values }),
    trustedKeys: new TrustedKeys(),
    warn: (text) => void warnings.push(text),
    warnings,
  };
}
