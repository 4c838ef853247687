// gzip (RFC 1952, several members, zero padding) and Brotli (RFC 7932, one stream), by node:zlib.

import { createBrotliDecompress, createGunzip } from 'node:zlib';
import type { Codec, DecodeOptions } from './codec.ts';
import { faultsOf } from './codec.ts';
import { throughEngine } from './engine.ts';
import type { Engine } from './engine.ts';
import type { ByteSource } from '../../bytes/source.ts';

const chunkSize = 128 * 1024;

function decodeWith(
  name: string,
  make: () => Engine['transform'],
  source: ByteSource,
  options: DecodeOptions,
): ByteSource {
  const faults = faultsOf(name, options.source);
  const engine: Engine = {
    transform: make(),
    explain: (error, offset) =>
      error.code === 'Z_BUF_ERROR' ? faults.truncated(offset) : faults.corrupt(offset, error.message),
    trailing: (offset) => faults.trailing(offset),
  };
  return throughEngine(engine, source, options.signal);
}

export const gzip: Codec = {
  name: 'gzip',
  suffix: '',
  decode: (source, options) => decodeWith('gzip', () => createGunzip({ chunkSize }), source, options),
};

export const br: Codec = {
  name: 'br',
  suffix: '.br',
  decode: (source, options) => decodeWith('br', () => createBrotliDecompress({ chunkSize }), source, options),
};
