// A command that runs to its end while its output is read by lines: what is started on another machine beside the
// conversation with its store. Its standard input stays open until it is disposed of, so that it can see us go.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { plainText } from '../protocol/remote-error.ts';

export interface CommandOptions {
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Lines of its standard error as they come, without escape sequences. */
  readonly onLine?: ((line: string) => void) | undefined;
  /** Ends the command. */
  readonly signal?: AbortSignal | undefined;
}

export interface CommandEnd {
  /** Exit status; undefined after a signal, or when it could not be started. */
  readonly status: number | undefined;
  /** Lines of its standard output. */
  readonly output: readonly string[];
  /** The last lines of its standard error. */
  readonly errors: readonly string[];
}

/** How long a command may take to end after its input has, in milliseconds. */
const patience = 3000;
/** So many lines are kept of either stream. */
const keptLines = 1000;

/** A command that was started; to be disposed of. */
export class Command implements AsyncDisposable {
  /** Never rejects: what went wrong stands in the last lines. */
  readonly end: Promise<CommandEnd>;
  readonly #child: ChildProcess;
  readonly #output: string[] = [];
  readonly #errors: string[] = [];
  readonly #first = Promise.withResolvers<string | undefined>();

  constructor(argv: readonly string[], { env = process.env, onLine, signal }: CommandOptions = {}) {
    const [program, ...args] = argv;
    this.#child = spawn(program!, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child.stdin!.on('error', () => {});
    readLines(this.#child.stdout!, (line) => {
      this.#first.resolve(line);
      keep(this.#output, line);
    });
    readLines(this.#child.stderr!, (line) => {
      keep(this.#errors, line);
      onLine?.(line);
    });
    const kill = (): void => void this.#child.kill('SIGTERM');
    signal?.addEventListener('abort', kill, { once: true });
    if (signal?.aborted) kill();
    this.end = this.#ended().finally(() => {
      signal?.removeEventListener('abort', kill);
      this.#first.resolve(undefined);
    });
  }

  #ended(): Promise<CommandEnd> {
    const { promise, resolve } = Promise.withResolvers<CommandEnd>();
    const tell = (status: number | undefined): void =>
      resolve({ status, output: this.#output, errors: this.#errors.slice() });
    this.#child.once('error', (error) => {
      keep(this.#errors, error.message);
      tell(undefined);
    });
    this.#child.once('close', (status) => tell(status ?? undefined));
    return promise;
  }

  /** The first line of its standard output; undefined when it ends without one. */
  firstLine(): Promise<string | undefined> {
    return this.#first.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin!.end();
    const kill = setTimeout(() => this.#child.kill('SIGTERM'), patience);
    await this.end;
    clearTimeout(kill);
  }
}

function keep(lines: string[], line: string): void {
  lines.push(line);
  if (lines.length > keptLines) lines.shift();
}

function readLines(stream: NodeJS.ReadableStream, onLine: (line: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (text: string) => {
    const parts = plainText(rest + text).split('\n');
    rest = parts.pop()!.slice(-65_536);
    for (const part of parts) if (part.trim() !== '') onLine(part.trimEnd());
  });
  stream.on('end', () => {
    if (rest.trim() !== '') onLine(rest.trimEnd());
  });
  stream.on('error', () => {});
}
