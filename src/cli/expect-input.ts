// Commands that read standard input when no file is named would wait for ever for what nobody is about to type.

import { NarrowError } from '../errors.ts';

/** Throws `usage` when no file was named and standard input is a terminal; `-` says that it is meant. */
export function expectInput(file: string | undefined, what: string): void {
  if (file !== undefined || !process.stdin.isTTY) return;
  throw new NarrowError('usage', `no file was named for ${what}, and standard input is a terminal`, {
    hint: 'name a file, or redirect standard input',
  });
}
