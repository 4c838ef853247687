// Broken binary caches: changes to one narinfo or NAR of a good, signed cache on disk. Hashes and sizes are made to fit where
// only the thing itself is to be wrong. Whoever follows one of the hostile URLs reads /etc/passwd or a closed port.
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { flipped } from './broken.ts';
import type { BrokenFiles } from './broken.ts';
import { directory, entry, nar, regular } from './nar.ts';

const zeros = '0'.repeat(52);
const alphabet = '0123456789abcdfghijklmnpqrsvwxyz';

/** `sha256:` and Nix's base32. */
function sha256(bytes: Uint8Array): string {
  let number = BigInt(`0x${Buffer.from(createHash('sha256').update(bytes).digest()).reverse().toString('hex')}`);
  let text = '';
  for (let i = 0; i < 52; i++, number >>= 5n) text = (alphabet[Number(number & 31n)] as string) + text;
  return `sha256:${text}`;
}

/** One narinfo and its NAR, and what it becomes. */
class Change {
  readonly #cache: string;
  readonly #file: string;
  readonly files = new Map<string, Buffer | undefined>();
  text: string;

  constructor(cache: string, file: string) {
    this.#cache = cache;
    this.#file = file;
    this.text = readFileSync(join(cache, file), 'utf8');
  }

  get(field: string): string {
    return new RegExp(`^${field}: (.*)$`, 'm').exec(this.text)?.[1] ?? '';
  }

  /** Gives a field another value, or, undefined, takes it away; one that is not there is added. */
  set(field: string, value: string | number | bigint | undefined): this {
    const line = new RegExp(`^${field}: .*\n`, 'gm');
    const wanted = value === undefined ? '' : `${field}: ${value}\n`;
    const found = line.test(this.text);
    this.text = found ? this.text.replace(line, wanted) : this.text + wanted;
    return this;
  }

  nar(): Buffer {
    return readFileSync(join(this.#cache, this.get('URL')));
  }

  setNar(bytes: Buffer | undefined): this {
    this.files.set(this.get('URL'), bytes);
    return this;
  }

  /** Another NAR, all hashes and sizes fit. */
  replace(bytes: Buffer, stored = bytes, compression = 'none'): this {
    this.set('Compression', compression).set('NarHash', sha256(bytes)).set('NarSize', bytes.length);
    return this.set('FileHash', sha256(stored)).set('FileSize', stored.length).setNar(stored);
  }

  done(): ReadonlyMap<string, Buffer | undefined> {
    if (!this.files.has(this.#file)) this.files.set(this.#file, Buffer.from(this.text));
    return this.files;
  }

  /** The narinfo itself as bytes, or gone. */
  write(bytes: Buffer | string | undefined): void {
    this.files.set(this.#file, bytes === undefined ? undefined : Buffer.from(bytes as string));
  }
}

type Row = readonly [name: string, why: string, change: (c: Change, other: Change) => unknown, nixAccepts?: true];

const nars: readonly Row[] = [
  ['missing-nar', 'the NAR is not there', (c) => c.setNar(undefined)],
  ['cut-nar', 'the NAR ends half-way', (c) => c.setNar(c.nar().subarray(0, c.nar().length >> 1))],
  ['flipped-nar', 'one bit of the NAR is another', (c) => c.setNar(flipped(c.nar(), c.nar().length >> 1))],
  ['trailing-nar', "bytes after the NAR file's end", (c) => c.setNar(Buffer.concat([c.nar(), Buffer.from('more')]))],
  [
    'trailing-frame',
    'bytes after the end of the NAR, compressed as it is',
    (c) => c.setNar(Buffer.concat([c.nar(), zstdCompressSync('more')])),
    true,
  ],
  ['empty-nar', 'a NAR file of no bytes', (c) => c.setNar(Buffer.alloc(0))],
  ['swapped-nar', 'the valid NAR of another path', (c, other) => c.setNar(other.nar())],
  [
    'swapped-url',
    'URL, file hash and size of another path',
    (c, other) => ['URL', 'FileHash', 'FileSize'].forEach((field) => c.set(field, other.get(field))),
  ],
  [
    'dotdot-nar',
    "a NAR with an entry '..', hashes fit",
    (c) => c.replace(nar(directory(entry('..', regular('escaped'))))),
  ],
  [
    'unsorted-nar',
    'a NAR with unsorted names, hashes fit',
    (c) => c.replace(nar(directory(entry('b', regular('')), entry('a', regular(''))))),
  ],
  ['other-nar', 'another NAR, hashes fit, the signature does not', (c) => c.replace(nar(regular('other')))],
  ['bomb', '64 MiB of zeros in some kilobytes of zstd, though NarSize says 1000', bomb],
];

function bomb(c: Change): void {
  const bytes = nar(regular(Buffer.alloc(64 << 20)));
  c.replace(bytes, zstdCompressSync(bytes), 'zstd').set('NarSize', 1000);
}

const fields: readonly Row[] = [
  ['narhash', 'another NarHash', (c) => c.set('NarHash', `sha256:${zeros}`)],
  ['narsize', 'NarSize one too large', (c) => c.set('NarSize', Number(c.get('NarSize')) + 1)],
  ['narsize-2-63', 'NarSize 2^63', (c) => c.set('NarSize', 2n ** 63n)],
  ['narsize-0', 'NarSize 0', (c) => c.set('NarSize', 0)],
  ['narsize-text', 'NarSize that is no number', (c) => c.set('NarSize', '12x')],
  ['filehash', 'another FileHash', (c) => c.set('FileHash', `sha256:${zeros}`), true],
  ['filesize', 'FileSize one too large', (c) => c.set('FileSize', Number(c.get('FileSize')) + 1), true],
  ['compression', 'says bzip2 and is not', (c) => c.set('Compression', 'bzip2')],
  ['compression-unknown', 'says lzw', (c) => c.set('Compression', 'lzw')],
  ['other-path', 'the narinfo of another path', (c, other) => (c.text = other.text)],
  [
    'other-hash',
    'StorePath with another hash part',
    (c) => c.set('StorePath', c.get('StorePath').replace(/[^/]{32}-/, `${'0'.repeat(32)}-`)),
  ],
  ['outside', 'StorePath outside the store', (c) => c.set('StorePath', '/etc/escaped')],
  ['reference-dotdot', 'a reference ../../etc/passwd', (c) => c.set('References', '../../etc/passwd')],
  [
    'reference-unknown',
    'a reference that no cache has',
    (c) => c.set('References', `${c.get('References')} ${'0'.repeat(32)}-nowhere`),
  ],
  ['references-none', 'no references, though it has some', (c) => c.set('References', '')],
  [
    'references-many',
    '16 MiB of references',
    (c) => c.set('References', `${'0'.repeat(32)}-nowhere-at-all `.repeat(350_000).trimEnd()),
  ],
  ['url-dotdot', 'URL ../../…/etc/passwd', (c) => c.set('URL', '../../../../../../../../etc/passwd')],
  ['url-file', 'URL file:///etc/passwd', (c) => c.set('URL', 'file:///etc/passwd')],
  ['url-away', 'URL of a closed port', (c) => c.set('URL', 'http://127.0.0.1:1/x.nar')],
  ['no-url', 'no URL', (c) => c.set('URL', undefined)],
  ['no-narhash', 'no NarHash', (c) => c.set('NarHash', undefined)],
  ['no-narsize', 'no NarSize', (c) => c.set('NarSize', undefined)],
  ['no-storepath', 'no StorePath', (c) => c.set('StorePath', undefined)],
  ['two-references', 'References twice', (c) => (c.text += `References: ${c.get('References')}\n`)],
  ['ca', 'a content address that is not its own', (c) => c.set('CA', `fixed:r:sha256:${zeros}`).set('Sig', undefined)],
  ['ca-unknown', 'a content address of no known kind', (c) => c.set('CA', 'magic:sha256:0')],
];

const texts: readonly Row[] = [
  ['signature', 'one bit of the signature is another', (c) => c.set('Sig', flippedSignature(c.get('Sig')))],
  ['no-signature', 'no signature', (c) => c.set('Sig', undefined)],
  ['signature-text', 'a signature that is no base64', (c) => c.set('Sig', 'lab-1:!!!')],
  ['signature-other', 'the signature of another path', (c, other) => c.set('Sig', other.get('Sig'))],
  ['missing-narinfo', 'the narinfo is not there', (c) => c.write(undefined)],
  ['crlf', 'lines end with CR LF', (c) => (c.text = c.text.replaceAll('\n', '\r\n'))],
  ['cut-narinfo', 'the narinfo ends within a line', (c) => (c.text = c.text.slice(0, c.text.length >> 1))],
  ['no-newline', 'no newline at the end', (c) => (c.text = c.text.trimEnd())],
  ['empty-narinfo', 'a narinfo of no bytes', (c) => (c.text = '')],
  ['html-narinfo', 'a login page', (c) => (c.text = '<!doctype html><title>Sign in</title>\n')],
  ['no-colon', 'a line without a colon', (c) => (c.text = `what is this\n${c.text}`)],
  ['nul', 'NUL bytes', (c) => c.write(Buffer.alloc(1000))],
  [
    'storedir',
    'nix-cache-info of another store directory',
    (c) => c.files.set('nix-cache-info', Buffer.from('StoreDir: /gnu/store\n')),
  ],
];

function flippedSignature(signature: string): string {
  const [key, text = ''] = signature.split(':');
  return `${key}:${flipped(Buffer.from(text, 'base64'), 7).toString('base64')}`;
}

/**
 * Fifty ways to break the cache in `dir`, whose NARs are zstd, as files to put over a copy of it. `hash` is the hash part of the path to break,
 * which has to be signed and to have a reference; another path's narinfo serves where two are mixed up.
 */
export function* brokenCaches(dir: string, hash: string): Generator<BrokenFiles> {
  const file = `${hash}.narinfo`;
  const others = readdirSync(dir).filter((name) => name.endsWith('.narinfo') && name !== file);
  const other = others.sort().find((name) => new Change(dir, name).get('References') !== '');
  if (other === undefined) throw new Error(`expected two paths with references in ${dir}`);
  for (const [name, why, change, nixAccepts] of [...nars, ...fields, ...texts]) {
    const changed = new Change(dir, file);
    change(changed, new Change(dir, other));
    yield { name, why, files: changed.done(), ...(nixAccepts && { nixAccepts }) };
  }
}
