// xz, lzip and the old .lzma format, by liblzma (lzma/base.h, lzma/container.h; lzip since liblzma 5.4).

import { faultsOf } from './codec.ts';
import type { Codec, DecodeOptions, EncodeOptions, Faults } from './codec.ts';
import { StreamStruct, loadLibrary, onThread, throughStepper } from './native.ts';
import type { Library, Step, Stepper, StreamLayout } from './native.ts';
import { NarrowError } from '../../errors.ts';
import type { ByteSource } from '../../bytes/source.ts';

const layout: StreamLayout = { size: 136, input: 0, inputLeft: 8, output: 24, outputLeft: 32 };
const actions = { run: 0, finish: 3 } as const;
const ok = 0;
const streamEnd = 1;
const bufferError = 10;
/** What lzma_ret means where input is at fault. */
const complaints: Readonly<Record<number, string>> = {
  6: 'a dictionary of more than 512 MiB',
  7: 'something that is not of this format',
  8: 'options that this liblzma does not know',
  9: 'damaged data',
};
const concatenated = 0x08;
const checkCrc64 = 4;
/** A file says how much memory its decoder takes: xz -9 needs 65 MiB. */
const memoryLimit = 512n * 1024n * 1024n;

interface Lzma {
  readonly code: (...args: unknown[]) => Promise<number>;
  readonly end: (stream: Buffer) => void;
  readonly init: (name: string, ...args: string[]) => (...args: unknown[]) => number;
}

let loaded: Lzma | undefined;

function liblzma(encoding: string): Lzma {
  loaded ??= bind(loadLibrary('liblzma.so.5', encoding, 'liblzma5'));
  return loaded;
}

function bind(library: Library): Lzma {
  const inits = new Map<string, (...args: unknown[]) => number>();
  const init: Lzma['init'] = (name, ...args) => {
    const known = inits.get(name) ?? (library.func(name, 'int', ['void *', ...args]) as (...a: unknown[]) => number);
    inits.set(name, known);
    return known;
  };
  return {
    code: onThread(library.func('lzma_code', 'int', ['void *', 'int'])),
    end: library.func('lzma_end', 'void', ['void *']) as (stream: Buffer) => void,
    init,
  };
}

class LzmaStepper implements Stepper {
  readonly #lzma: Lzma;
  readonly #stream = new StreamStruct(layout);
  readonly #faults: Faults;
  #offset = 0;

  constructor(lzma: Lzma, faults: Faults, start: (stream: Buffer) => number) {
    this.#lzma = lzma;
    this.#faults = faults;
    const status = start(this.#stream.memory);
    if (status !== ok) throw new NarrowError('io', `cannot start liblzma: status ${status}`);
  }

  async step(input: Buffer, output: Buffer, last: boolean): Promise<Step> {
    this.#stream.aim(input, output);
    const status = await this.#lzma.code(this.#stream.memory, last ? actions.finish : actions.run);
    const read = input.length - this.#stream.inputLeft();
    this.#offset += read;
    if (status === ok || status === streamEnd || status === bufferError) {
      return { read, written: output.length - this.#stream.outputLeft(), ended: status === streamEnd };
    }
    if (status === 5) throw new NarrowError('io', 'out of memory in liblzma');
    throw this.#faults.corrupt(this.#offset, complaints[status] ?? `status ${status} of liblzma`);
  }

  [Symbol.dispose](): void {
    this.#lzma.end(this.#stream.memory);
  }
}

/** The name of a decoder in liblzma, and whether it takes flags. */
type Decoder = 'lzma_stream_decoder' | 'lzma_lzip_decoder' | 'lzma_alone_decoder';

function decoding(encoding: string, decoder: Decoder): Codec['decode'] {
  return (source: ByteSource, options: DecodeOptions) => {
    const faults = faultsOf(encoding, options.source);
    const open = (): Stepper => {
      const lzma = liblzma(encoding);
      if (decoder === 'lzma_alone_decoder') {
        return new LzmaStepper(lzma, faults, (stream) => lzma.init(decoder, 'uint64_t')(stream, memoryLimit));
      }
      const start = initOrUnsupported(lzma, encoding, decoder);
      return new LzmaStepper(lzma, faults, (stream) => start(stream, memoryLimit, concatenated));
    };
    return throughStepper(open, source, faults, options.signal);
  };
}

function initOrUnsupported(lzma: Lzma, encoding: string, decoder: Decoder): (...args: unknown[]) => number {
  try {
    return lzma.init(decoder, 'uint64_t', 'uint32_t');
  } catch (cause) {
    throw new NarrowError('unsupported', `the liblzma of this machine cannot read ${encoding}`, {
      cause,
      hint: 'liblzma 5.4 or newer can',
      data: { encoding },
    });
  }
}

/** `lzma_mt` of lzma/container.h: threads at 4, preset at 20, check at 32. */
function threadedOptions(threads: number, preset: number): Buffer {
  const options = Buffer.allocUnsafeSlow(128).fill(0);
  options.writeUInt32LE(threads, 4);
  options.writeUInt32LE(preset, 20);
  options.writeUInt32LE(checkCrc64, 32);
  return options;
}

function encodeXz(source: ByteSource, { level = 6, threads = 1, signal }: EncodeOptions): ByteSource {
  const faults = faultsOf('xz', undefined);
  const open = (): Stepper => {
    const lzma = liblzma('xz');
    return new LzmaStepper(lzma, faults, (stream) =>
      threads > 1
        ? lzma.init('lzma_stream_encoder_mt', 'void *')(stream, threadedOptions(threads, level))
        : lzma.init('lzma_easy_encoder', 'uint32_t', 'int')(stream, level, checkCrc64),
    );
  };
  return throughStepper(open, source, faults, signal);
}

export const xz: Codec = {
  name: 'xz',
  suffix: '.xz',
  decode: decoding('xz', 'lzma_stream_decoder'),
  encode: encodeXz,
  levels: [0, 9],
};

export const lzip: Codec = { name: 'lzip', suffix: '.lzip', decode: decoding('lzip', 'lzma_lzip_decoder') };

export const lzma: Codec = { name: 'lzma', suffix: '', decode: decoding('lzma', 'lzma_alone_decoder') };
