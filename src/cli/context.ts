// What every command is given: where to write, when to stop, and the settings of this machine.

import { once } from 'node:events';
import type { NixSettings } from '../config/nix-conf.ts';
import { readNixSettings } from '../config/nix-conf.ts';
import { TrustedKeys } from '../model/signature.ts';
import type { OpenContext } from '../store/open-context.ts';
import { configuredKeys, typedKey } from './configured-keys.ts';
import { printable } from './output/printable.ts';
import { Frame } from './output/terminal.ts';

export interface Context {
  /** Results. Waits when the reader is slow. */
  out(text: string): Promise<void>;
  /** Raw bytes of a result (a NAR, an export stream). */
  write(chunk: Uint8Array): Promise<void>;
  /** Everything that is no result; above what is painted. */
  say(text: string): void;
  /** The foot of the terminal, where standard error is one. */
  readonly frame: Frame | undefined;
  readonly signal: AbortSignal;
  /** The exit status unless something throws: 0, or 3 when the answer is "no". */
  status: number;
  settings(): NixSettings;
}

export function processContext(signal: AbortSignal): Context {
  let settings: NixSettings | undefined;
  const frame = process.stderr.isTTY ? new Frame(process.stderr) : undefined;
  const write = async (chunk: Uint8Array | string): Promise<void> => {
    if (!process.stdout.write(chunk)) await once(process.stdout, 'drain', { signal });
  };
  return {
    out: (text) => write(`${process.stdout.isTTY ? printable(text) : text}\n`),
    // stdout keeps a chunk until it is written, and ours are borrowed
    write: (chunk) => write(Buffer.from(chunk)),
    say(text) {
      if (frame) frame.above(printable(text));
      else process.stderr.write(`${printable(text)}\n`);
    },
    frame,
    signal,
    status: 0,
    settings: () => (settings ??= readNixSettings()),
  };
}

/** Options that several commands take. */
export interface TrustOptions {
  readonly trustedPublicKey?: readonly string[];
  readonly checkSigs?: boolean;
}

/** The settings stores are opened with: Nix's own, and what the command line adds. */
export function openContext(context: Context, trust: TrustOptions = {}): OpenContext {
  const settings = context.settings();
  const added = (trust.trustedPublicKey ?? []).map(typedKey);
  const warn = (text: string): void => context.say(`warning: ${text}`);
  return {
    settings,
    trustedKeys: new TrustedKeys([...configuredKeys(settings, warn), ...added]),
    warn,
    onLogin: (until) => context.frame?.pause(until),
    signal: context.signal,
  };
}
