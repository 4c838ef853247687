// Zstandard (RFC 8878), all frames of a stream: by the system's libzstd, or where there is none by Node's own.

import type { Codec } from './codec.ts';
import { decodeByLibrary, encodeByLibrary, hasLibzstd } from './zstd-native.ts';
import { decodeByZlib, encodeByZlib } from './zstd-zlib.ts';

export const zstd: Codec = {
  name: 'zstd',
  suffix: '.zst',
  decode: (source, options) => (hasLibzstd() ? decodeByLibrary(source, options) : decodeByZlib(source, options)),
  encode: (source, options) => (hasLibzstd() ? encodeByLibrary(source, options) : encodeByZlib(source, options)),
  levels: [-50, 22],
};
