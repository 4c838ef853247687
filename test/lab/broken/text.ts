// Broken derivations and keys, made of good ones.
import type { BrokenBytes } from './broken.ts';

type Row = readonly [name: string, why: string, text: string, nixAccepts?: true];

/** A derivation in which each row below changes one thing. */
export const goodDerivation: string =
  'Derive([("out","/nix/store/zr2knphxg8yyy2mkq8akf2hfknjvdiz7-x","","")],' +
  '[("/nix/store/mh3rz2qzm0lrcxk22g2b1kifak7q2nj9-y.drv",["out"])],["/nix/store/32vch7w8nrs04irzxsrs0406a14v1j1w-z"],' +
  '"x86_64-linux","/bin/sh",["-c","echo hi"],[("name","x"),("out","/nix/store/zr2knphxg8yyy2mkq8akf2hfknjvdiz7-x")])';

/** Some twenty. */
export function* brokenDerivations(): Generator<BrokenBytes> {
  const good = goodDerivation;
  const rows: readonly Row[] = [
    ['nothing', 'no byte at all', ''],
    ['name', 'Derived instead of Derive', good.replace('Derive(', 'Derived(')],
    ['cut', 'ends in the middle', good.slice(0, good.length >> 1)],
    ['no-end', 'the last parenthesis is missing', good.slice(0, -1)],
    ['trailing', 'bytes after the end', `${good}x`, true],
    ['newline', 'a newline after the end', `${good}\n`, true],
    ['space', 'a space between fields', good.replace('],[', '], [')],
    ['comma', 'a comma at the end of a list', good.replace('"echo hi"]', '"echo hi",]')],
    ['output-path', 'an output path outside of the store', good.replace('/nix/store/zr2k', '/etc/zr2k')],
    ['output-short', 'an output of three fields', good.replace('-x","",""', '-x",""')],
    ['output-hash', 'an unknown hash algorithm', good.replace('-x","",""', '-x","r:crc32","00"')],
    ['output-digest', 'a hash of the wrong length', good.replace('-x","",""', '-x","sha256","abcd"')],
    ['input-drv', 'an input derivation outside of the store', good.replace('/nix/store/mh3r', '/etc/mh3r')],
    [
      'input-source',
      'a source that is no store path',
      good.replace('/nix/store/32vch7w8nrs04irzxsrs0406a14v1j1w-z', 'z'),
    ],
    ['escape', 'a backslash at the end of the text', good.slice(0, good.indexOf('echo hi')) + '\\'],
    ['unclosed', 'a string without end', good.replace('"/bin/sh"', '"/bin/sh')],
    ['unquoted', 'a string without quotes', good.replace('"/bin/sh"', '/bin/sh')],
    ['deep', '100,000 brackets', 'Derive(' + '['.repeat(100_000)],
    ['version', 'an unknown version of the format', good.replace('Derive(', 'DrvWithVersion("xp-unheard-of",')],
  ];
  for (const [name, why, text, nixAccepts] of rows) {
    yield { name, why, bytes: Buffer.from(text), ...(nixAccepts && { nixAccepts }) };
  }
}

/** Key files; `secret` is the text of a good secret key. */
export function* brokenKeys(secret: string): Generator<BrokenBytes> {
  const [name = '', base64 = ''] = secret.trim().split(':');
  const bytes = Buffer.from(base64, 'base64');
  const half = bytes.subarray(0, 32).toString('base64');
  const rows: readonly Row[] = [
    ['nothing', 'no byte at all', ''],
    ['no-colon', 'no colon', name],
    ['no-name', 'no name', `:${base64}`],
    ['no-key', 'nothing after the colon', `${name}:`],
    ['not-base64', 'no base64', `${name}:${'!'.repeat(88)}`],
    ['short', '63 bytes', `${name}:${bytes.subarray(0, 63).toString('base64')}`],
    ['long', '65 bytes', `${name}:${Buffer.concat([bytes, Buffer.alloc(1)]).toString('base64')}`],
    ['seed-only', '32 bytes, as a public key has', `${name}:${half}`],
    ['two-lines', 'two keys', `${secret.trim()}\n${secret.trim()}\n`, true],
  ];
  for (const [kind, why, text, nixAccepts] of rows) {
    yield { name: kind, why, bytes: Buffer.from(text), ...(nixAccepts && { nixAccepts }) };
  }
}
