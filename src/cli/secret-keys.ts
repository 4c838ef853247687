// Secret keys from files, as --key names them.

import { NarrowError } from '../errors.ts';
import { parseSecretKey } from '../model/signature.ts';
import type { SecretKey } from '../model/signature.ts';
import { cacheUrl } from '../store/open-cache.ts';
import { readText } from './text-file.ts';

/** Throws `io`, and `format` for what is no key. */
export async function readSecretKey(file: string): Promise<SecretKey> {
  return parseSecretKey(await readText(file, 'read the secret key'), file);
}

/** The URL of a cache that signs with these keys, beside those that it names itself. */
export function withKeys(text: string, keys: readonly string[]): string {
  if (keys.length === 0) return text;
  const bad = keys.find((key) => key.includes(','));
  if (bad !== undefined) throw new NarrowError('usage', `the name of a key file must not have a comma: ${bad}`);
  const [place = '', search] = cacheUrl(text).split(/\?(.*)/s);
  const params = new URLSearchParams(search ?? '');
  params.set('secret-keys', [params.get('secret-keys') ?? '', ...keys].filter((key) => key !== '').join(','));
  return `${place}?${params.toString()}`;
}
