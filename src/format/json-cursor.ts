// Reading JSON that others wrote: a value with the path that led to it, so that every error can say where.

import type { Place } from '../errors.ts';
import { NarrowError, formatError } from '../errors.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/** One value inside a JSON text. All methods throw `format`, naming the path. */
export class JsonCursor {
  readonly value: unknown;
  readonly #what: string;
  readonly #place: Place;
  readonly #path: string;

  constructor(value: unknown, what: string, place: Place = {}, path = '') {
    this.value = value;
    this.#what = what;
    this.#place = place;
    this.#path = path;
  }

  /** An error about this value. */
  fault(expected: string, got: string = describe(this.value), cause?: unknown): NarrowError {
    const at = this.#path === '' ? '' : ` at ${this.#path}`;
    return formatError(`bad ${this.#what}${at}`, this.#place, { expected, got, cause, data: { path: this.#path } });
  }

  /** The field `name`, which has to be there. */
  field(name: string): JsonCursor {
    const found = this.optional(name);
    if (!found) throw this.fault(`a field '${name}'`, `only ${describeKeys(this.object())}`);
    return found;
  }

  /** The field `name`, or undefined. */
  optional(name: string): JsonCursor | undefined {
    const object = this.object();
    return Object.hasOwn(object, name) ? this.#child(object[name], `.${name}`) : undefined;
  }

  object(): JsonObject {
    const { value } = this;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw this.fault('an object');
    return value as JsonObject;
  }

  /** The fields in the order of the text. */
  entries(): [string, JsonCursor][] {
    return Object.entries(this.object()).map(([key, value]) => [key, this.#child(value, `[${JSON.stringify(key)}]`)]);
  }

  list(): JsonCursor[] {
    if (!Array.isArray(this.value)) throw this.fault('a list');
    return this.value.map((item, index) => this.#child(item, `[${index}]`));
  }

  string(): string {
    if (typeof this.value !== 'string') throw this.fault('a string');
    return this.value;
  }

  strings(): string[] {
    return this.list().map((item) => item.string());
  }

  /** What `read` makes of the string; its complaint becomes ours. */
  parse<T>(read: (text: string) => T, expected: string): T {
    const text = this.string();
    return this.reading(() => read(text), expected);
  }

  /** Runs `read`, whose complaints (NarrowErrors) are said of this value. */
  reading<T>(read: () => T, expected: string): T {
    try {
      return read();
    } catch (cause) {
      if (!(cause instanceof NarrowError)) throw cause;
      throw this.fault(expected, cause.message, cause);
    }
  }

  #child(value: unknown, step: string): JsonCursor {
    return new JsonCursor(value, this.#what, this.#place, this.#path + step);
  }
}

/** Parses a JSON text of at most `limit` bytes; `what` and `place` are for errors. Throws `format`. */
export function readJson(text: string | Uint8Array, what: string, place: Place, limit: number): JsonCursor {
  if (text.length > limit) {
    throw formatError(`bad ${what}`, place, { expected: `at most ${limit} bytes`, got: `${text.length}` });
  }
  try {
    return new JsonCursor(parseKeepingDigits(decode(text)), what, place);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    const offset = /end of JSON/.test(message) ? text.length : /at position (\d+)/.exec(message)?.[1];
    const where = offset === undefined ? place : { ...place, offset: Number(offset) };
    throw formatError(`bad ${what}`, where, { expected: 'JSON', got: message, cause });
  }
}

/** Nix writes and reads UTF-8 only. */
function decode(text: string | Uint8Array): string {
  return typeof text === 'string' ? text : new TextDecoder('utf-8', { fatal: true }).decode(text);
}

/** A number whose digits a JavaScript number would not give back: 1.0, 2^60, 1e400. */
class Digits {
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }
}

type Reviver = (this: unknown, key: string, value: unknown, context: { readonly source?: string }) => unknown;

/** JSON.parse, but numbers print again as they were. Throws SyntaxError. */
export function parseKeepingDigits(text: string): unknown {
  const revive: Reviver = (_key, value, { source }) =>
    typeof value === 'number' && source !== undefined && String(value) !== source ? new Digits(source) : value;
  return JSON.parse(text, revive as Parameters<typeof JSON.parse>[1]);
}

const maxDepth = 1000;

/**
 * Compact JSON with the keys of every object sorted by bytes, as Nix prints all its JSON. (JSON.stringify would put
 * keys like "10" first, whatever order the object was made in.) Throws `format` beyond 1000 levels.
 */
export function sortedJson(value: unknown, depth = 0): string {
  if (depth > maxDepth) throw new NarrowError('format', `more than ${maxDepth} levels of JSON`);
  if (Array.isArray(value)) return `[${value.map((item) => sortedJson(item, depth + 1)).join(',')}]`;
  if (value instanceof Digits) return value.source;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${sortedJson(item, depth + 1)}`).join(',')}}`;
}

function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function describeKeys(object: JsonObject): string {
  const keys = Object.keys(object).slice(0, 10);
  return keys.length === 0 ? 'an empty object' : keys.map((k) => `'${k.slice(0, 40)}'`).join(', ');
}
