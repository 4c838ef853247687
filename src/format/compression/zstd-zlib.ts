// Zstandard by node:zlib, where the system has no libzstd. New Nix writes a frame for each 16 MiB, and Node's decoder
// silently drops what follows the end of a frame within the same chunk: so frames are told apart here and handed over singly.

import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib';
import { faultsOf } from './codec.ts';
import { throughEngine } from './engine.ts';
import type { Engine } from './engine.ts';
import { FrameScanner } from './zstd-frames.ts';
import type { DecodeOptions, EncodeOptions } from './codec.ts';
import type { ByteSource } from '../../bytes/source.ts';

const chunkSize = 128 * 1024;

export function decodeByZlib(source: ByteSource, options: DecodeOptions): ByteSource {
  const faults = faultsOf('zstd', options.source);
  const scanner = new FrameScanner(faults);
  const engine: Engine = {
    transform: createZstdDecompress({ chunkSize }),
    cut: (bytes) => scanner.cut(bytes),
    finish: () => scanner.finish(),
    explain: (error, offset) => faults.corrupt(offset, error.message),
  };
  return throughEngine(engine, source, options.signal);
}

export function encodeByZlib(source: ByteSource, options: EncodeOptions): ByteSource {
  const { level = 3, threads = 1, size } = options;
  const params: Record<number, number> = {
    [constants.ZSTD_c_compressionLevel]: level,
    [constants.ZSTD_c_checksumFlag]: 1,
    ...(threads > 1 && { [constants.ZSTD_c_nbWorkers]: threads }),
  };
  const transform = createZstdCompress({ chunkSize, params, ...(size !== undefined && { pledgedSrcSize: size }) });
  return throughEngine({ transform, explain: (error) => error }, source, options.signal);
}
