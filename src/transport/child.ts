// A child process as a connection: its standard input and output are the line, what it says on standard error is shown,
// or becomes the reason when it ends too early. It keeps this process's terminal, so that it can ask for passwords.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { NarrowError } from '../errors.ts';
import type { Duplex } from '../protocol/duplex.ts';
import { ErrorLines } from './error-lines.ts';
import { streamDuplex } from './stream-duplex.ts';

/** How a child ended. */
export interface ChildEnd {
  /** Exit status; undefined after a signal, or when it could not be started. */
  readonly status: number | undefined;
  readonly signal: string | undefined;
  /** The last lines of its standard error, without escape sequences. */
  readonly stderr: string;
}

export interface ChildOptions {
  readonly argv: readonly string[];
  /** What the other side is called in errors. */
  readonly name: string;
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Lines of standard error that did not become part of an error. */
  readonly onLine?: ((line: string) => void) | undefined;
  /** Makes an error of a child that ended too early. */
  readonly explain: (end: ChildEnd) => Error;
  readonly signal?: AbortSignal | undefined;
}

/** How long a child may take to end after its input has, before it is told to. */
const patience = 3000;
/** A child that prints more than this many characters is ended. */
const outputLimit = 64 * 1024 * 1024;

/** Starts a child. What keeps it from starting is told when it is first read from. */
export function startChild(options: ChildOptions): Duplex {
  const { argv, name, env = process.env, signal } = options;
  const [command, ...args] = argv;
  const child = spawn(command!, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
  const lines = new ErrorLines(child, options.onLine);
  const ended = endOf(child);
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()).once('error', () => resolve()));
  const kill = (): void => void child.kill('SIGTERM');
  signal?.addEventListener('abort', kill, { once: true });
  void ended.then(() => signal?.removeEventListener('abort', kill));
  return streamDuplex({
    name,
    readable: child.stdout!,
    writable: child.stdin!,
    async explain(cause) {
      if (signal?.aborted)
        return signal.reason instanceof Error ? signal.reason : new NarrowError('aborted', 'stopped');
      const end = await Promise.race([ended, delay(patience).then(() => undefined)]);
      if (end && 'error' in end) return notStarted(command!, end.error);
      const stderr = lines.claim();
      return options.explain({ status: end?.status, signal: end?.signal, stderr: stderr || messageOf(cause) });
    },
    destroy() {
      child.stdin!.destroy();
      child.stdout!.destroy();
      kill();
    },
    async close() {
      // every answer is there: what the child would still do costs a round trip and changes nothing
      child.stdout!.destroy();
      child.kill('SIGTERM');
      const late = await Promise.race([exited.then(() => false), delay(patience).then(() => true)]);
      if (late) child.kill('SIGKILL');
      // a shared connection keeps it open for another round trip
      child.stderr!.destroy();
      lines.flush();
    },
  });
}

/** Runs a child that reads nothing to its end; what it printed. Throws what `explain` makes of a status but 0. */
export async function runChild(options: ChildOptions): Promise<string> {
  const { argv, env = process.env, signal } = options;
  const [command, ...args] = argv;
  signal?.throwIfAborted();
  const child = spawn(command!, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const kill = (): void => {
    child.kill('SIGTERM');
    // a shared connection keeps them open for as long as the program there runs
    child.stdout!.destroy();
    child.stderr!.destroy();
  };
  const output: string[] = [];
  let size = 0;
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    if ((size += text.length) > outputLimit) kill();
    else output.push(text);
  });
  const lines = new ErrorLines(child, options.onLine);
  signal?.addEventListener('abort', kill, { once: true });
  const end = await endOf(child).finally(() => signal?.removeEventListener('abort', kill));
  signal?.throwIfAborted();
  if ('error' in end) throw notStarted(command!, end.error);
  if (end.status !== 0) throw options.explain({ ...end, stderr: lines.claim() });
  lines.flush();
  return output.join('');
}

type End = { readonly status: number | undefined; readonly signal: string | undefined } | { readonly error: Error };

function endOf(child: ChildProcess): Promise<End> {
  const { promise, resolve } = Promise.withResolvers<End>();
  child.once('error', (error) => resolve({ error }));
  child.once('close', (status, signal) => resolve({ status: status ?? undefined, signal: signal ?? undefined }));
  return promise;
}

function notStarted(command: string, cause: Error): NarrowError {
  const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
  return new NarrowError(
    'unavailable',
    `cannot run ${command}: ${missing ? 'there is no such program' : cause.message}`,
    {
      cause,
      hint: missing ? `install ${command}, or add its directory to PATH` : undefined,
    },
  );
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : '';
}

async function delay(milliseconds: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, milliseconds);
  timer.unref();
  await promise;
}
