// The system's ssh, with the user's configuration, agent and jump hosts. Connections to one host are shared for a minute,
// so that a second session costs no login.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ByteSource } from '../bytes/source.ts';
import { NarrowError } from '../errors.ts';
import type { Duplex } from '../protocol/duplex.ts';
import { remoteError } from '../protocol/remote-error.ts';
import type { ChildEnd, ChildOptions } from './child.ts';
import { runChild, startChild } from './child.ts';
import type { CommandOptions } from './command.ts';
import { Command } from './command.ts';
import type { SshHost } from './ssh-words.ts';
import { parseSshHost, quoteWord, splitWords } from './ssh-words.ts';

export interface SshOptions {
  /** What the store is called in errors. */
  readonly name: string;
  /** `[user@]host[:port]`. */
  readonly place: string;
  /** `ssh-key`, `base64-ssh-public-host-key`, `compress`. */
  readonly params: URLSearchParams;
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** What ssh and the other side say on standard error. */
  readonly onLine?: ((line: string) => void) | undefined;
  /** Called when ssh may ask something on the terminal, with what settles when it has done. */
  readonly onLogin?: ((until: Promise<unknown>) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Lend the host this user's agent, over a connection that nobody shares. */
  readonly forwardAgent?: boolean | undefined;
  /** The name `localhost` is a host like any other. */
  readonly alwaysSsh?: boolean | undefined;
}

/** Where a host is, after ssh's configuration. */
export interface ResolvedHost {
  readonly user: string | undefined;
  readonly host: string | undefined;
  readonly port: string | undefined;
}

/** How long an unused connection is kept, in seconds. */
const persist = 60;
/** The longest name of a socket, less what ssh appends while it makes it. */
const longestSocket = 107 - 17;

/** One host, to start programs on. */
export class SshHostConnection implements Disposable {
  readonly host: SshHost;
  /** Further sessions cost no login. */
  readonly shared: boolean;
  readonly #options: SshOptions;
  readonly #args: readonly string[];
  readonly #direct: boolean;
  readonly #established: PromiseWithResolvers<void> = Promise.withResolvers();
  #loggedIn = false;
  /** Ends what runs beside other sessions. */
  readonly #closing = new AbortController();
  #keyDir: string | undefined;
  #lending: SshHostConnection | undefined;

  /** Throws `usage`, `refused` for what is no host. Nothing is connected yet. */
  constructor(options: SshOptions) {
    this.#options = options;
    this.host = parseSshHost(options.place);
    // as Nix has it: no ssh for this very name
    this.#direct = options.place === 'localhost' && options.alwaysSsh !== true;
    const args = this.#direct ? [] : this.#arguments();
    const control = this.#direct ? undefined : this.#control(args);
    this.shared = this.#direct || control !== undefined;
    this.#args = [...(control ?? []), ...args];
  }

  get #env(): NodeJS.ProcessEnv {
    return this.#options.env ?? process.env;
  }

  /** A connection that others share would have the agent for all of them. */
  #control(args: readonly string[]): string[] | undefined {
    if (this.#options.forwardAgent) return ['-oControlMaster=no', '-oControlPath=none'];
    return controlArguments(args, this.host, this.#env);
  }

  #arguments(): string[] {
    const { params, forwardAgent } = this.#options;
    const args = ['-x', forwardAgent ? '-A' : '-a', '-T', '-oPermitLocalCommand=no', '-oRemoteCommand=none'];
    const key = params.get('ssh-key');
    if (key) args.push('-i', key);
    const hostKey = params.get('base64-ssh-public-host-key');
    if (hostKey) args.push(...this.#pinned(hostKey));
    if (['true', '1', 'yes'].includes(params.get('compress') ?? '')) args.push('-C');
    if (this.host.port !== undefined) args.push('-p', this.host.port);
    return [...args, ...splitWords(this.#env['NIX_SSHOPTS'] ?? '', 'NIX_SSHOPTS')];
  }

  /** A file of known hosts with just this key. */
  #pinned(encoded: string): string[] {
    const key = Buffer.from(encoded, 'base64').toString('utf8').trim();
    if (!/^[a-z0-9@.-]+ [A-Za-z0-9+/=]+( .*)?$/.test(key)) {
      throw new NarrowError(
        'usage',
        'base64-ssh-public-host-key holds no public key: expected the base64 of a line like `ssh-ed25519 AAAA…`',
      );
    }
    this.#keyDir = mkdtempSync(join(tmpdir(), 'narrow-host-key-'));
    const file = join(this.#keyDir, 'known_hosts');
    const { host, port } = this.host;
    writeFileSync(file, `${host} ${key}\n[${host}]:${port ?? '22'} ${key}\n`, { mode: 0o600 });
    return [`-oUserKnownHostsFile=${file}`, '-oStrictHostKeyChecking=yes'];
  }

  /** The same host, which is lent this user's agent. */
  withAgent(): SshHostConnection {
    return (this.#lending ??= new SshHostConnection({ ...this.#options, forwardAgent: true }));
  }

  /** This machine itself: no ssh is needed. */
  get here(): boolean {
    return this.#direct;
  }

  /** Where the user's configuration leads. */
  resolve(): ResolvedHost {
    const said = this.#direct ? '' : configurationOf(this.#args, this.host, this.#env);
    const value = (key: string): string | undefined => new RegExp(`^${key} (.+)$`, 'im').exec(said)?.[1];
    return { user: value('user'), host: value('hostname'), port: value('port') };
  }

  /** The command line here that runs words there. */
  commandLine(words: readonly string[]): string[] {
    const command = words.map(quoteWord).join(' ');
    return this.#direct ? [...words] : ['ssh', ...this.#args, '--', this.host.destination, command];
  }

  /** Starts a program there whose output is read by lines; it should begin with one, which tells that the login is over. */
  command(words: readonly string[], options?: CommandOptions): Command {
    const command = new Command(this.commandLine(words), options);
    this.#tellLogin(command.firstLine());
    return command;
  }

  /** Starts a program there; its input and output are the connection. `program`: what is missing when a shell says so. */
  start(words: readonly string[], program: string = words[0]!): Duplex {
    return this.#start(this.#child(words, program));
  }

  /** Starts what sshd there has under a name of its own: `sftp`. */
  startSubsystem(name: string): Duplex {
    const argv = ['ssh', ...this.#args, '-s', '--', this.host.destination, name];
    return this.#start({ ...this.#child([name]), argv });
  }

  #start(child: ChildOptions): Duplex {
    const duplex = startChild(child);
    const login = Promise.withResolvers<void>();
    this.#tellLogin(login.promise);
    return { ...duplex, input: this.#noticed(duplex.input, login) };
  }

  async *#noticed(input: ByteSource, login: PromiseWithResolvers<void>): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for await (const chunk of input) {
        login.resolve();
        this.#loggedIn = true;
        this.#established.resolve();
        yield chunk;
      }
    } finally {
      login.resolve();
    }
  }

  /** Where a login is ahead, ssh may ask for a password, a passphrase, or whether a key is right. */
  #tellLogin(until: Promise<unknown>): void {
    if (!this.#direct && !(this.shared && this.#loggedIn)) this.#options.onLogin?.(until);
  }

  /** Runs a program there to its end, in the home of its user; what it printed. Throws when it cannot be run, or fails. */
  run(words: readonly string[]): Promise<string> {
    const running = runChild(this.#child(words));
    this.#tellLogin(running);
    return running;
  }

  /** The same beside other sessions, as soon as it costs no login; nobody hears what it says on standard error. */
  async runBeside(words: readonly string[]): Promise<string> {
    if (!this.shared) throw new NarrowError('unsupported', `connections to ${this.host.host} are not shared`);
    if (!this.#direct) await Promise.race([this.#established.promise, this.#master()]);
    return runChild(this.#aside(this.#child(words)));
  }

  /** Resolves when there is a connection to share already, which may be another process's. */
  async #master(): Promise<void> {
    const argv = ['ssh', ...this.#args, '-O', 'check', '--', this.host.destination];
    await runChild(this.#aside({ ...this.#child([]), argv })).catch(() => this.#established.promise);
  }

  #aside(options: ChildOptions): ChildOptions {
    const closing = this.#closing.signal;
    const signal = options.signal ? AbortSignal.any([options.signal, closing]) : closing;
    return { ...options, onLine: undefined, signal };
  }

  #child(words: readonly string[], program: string = words[0] ?? ''): ChildOptions {
    const { name, onLine, signal, env } = this.#options;
    return {
      argv: this.commandLine(words),
      name,
      env,
      signal,
      onLine: (line) => {
        if (!isNoise(line)) onLine?.(line);
      },
      explain: (end) => this.#explain(end, program),
    };
  }

  #explain({ status, signal, stderr }: ChildEnd, program: string): Error {
    const { name } = this.#options;
    const { host } = this.host;
    const lines = stderr.split('\n').filter((line) => line !== '' && !isNoise(line));
    const data = { host, status, stderr: lines.join('\n') };
    if (lines.some((line) => /subsystem request failed/i.test(line))) return absentSubsystem(host, program, data);
    if (status === 255 || status === undefined) {
      return connectionError(name, host, lines, { ...data, connection: true, ...(signal && { signal }) });
    }
    if (
      status === 127 ||
      /(command not found|unknown command|not found|no such file or directory)\b/i.test(lines.at(-1) ?? '')
    ) {
      const program_ = program.split('/').at(-1)!;
      if (status === 127 || lines.at(-1)!.includes(program_))
        return absentProgram(host, program, { ...data, connection: true });
    }
    if (lines.length === 0) {
      return new NarrowError(
        'unavailable',
        `${name}: ${program} there ended with status ${status} and without a word`,
        { data },
      );
    }
    return remoteError(name, lastError(lines), data);
  }

  [Symbol.dispose](): void {
    this.#closing.abort();
    this.#lending?.[Symbol.dispose]();
    if (this.#keyDir !== undefined) rmSync(this.#keyDir, { recursive: true, force: true });
  }
}

/** What ssh says of sharing connections is nobody's concern: it goes on without. */
function isNoise(line: string): boolean {
  return /^(ControlSocket .* already exists|mux_client|Warning: Permanently added|Shared connection to|Connection to .* closed)/i.test(
    line,
  );
}

/** Errors of Nix begin with a word; what follows it belongs to it. */
function lastError(lines: readonly string[]): string {
  const at = lines.findLastIndex((line) => /^(error|fatal):/.test(line));
  return lines.slice(Math.max(at, 0)).join('\n');
}

function connectionError(
  name: string,
  host: string,
  lines: readonly string[],
  data: Record<string, unknown>,
): NarrowError {
  const text = lines.join('\n');
  if (/REMOTE HOST IDENTIFICATION HAS CHANGED|Host key for .* has changed/i.test(text)) {
    return new NarrowError(
      'refused',
      `the host key of ${host} has changed: it is another machine, or somebody stands between`,
      {
        data,
        hint: `if the machine was installed anew: ssh-keygen -R ${host}`,
      },
    );
  }
  if (/Host key verification failed/i.test(text)) {
    return new NarrowError('refused', `the host key of ${host} is not known`, {
      data,
      hint: `connect once by hand: ssh ${host}`,
    });
  }
  const denied = lines.findLast((line) => /Permission denied|Too many authentication failures/i.test(line));
  if (denied !== undefined) {
    return new NarrowError('refused', `cannot log in to ${host}: ${denied}`, {
      data,
      hint: `try it by hand: ssh ${host}`,
    });
  }
  const why = lines.at(-1)?.replace(/^ssh: /, '') ?? 'the connection was cut';
  return new NarrowError('unavailable', `the ssh connection to ${host} failed: ${why}`, {
    data,
    hint: `what arrived whole is kept; once \`ssh ${host}\` works, run ${/^s(sh|ftp)/.test(name) ? 'the same command' : 'it'} again`,
  });
}

function absentSubsystem(host: string, name: string, data: Record<string, unknown>): NarrowError {
  return new NarrowError('unsupported', `sshd on ${host} does not offer ${name} to this user`, {
    data: { ...data, connection: true },
    hint: `in sshd_config there: Subsystem ${name} internal-${name}`,
  });
}

function absentProgram(host: string, program: string, data: Record<string, unknown>): NarrowError {
  return new NarrowError(
    'unsupported',
    `there is no ${program} on ${host}, or it is not in the PATH of shells that are not interactive`,
    {
      data,
      hint: `install Nix there, or say where it is: ?remote-program=/path/to/${program}`,
    },
  );
}

/** The options that share a connection; undefined where the user's own are in use, or no safe place for the socket is. */
function controlArguments(args: readonly string[], host: SshHost, env: NodeJS.ProcessEnv): string[] | undefined {
  const { destination } = host;
  if (args.some((arg) => /^-S|ControlPath|ControlMaster/i.test(arg))) return undefined;
  if (/^controlpath (?!none$)/im.test(configurationOf(args, host, env))) return undefined;
  const dir = socketDirectory(env);
  if (dir === undefined) return undefined;
  const name = createHash('sha256')
    .update([destination, ...args].join('\0'))
    .digest('hex')
    .slice(0, 20);
  const socket = join(dir, name);
  if (Buffer.byteLength(socket) > longestSocket) return undefined;
  // a percent sign would begin a token of ssh's
  return ['-oControlMaster=auto', `-oControlPersist=${persist}`, `-oControlPath=${socket.replaceAll('%', '%%')}`];
}

/** What ssh makes of its configuration for a host, a line a setting; empty when it cannot tell. */
function configurationOf(args: readonly string[], { destination }: SshHost, env: NodeJS.ProcessEnv): string {
  const asked = spawnSync('ssh', ['-G', ...args, '--', destination], {
    env,
    encoding: 'utf8',
    timeout: 10_000,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return asked.stdout ?? '';
}

/** A directory only this user can enter: whoever reaches the socket has the connection. */
function socketDirectory(env: NodeJS.ProcessEnv): string | undefined {
  const runtime = env['XDG_RUNTIME_DIR'];
  const state = env['XDG_STATE_HOME'] || join(env['HOME'] || homedir(), '.local/state');
  for (const dir of [runtime && join(runtime, 'narrow'), join(state, 'narrow/ssh')]) {
    if (dir && makePrivate(dir)) return dir;
  }
  return undefined;
}

function makePrivate(dir: string): boolean {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const stat = lstatSync(dir);
    if (!stat.isDirectory() || stat.uid !== process.getuid?.()) return false;
    if ((stat.mode & 0o077) !== 0) chmodSync(dir, 0o700);
    return true;
  } catch {
    return false;
  }
}
