// File names, symlink targets and derivation environments are bytes, not text. They are held as JavaScript strings with
// one character (U+0000..U+00FF) a byte: cheap map keys that compare and sort exactly as the bytes do, which UTF-16 text
// does not (U+10000 sorts before U+FFFF there).

/** Bytes as a string of characters 0..255. Never print it: use {@link displayBytes}. */
export type ByteString = string & { readonly __bytes: unique symbol };

/** The bytes of `buffer` (all, or from start to end) as a ByteString. */
export function byteString(buffer: Uint8Array, start = 0, end: number = buffer.length): ByteString {
  return Buffer.from(buffer.buffer, buffer.byteOffset, buffer.byteLength).toString('latin1', start, end) as ByteString;
}

/** Text, encoded as UTF-8. */
export function byteStringOf(text: string): ByteString {
  // eslint-disable-next-line no-control-regex
  return (/^[\x00-\x7f]*$/.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1')) as ByteString;
}

/** Back to bytes. */
export function bytesFrom(text: ByteString): Buffer {
  return Buffer.from(text, 'latin1');
}

/** For people: UTF-8 where it is valid, control characters and stray bytes as \xHH. */
export function displayBytes(text: ByteString): string {
  const buffer = bytesFrom(text);
  const decoded = buffer.toString('utf8');
  const printable = decoded.includes('\ufffd') && !Buffer.from(decoded, 'utf8').equals(buffer) ? text : decoded;
  // eslint-disable-next-line no-control-regex
  return printable.replace(
    printable === text ? /[^\x20-\x7e]/g : /[\x00-\x1f\x7f]/g,
    (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

/** The same in quotes, and cut: what a stranger sent may be megabytes. */
export function quoteBytes(text: ByteString): string {
  const shown = displayBytes(text.slice(0, 1000) as ByteString);
  return `"${shown.length > 80 ? `${shown.slice(0, 80)}…` : shown}"`;
}

/** Orders two strings by code unit: for ByteStrings and ASCII (store paths) that is the order of their bytes. */
export function compareBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
