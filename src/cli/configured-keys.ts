// Whom this machine trusts, as Nix has it: trusted-public-keys, and the public halves of the keys that it signs with itself
// (secret-key-files).

import { readFileSync } from 'node:fs';
import type { NixSettings } from '../config/nix-conf.ts';
import { NarrowError, isNarrowError } from '../errors.ts';
import { parsePublicKey, parseSecretKey } from '../model/signature.ts';
import type { PublicKey } from '../model/signature.ts';

/** A key that cannot be read is named and skipped: it trusts nothing, and should not stop a copy. */
export function configuredKeys(settings: NixSettings, warn: (text: string) => void): PublicKey[] {
  const listed = (settings.list('trusted-public-keys') ?? []).map((text) =>
    keyOr('trusted-public-keys', () => parsePublicKey(text), warn),
  );
  const own = (settings.list('secret-key-files') ?? []).map((file) => {
    const text = readable(file);
    if (text === undefined) return undefined;
    return keyOr('secret-key-files', () => parseSecretKey(text, file).publicKey, warn);
  });
  return [...listed, ...own].filter((key) => key !== undefined);
}

function keyOr(setting: string, parse: () => PublicKey, warn: (text: string) => void): PublicKey | undefined {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof NarrowError)) throw error;
    warn(`${setting}: ${error.message}`);
    return undefined;
  }
}

/** Most users may not read the machine's secret keys, and all read its settings: no reason to say anything. */
function readable(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/** A key from the command line. Throws `usage`. */
export function typedKey(text: string): PublicKey {
  try {
    return parsePublicKey(text);
  } catch (error) {
    if (!isNarrowError(error, 'format')) throw error;
    throw new NarrowError('usage', `--trusted-public-key '${text}': ${error.message}`, {
      cause: error,
      hint: 'narrow key public FILE prints the public key of a secret one',
    });
  }
}
