// The options by which commands print hashes, as `nix hash` has them.

import { Option } from 'commander';
import type { Command } from 'commander';
import { NarrowError } from '../errors.ts';
import type { Hash, HashAlgo, HashEncoding } from '../model/hash.ts';
import { encodeHash, formatSri, hashSizes, isHashAlgo } from '../model/hash.ts';

export interface HashFormatOptions {
  readonly base16?: boolean;
  readonly base32?: boolean;
  readonly base64?: boolean;
  readonly sri?: boolean;
}

export function hashFormatOptions(command: Command): Command {
  return command
    .option('--sri', 'print sha256-<base 64> (the default)')
    .option('--base16', 'print the digest alone, hexadecimal')
    .option('--base32', "print the digest alone, in Nix's base 32")
    .option('--base64', 'print the digest alone, in base 64');
}

export function typeOption(command: Command): Command {
  return command
    .option('--hash-algo <algorithm>', `hash function: ${Object.keys(hashSizes).join(', ')}`)
    .addOption(new Option('--type <algorithm>', 'its name in older Nix').hideHelp());
}

/** How hashes are printed. Throws `usage` when more than one form was asked for. */
export function hashFormatter(options: HashFormatOptions): (hash: Hash) => string {
  const forms = (['base16', 'base32', 'base64', 'sri'] as const).filter((form) => options[form]);
  if (forms.length > 1) {
    throw new NarrowError('usage', `--${forms[0]} and --${forms[1]} exclude each other`, { hint: 'choose one form' });
  }
  const form = forms[0] ?? 'sri';
  return form === 'sri' ? formatSri : (hash) => encodeHash(hash, form satisfies HashEncoding);
}

/** The hash function that was named. Throws `usage`. */
export function hashType(name: string): HashAlgo {
  if (isHashAlgo(name)) return name;
  throw new NarrowError('usage', `unknown hash function '${name}'`, {
    hint: `one of ${Object.keys(hashSizes).join(', ')}`,
  });
}
