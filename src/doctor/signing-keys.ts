// The keys that this machine signs with: secret-key-files of nix.conf.

import { readFileSync } from 'node:fs';
import type { NixSettings } from '../config/nix-conf.ts';
import { NarrowError } from '../errors.ts';
import { formatPublicKey, parseSecretKey } from '../model/signature.ts';
import type { Finding } from '../transfer/preflight.ts';

export interface SigningKey {
  readonly name: string;
  /** As it stands in trusted-public-keys. */
  readonly publicKey: string;
}

export interface SigningKeys {
  readonly keys: readonly SigningKey[];
  readonly findings: readonly Finding[];
}

/** Reads the keys. One that only others (root, the daemon) may read is no fault. */
export function signingKeys(settings: NixSettings): SigningKeys {
  const keys: SigningKey[] = [];
  const findings: Finding[] = [];
  const tell = (level: Finding['level'], what: string): void =>
    void findings.push({ level, subject: 'signatures', what });
  for (const file of settings.list('secret-key-files') ?? []) {
    try {
      const { name, publicKey } = parseSecretKey(readFileSync(file, 'utf8'));
      keys.push({ name, publicKey: formatPublicKey(publicKey) });
      tell('ok', `what is built here is signed by ${name}`);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'EACCES') tell('untold', `${file} signs what is built here; only others may read it`);
      else if (error instanceof NarrowError) tell('warning', `secret-key-files names ${file}: ${error.message}`);
      else tell('warning', `secret-key-files names ${file}, which cannot be read (${code})`);
    }
  }
  return { keys, findings };
}
