// How a narrow on another machine is reached: one command line that starts `narrow stdio` where the host has it, else
// `nix-store --serve --write`, and a greeting that tells which.

import type { Duplex } from '../../protocol/duplex.ts';
import { NarrowClient } from '../../protocol/narrow/client.ts';
import { greetEither } from '../../protocol/narrow/handshake.ts';
import { Pipeline } from '../../protocol/pipeline.ts';
import type { Greeted } from '../../protocol/serve/client.ts';
import { serveHello } from '../../protocol/serve/handshake.ts';
import type { StoreDir } from '../../model/store-path.ts';
import { quoteWord } from '../../transport/ssh-words.ts';

/** Programs as words. */
export interface FarPrograms {
  readonly narrow: readonly string[];
  readonly stock: readonly string[];
}

/** A POSIX shell's words: login shells differ, `sh` does not. */
export function eitherProgram({ narrow, stock }: FarPrograms): string[] {
  const line = (words: readonly string[]): string => words.map(quoteWord).join(' ');
  const script = `if command -v ${quoteWord(narrow[0]!)} >/dev/null 2>&1; then exec ${line(narrow)}; fi; exec ${line(stock)}`;
  return ['sh', '-c', script];
}

/** Who answered on a connection. */
export type Linked =
  | { readonly kind: 'narrow'; readonly client: NarrowClient }
  | { readonly kind: 'serve'; readonly greeted: Greeted };

/** Greets whatever was started. Throws `format` for neither, `unavailable`. */
export async function link(duplex: Duplex, storeDir: StoreDir): Promise<Linked> {
  const pipeline = new Pipeline(duplex);
  try {
    const answer = await pipeline.request(
      (output) => serveHello(output),
      (reader) => greetEither(reader, pipeline.output, storeDir),
    );
    if (answer.kind === 'narrow') return { kind: 'narrow', client: new NarrowClient(pipeline, answer.greeting) };
    return { kind: 'serve', greeted: { pipeline, version: answer.version } };
  } catch (error) {
    await pipeline[Symbol.asyncDispose]();
    throw error;
  }
}
