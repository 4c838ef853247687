// The JSON of listings, version 1. Names and targets are bytes in it, as Nix 2.8 writes them: a name that is not UTF-8 makes
// a file that is not UTF-8 either. So the text is handled as a ByteString throughout, one character a byte: JSON's syntax
// is ASCII, JSON.parse does not mind, and only \uXXXX escapes of other characters need to become bytes first.

import { byteString, bytesFrom, compareBytes } from '../../bytes/byte-string.ts';
import type { ByteString } from '../../bytes/byte-string.ts';
import { formatError } from '../../errors.ts';
import type { NarrowError } from '../../errors.ts';
import type { ListedFile, Listing } from './listing.ts';
import { nameFault } from './name.ts';
import { DEPTH_LIMIT, TARGET_LIMIT } from './tokens.ts';

/** Writes a listing as Nix 2.8 does, which all read: keys in its order, `executable` only when true, no final newline. */
export function formatListing(root: Listing): Buffer {
  return bytesFrom(`{"version":1,"root":${formatNode(root)}}` as ByteString);
}

function formatNode(node: Listing): string {
  switch (node.type) {
    case 'directory': {
      const names = [...node.entries.keys()].sort(compareBytes);
      const entries = names.map((name) => `${quote(name)}:${formatNode(node.entries.get(name)!)}`);
      return `{"type":"directory","entries":{${entries.join(',')}}}`;
    }
    case 'symlink':
      return `{"type":"symlink","target":${quote(node.target)}}`;
    case 'regular':
      return formatFile(node);
  }
}

function formatFile({ size, executable, narOffset }: ListedFile): string {
  const sizeField = size === undefined ? '' : `,"size":${size}`;
  const offsetField = narOffset === undefined || narOffset === 0 ? '' : `,"narOffset":${narOffset}`;
  return `{"type":"regular"${sizeField}${executable ? ',"executable":true' : ''}${offsetField}}`;
}

const escapes: Readonly<Record<string, string>> = { '"': '\\"', '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function quote(text: ByteString): string {
  // eslint-disable-next-line no-control-regex
  const escaped = text.replace(
    /["\\\x00-\x1f]/g,
    (c) => escapes[c] ?? `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return `"${escaped}"`;
}

/** Reads a listing of any Nix. `source` names the input in errors. */
export function parseListing(bytes: Uint8Array, source?: string): Listing {
  const document = parseJson(bytes, source);
  const reader = new ListingReader(source);
  const { version, root } = reader.object(document, '/');
  if (version !== 1) throw reader.fault('version', '1', version);
  return reader.node(root, '', 0);
}

function parseJson(bytes: Uint8Array, source: string | undefined): unknown {
  try {
    return JSON.parse(
      byteString(bytes).replace(/((?:\\u[0-9a-fA-F]{4})+)|\\[^u]/g, (all, run?: string) =>
        run === undefined ? all : unescape(run),
      ),
    );
  } catch (error) {
    throw formatError('NAR listing is not JSON', { source }, { cause: error, got: (error as Error).message });
  }
}

/** A run of \uXXXX as the UTF-8 bytes it stands for; ASCII stays escaped, for it may be a quote or a control character. */
function unescape(run: string): string {
  const text = JSON.parse(`"${run}"`) as string;
  if (!text.isWellFormed()) throw new SyntaxError(`${run} is half a character`);
  return text.replace(/[\x00-\x7f]|[^\x00-\x7f]+/g, (part) =>
    part.charCodeAt(0) < 0x80
      ? `\\u${part.charCodeAt(0).toString(16).padStart(4, '0')}`
      : Buffer.from(part, 'utf8').toString('latin1'),
  );
}

/** Checks the JSON as strictly as the parser checks the NAR: a listing comes from whoever runs the cache. */
class ListingReader {
  readonly #source: string | undefined;

  constructor(source: string | undefined) {
    this.#source = source;
  }

  fault(where: string, expected: string, got: unknown): NarrowError {
    const shown = JSON.stringify(got) ?? 'nothing';
    return formatError(
      `bad NAR listing at ${where}`,
      { source: this.#source },
      {
        expected,
        got: shown.length > 80 ? `${shown.slice(0, 80)}…` : shown,
      },
    );
  }

  object(value: unknown, where: string): Record<string, unknown> {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
    throw this.fault(where, 'an object', value);
  }

  node(value: unknown, where: string, depth: number): Listing {
    if (depth >= DEPTH_LIMIT) throw this.fault(where, `fewer than ${DEPTH_LIMIT} levels`, value);
    const fields = this.object(value, where || '/');
    switch (fields['type']) {
      case 'regular':
        return this.#file(fields, where);
      case 'symlink':
        return { type: 'symlink', target: this.#target(fields['target'], where) };
      case 'directory':
        return { type: 'directory', entries: this.#entries(fields['entries'], where, depth) };
      default:
        throw this.fault(`${where}/type`, '"regular", "directory" or "symlink"', fields['type']);
    }
  }

  #file(fields: Record<string, unknown>, where: string): ListedFile {
    const { executable = false } = fields;
    if (typeof executable !== 'boolean') throw this.fault(`${where}/executable`, 'true or false', executable);
    const size = this.#number(fields['size'], `${where}/size`);
    const narOffset = this.#number(fields['narOffset'], `${where}/narOffset`);
    return { type: 'regular', executable, size, narOffset: narOffset === 0 ? undefined : narOffset };
  }

  #number(value: unknown, where: string): number | undefined {
    if (value === undefined || (Number.isSafeInteger(value) && (value as number) >= 0))
      return value as number | undefined;
    throw this.fault(where, 'a whole number of bytes', value);
  }

  #target(value: unknown, where: string): ByteString {
    if (typeof value === 'string' && value !== '' && value.length <= TARGET_LIMIT && !value.includes('\0')) {
      return value as ByteString;
    }
    throw this.fault(`${where}/target`, `1 to ${TARGET_LIMIT} bytes without NUL`, value);
  }

  #entries(value: unknown, where: string, depth: number): Map<ByteString, Listing> {
    const fields = this.object(value, `${where}/entries`);
    const entries = new Map<ByteString, Listing>();
    for (const name of (Object.keys(fields) as ByteString[]).sort(compareBytes)) {
      const fault = nameFault(name);
      if (fault !== undefined) throw this.fault(`${where}/entries`, fault.expected, name);
      entries.set(name, this.node(fields[name], `${where}/${name}`, depth + 1));
    }
    return entries;
  }
}
