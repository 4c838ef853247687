// The connection to whoever started this process: standard input and output. Its end is the end of the conversation and
// no failure.

import type { Duplex } from '../protocol/duplex.ts';

export function standardStreams(name: string): Duplex {
  const { stdin, stdout } = process;
  const end = (): void => void stdout.end();
  return {
    name,
    input: stdin,
    write: (chunk) =>
      new Promise<void>((resolve, reject) => {
        stdout.write(chunk, (error) => (error ? reject(error) : resolve()));
      }),
    end,
    destroy: () => void stdin.destroy(),
    async [Symbol.asyncDispose]() {
      stdin.destroy();
    },
  };
}
