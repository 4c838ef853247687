// Narinfos, the text files by which a binary cache says what it has: `Name: value` lines. The reader takes what current
// stock Nix takes, oddities included, and reports those as quirks; the writer prints byte for byte what Nix prints.

import type { Place } from '../errors.ts';
import { NarrowError, formatError } from '../errors.ts';
import { formatContentAddress } from '../model/content-address.ts';
import { formatHash } from '../model/hash.ts';
import type { PathInfo } from '../model/path-info.ts';
import { sortedUnique } from '../model/path-info.ts';
import type { StoreDir } from '../model/store-path.ts';
import { printStorePath } from '../model/store-path.ts';
import type { NarinfoDraft } from './narinfo-fields.ts';
import { fieldReaders } from './narinfo-fields.ts';
import type { NarinfoQuirk, NarinfoQuirkKind } from './narinfo-quirk.ts';

export interface NarinfoResult {
  /** Its `file` is always set. */
  readonly info: PathInfo;
  readonly quirks: readonly NarinfoQuirk[];
}

/** Longest narinfo that is read, in bytes: room for 300,000 references. */
export const maxNarinfoSize: number = 16 * 2 ** 20;

const guixSignature = 'Signature';

/**
 * Reads a narinfo. `place.source` names it in errors. Throws `format` with the line.
 * The value starts two bytes after the colon, whatever they are, and a file that does not end in a line feed is refused.
 */
export function parseNarinfo(text: string | Uint8Array, storeDir: StoreDir, place: Place = {}): NarinfoResult {
  const source = place.source;
  if (text.length > maxNarinfoSize) {
    throw formatError('the narinfo is too large', place, {
      expected: `at most ${maxNarinfoSize} bytes`,
      got: `${text.length}`,
    });
  }
  const input = typeof text === 'string' ? text : Buffer.from(text).toString('utf8');
  const draft: NarinfoDraft = { storeDir, quirks: [], references: [], signatures: [] };
  const seen = new Map<string, number>();
  for (const field of fieldsOf(input, source)) {
    noteOddities(draft, field, seen);
    const read = fieldReaders[field.name];
    if (read) readField(read, draft, field, source);
  }
  return { info: finish(draft, { source }), quirks: draft.quirks };
}

interface Field {
  readonly name: string;
  readonly value: string;
  readonly line: number;
  /** The two characters between name and value. */
  readonly separator: string;
}

/** Cuts the text as Nix does: to a colon, two bytes on, to a line feed. */
function* fieldsOf(input: string, source: string | undefined): Generator<Field> {
  let line = 1;
  for (let at = 0; at < input.length;) {
    const colon = input.indexOf(':', at);
    if (colon < 0) {
      const rest = clip(input.slice(at).trimEnd());
      throw formatError(
        'bad narinfo',
        { source, line },
        { expected: "'Name: value'", got: `'${rest}' without a colon` },
      );
    }
    const junk = input.slice(at, colon);
    line += count(junk, '\n');
    const end = input.indexOf('\n', colon + 2);
    if (end < 0) {
      const got = `the end of the file after '${clip(input.slice(at, colon + 1))}'`;
      throw formatError(
        'bad narinfo',
        { source, line },
        {
          expected: 'a line feed at the end of each line',
          got,
          hint: 'it may have been cut off in transfer',
        },
      );
    }
    const separator = input.slice(colon + 1, colon + 2);
    yield { name: junk, value: input.slice(colon + 2, end), line, separator };
    line += 1 + (separator === '\n' ? 1 : 0);
    at = end + 1;
  }
}

function noteOddities(draft: NarinfoDraft, field: Field, seen: Map<string, number>): void {
  const { name, line, separator } = field;
  const note = (kind: NarinfoQuirkKind, text: string): void => {
    draft.quirks.push({ kind, line, field: clip(name), note: text });
  };
  if (name.includes('\n')) note('junk-line', 'a line without a colon hides the line after it');
  else if (name === guixSignature) note('guix-signature', 'signed by Guix publish, which no Nix can check');
  else if (!Object.hasOwn(fieldReaders, name) && name !== 'System') note('unknown-field', 'Nix ignores this field');
  if (separator !== ' ') note('value-without-space', 'no space after the colon: one byte of the value is lost');
  const before = seen.get(name);
  if (before !== undefined && name !== 'Sig')
    note('repeated-field', `given in line ${before} already: the last one counts`);
  seen.set(name, line);
}

function readField(
  read: (draft: NarinfoDraft, value: string, line: number) => void,
  draft: NarinfoDraft,
  { name, value, line }: Field,
  source: string | undefined,
): void {
  try {
    read(draft, value, line);
  } catch (error) {
    if (!(error instanceof NarrowError)) throw error;
    const { expected, got } = error.data as { expected?: string; got?: string };
    const contrast = expected === undefined ? { got: error.message } : { expected, got: got ?? `'${clip(value)}'` };
    throw formatError(`bad ${name} of narinfo`, { source, line }, { ...contrast, data: { field: name }, cause: error });
  }
}

function finish(draft: NarinfoDraft, place: Place): PathInfo {
  const { path, narHash, narSize, url, compression, fileHash, fileSize } = draft;
  const lacks = (field: string): NarrowError =>
    formatError('bad narinfo', place, { expected: `a field ${field}`, got: 'none', data: { field } });
  if (path === undefined) throw lacks('StorePath');
  if (narHash === undefined) throw lacks('NarHash');
  if (url === undefined || url === '') throw lacks('URL');
  if (narSize === undefined || narSize === 0) throw lacks('NarSize above 0');
  if (!draft.sawReferences)
    draft.quirks.push({ kind: 'references-missing', field: 'References', note: 'taken as none' });
  if (!compression) {
    draft.quirks.push({ kind: 'compression-missing', field: 'Compression', note: 'taken as bzip2, as Nix does' });
  }
  return {
    path,
    narHash,
    narSize,
    references: draft.references,
    deriver: draft.deriver,
    signatures: sortedUnique(draft.signatures),
    ca: draft.ca,
    file: { url, compression: compression || 'bzip2', hash: fileHash, size: fileSize },
  };
}

/**
 * Prints a narinfo as Nix does. `info.file` has to be there. Throws `format` when a value would break the lines.
 * Signatures are sorted as text, as up to 2.33; newer Nix sorts by key name first, which differs for `k` beside `k-1`.
 */
export function formatNarinfo(info: PathInfo, storeDir: StoreDir): string {
  const { file } = info;
  if (file === undefined) throw new NarrowError('format', `no narinfo without a file: ${info.path}`);
  const lines = [
    `StorePath: ${printStorePath(storeDir, info.path)}`,
    `URL: ${file.url}`,
    `Compression: ${file.compression}`,
    ...(file.hash ? [`FileHash: ${formatHash(file.hash)}`] : []),
    ...(file.size ? [`FileSize: ${file.size}`] : []),
    `NarHash: ${formatHash(info.narHash)}`,
    `NarSize: ${info.narSize}`,
    `References: ${info.references.join(' ')}`,
    ...(info.deriver ? [`Deriver: ${info.deriver}`] : []),
    ...info.signatures.map((sig) => `Sig: ${sig}`),
    ...(info.ca ? [`CA: ${formatContentAddress(info.ca)}`] : []),
  ];
  const broken = lines.find((line) => line.includes('\n'));
  if (broken !== undefined) {
    throw new NarrowError(
      'format',
      `cannot write the narinfo of ${info.path}: line feed in ${JSON.stringify(clip(broken))}`,
    );
  }
  return `${lines.join('\n')}\n`;
}

function clip(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function count(text: string, what: string): number {
  let n = 0;
  for (let i = text.indexOf(what); i >= 0; i = text.indexOf(what, i + 1)) n++;
  return n;
}
