// Base 64 as lax as Nix reads it, and no laxer: Node's own decoder skips whatever it does not know.

/**
 * Decodes base 64: line feeds are skipped, everything from the first `=` on is ignored, padding may be missing.
 * Undefined when another character is found.
 */
export function decodeBase64(text: string): Uint8Array | undefined {
  const pad = text.indexOf('=');
  const digits = (pad < 0 ? text : text.slice(0, pad)).replaceAll('\n', '');
  if (!/^[A-Za-z0-9+/]*$/.test(digits)) return undefined;
  return Uint8Array.from(Buffer.from(digits, 'base64'));
}

/** Base 64 with padding, as Nix prints it. */
export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
}
