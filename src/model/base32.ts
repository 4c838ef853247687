// Nix's base 32: the digest read as one little-endian number, printed highest digit first, over an alphabet without e o u t.

const alphabet = '0123456789abcdfghijklmnpqrsvwxyz';
const values = new Int8Array(256).fill(-1);
for (let i = 0; i < alphabet.length; i++) values[alphabet.charCodeAt(i)] = i;

/** Characters needed for `bytes` bytes: ceil(8 * bytes / 5). */
export function base32Length(bytes: number): number {
  return Math.ceil((bytes * 8) / 5);
}

/** Prints bytes in Nix's base 32. */
export function encodeBase32(bytes: Uint8Array): string {
  let text = '';
  for (let n = base32Length(bytes.length) - 1; n >= 0; n--) {
    const bit = n * 5;
    const i = bit >> 3;
    const j = bit & 7;
    text += alphabet[(((bytes[i] ?? 0) >> j) | ((bytes[i + 1] ?? 0) << (8 - j))) & 31];
  }
  return text;
}

/**
 * Reads Nix's base 32 into exactly `size` bytes. Undefined when the length is wrong, a character is none of the
 * alphabet (upper case included), or a bit lies past the last byte.
 */
export function decodeBase32(text: string, size: number): Uint8Array | undefined {
  if (text.length !== base32Length(size)) return undefined;
  const bytes = new Uint8Array(size);
  for (let n = 0; n < text.length; n++) {
    const digit = values[text.charCodeAt(text.length - 1 - n)] ?? -1;
    if (digit < 0) return undefined;
    const i = (n * 5) >> 3;
    const j = (n * 5) & 7;
    bytes[i]! |= digit << j;
    const carry = digit >> (8 - j);
    if (i + 1 < size) bytes[i + 1]! |= carry;
    else if (carry !== 0) return undefined;
  }
  return bytes;
}

/** True when every character is of the alphabet. */
export function isBase32(text: string): boolean {
  for (let i = 0; i < text.length; i++) if ((values[text.charCodeAt(i)] ?? -1) < 0) return false;
  return true;
}
