// Several hosts on one machine, made by the test itself: each has network, process, mount and name spaces of its own, its own
// /nix, /etc, /root, /home and /run, a real sshd with its default limits, and any Nix. A switch joins them. Nothing of it is
// visible outside, and all of it ends when the test's process ends, however it ends: every first process of a host waits
// for the end of its standard input.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { appendFileSync, chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Interface } from 'node:readline';
import { baseConf, nix } from './nix.ts';
import { run } from './run.ts';
import type { RunOptions, RunResult } from './run.ts';
import type { RelayOptions, RelayStats } from './relay.ts';
import { remove, tempDir } from './temp.ts';

export interface UserOptions {
  readonly name: string;
  /** In the daemon's trusted-users. */
  readonly trusted?: boolean | undefined;
  readonly shell?: string | undefined;
}

export interface HostOptions {
  /** The Nix at /usr/bin/nix and its other names; `none`: a machine without Nix. Default 2.8. */
  readonly nix?: '2.8' | '2.26' | 'current' | 'none' | undefined;
  /** A nix-daemon runs. */
  readonly daemon?: boolean | undefined;
  /** /nix/store is mounted read-only, as on NixOS; the daemon makes it writable for itself. */
  readonly readOnlyStore?: boolean | undefined;
  /** Signatures are checked, against these public keys; without it nothing is. */
  readonly trustedKeys?: readonly string[] | undefined;
  /** More lines of nix.conf. */
  readonly conf?: string | undefined;
  readonly users?: readonly UserOptions[] | undefined;
  /** Root's login shell; default /bin/bash. */
  readonly shell?: string | undefined;
  /** Root's .bashrc, which bash reads for each ssh command too. */
  readonly bashrc?: string | undefined;
  /** More lines of sshd_config. */
  readonly sshd?: string | undefined;
  /** Of its link, both ways, as tc writes it: `8mbit`. Default unlimited. */
  readonly rate?: string | undefined;
}

export interface ExecOptions extends RunOptions {
  /** Default root. */
  readonly user?: string | undefined;
}

export interface LinkBytes {
  readonly in: number;
  readonly out: number;
}

/** A relay that runs on a host. */
export interface HostRelay extends AsyncDisposable {
  /** On the host's 127.0.0.1. */
  readonly port: number;
  stats(): Promise<RelayStats>;
  cut(): Promise<RelayStats>;
}

interface Host {
  readonly name: string;
  readonly address: string;
  readonly options: HostOptions;
  /** Holds nix, etc, root and home. */
  readonly dir: string;
  readonly process: Namespace;
}

/** Mounts a host's own directories. Its pid namespace ends with this script, and with it all that runs in it. */
const init = `
d=$1
mount --bind "$d/nix" /nix
mount --bind "$d/etc" /etc
mount --bind "$d/root" /root
mount --bind "$d/home" /home
mount -t tmpfs -o mode=755 lab /run
mkdir -p /run/sshd
mount --bind "$2" /usr/bin/nix
if [ "$3" = ro ]; then
  mount --bind /nix/store /nix/store
  mount -o remount,ro,bind /nix/store
fi
hostname "$4"
ip link set lo up
`;

/** First process of a set of namespaces. */
class Namespace {
  readonly pid: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, pid: number) {
    this.#child = child;
    this.pid = pid;
  }

  /** Starts `script` in new namespaces and waits until it is through; it then lives until {@link end}. */
  static async start(flags: readonly string[], script: string, args: readonly string[]): Promise<Namespace> {
    const whole = `set -e\n${script}\necho ready\ncat > /dev/null`;
    const child = spawn('unshare', [...flags, 'sh', '-c', whole, 'lab', ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    let errors = '';
    child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
    child.stdin.on('error', () => {});
    await Promise.race([once(child.stdout, 'data'), once(child, 'close')]);
    const outer = child.pid ?? 0;
    if (child.exitCode !== null) throw new Error(`no namespaces (the laboratory needs root): ${errors}`);
    const children = readFileSync(`/proc/${outer}/task/${outer}/children`, 'utf8').split(' ');
    // with --fork the first process of the pid namespace is a child of unshare's
    return new Namespace(child, flags.includes('--fork') ? Number(children[0]) : outer);
  }

  enter(...namespaces: string[]): string[] {
    return ['nsenter', '--target', String(this.pid), ...namespaces, '--'];
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = once(this.#child, 'close');
    this.#child.stdin?.end();
    await closed;
  }
}

function nixConf(options: HostOptions): string {
  const keys = options.trustedKeys;
  const trusted = (options.users ?? []).filter((user) => user.trusted === true).map((user) => user.name);
  const signatures = keys === undefined ? 'require-sigs = false' : `trusted-public-keys = ${keys.join(' ')}`;
  return `${baseConf}${signatures}\ntrusted-users = root ${trusted.join(' ')}\n${options.conf ?? ''}\n`;
}

/** The programs of no Nix at all: what a shell says of a command that is not there. */
function absentNix(dir: string): string {
  const file = join(dir, 'absent');
  writeFileSync(file, '#!/bin/sh\necho "${0##*/}: command not found" >&2\nexit 127\n', { mode: 0o755 });
  return file;
}

const sshdConfig = (address: string, more: string): string => `ListenAddress ${address}
HostKey /etc/ssh/lab_host_key
AuthorizedKeysFile /etc/ssh/lab_authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
StrictModes no
UsePAM no
UseDNS no
PidFile /run/sshd.pid
Subsystem sftp internal-sftp
${more}
`;

/** The hosts of one test; see {@link startHosts}. */
export class Hosts implements AsyncDisposable {
  readonly #dir = tempDir('hosts');
  readonly #hosts = new Map<string, Host>();
  #switch: Namespace | undefined;

  /** A host's root directory on this machine: `local?root=…` of its store. */
  root(host: string): string {
    return this.#host(host).dir;
  }

  address(host: string): string {
    return this.#host(host).address;
  }

  /** The command that runs `argv` on a host, for whoever wants to spawn it. Its end does not end what it started. */
  command(host: string, argv: readonly string[], user = 'root'): string[] {
    const home = user === 'root' ? '/root' : `/home/${user}`;
    const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
    const env = ['env', '-i', `PATH=${path}`, `HOME=${home}`, `USER=${user}`, 'LC_ALL=C.UTF-8'];
    const as = user === 'root' ? [] : ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups'];
    return [...this.#host(host).process.enter('-m', '-n', '-u', '-p', '--wd=/'), ...as, ...env, ...argv];
  }

  /** Runs a command on a host, to its end. `env` is added to a small environment of the host's. */
  exec(host: string, argv: readonly string[], options: ExecOptions = {}): Promise<RunResult> {
    const extra = Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`);
    const words = extra.length === 0 ? argv : ['env', ...extra, ...argv];
    return run(this.command(host, words, options.user), { ...options, env: undefined });
  }

  /** Bytes over each host's link so far, with all headers. */
  async bytes(host: string): Promise<LinkBytes> {
    const argv = ['ip', '-j', '-s', 'link', 'show', 'dev', port(this.#host(host).name)];
    const [link] = JSON.parse((await this.#onSwitch(argv)).stdout) as { stats64: { rx: LinkCount; tx: LinkCount } }[];
    if (link === undefined) throw new Error(`no link of ${host}`);
    return { in: link.stats64.tx.bytes, out: link.stats64.rx.bytes };
  }

  /** Changes the rate of a host's link, both ways. */
  async setRate(host: string, rate: string): Promise<void> {
    const { process, name } = this.#host(host);
    await shape(process, 'eth0', rate);
    await shape(this.#switch as Namespace, port(name), rate);
  }

  /** Puts the closures of paths from a store of this machine into a host's, not over the net, signatures and all. */
  async seed(host: string, root: string, paths: readonly string[]): Promise<void> {
    const to = this.root(host);
    await nix('2.8').run('nix', ['copy', '--no-check-sigs', '--from', root, '--to', to, ...paths]);
  }

  /** A relay on `host` to another host's sshd (or `to`); the kernel here may have no netem, so that delay is made so. */
  async relay(host: string, options: RelayOptions): Promise<HostRelay> {
    const script = join(import.meta.dirname, 'relay.ts');
    const argv = this.command(host, [
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      script,
      JSON.stringify(options),
    ]);
    const child = spawn(argv[0] as string, argv.slice(1), { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: child.stdout });
    const port = Number(await nextLine(lines));
    const ask = async (what: string): Promise<RelayStats> => {
      child.stdin.write(`${what}\n`);
      return JSON.parse(await nextLine(lines)) as RelayStats;
    };
    const dispose = async (): Promise<void> => {
      child.stdin.end();
      if (child.exitCode === null) await once(child, 'close');
    };
    return { port, stats: () => ask('stats'), cut: () => ask('cut'), [Symbol.asyncDispose]: dispose };
  }

  /** Used by {@link startHosts}. */
  async start(wanted: Readonly<Record<string, HostOptions>>): Promise<void> {
    const names = Object.keys(wanted);
    const plan = names.map((name, i) => ({ name, address: `10.77.0.${10 + i}`, options: wanted[name] as HostOptions }));
    this.#switch = await Namespace.start(['--net'], 'ip link add br0 type bridge\nip link set br0 up', []);
    const key = join(this.#dir, 'key');
    await run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', 'lab', '-f', key]);
    await Promise.all(plan.map(({ name }) => this.#files(name, wanted[name] as HostOptions)));
    const known = plan.map(({ name, address }) => {
      const hostKey = readFileSync(join(this.#dir, name, 'etc/ssh/lab_host_key.pub'), 'utf8');
      return `${name},${address} ${hostKey.split(' ').slice(0, 2).join(' ')}\n`;
    });
    const addresses = plan.map(({ name, address }) => `${address} ${name}\n`);
    for (const host of plan) {
      writeFileSync(join(this.#dir, host.name, 'etc/hosts'), ['127.0.0.1 localhost\n', ...addresses].join(''));
      writeFileSync(join(this.#dir, host.name, 'etc/ssh/ssh_known_hosts'), known.join(''));
      writeFileSync(
        join(this.#dir, host.name, 'etc/ssh/sshd_config'),
        sshdConfig(host.address, host.options.sshd ?? ''),
      );
    }
    for (const host of plan) await this.#boot(host);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#hosts.values()].map((host) => host.process.end()));
    this.#hosts.clear();
    await this.#switch?.end();
    remove(this.#dir);
  }

  /** What a host finds on its disk. */
  async #files(name: string, options: HostOptions): Promise<void> {
    const dir = join(this.#dir, name);
    for (const sub of ['nix/store', 'nix/var/nix', 'root', 'home']) mkdirSync(join(dir, sub), { recursive: true });
    cpSync('/etc', join(dir, 'etc'), { recursive: true, verbatimSymlinks: true });
    const etc = (file: string): string => join(dir, 'etc', file);
    mkdirSync(etc('nix'), { recursive: true });
    writeFileSync(etc('nix/nix.conf'), nixConf(options));
    const passwd = readFileSync('/etc/passwd', 'utf8').replace(
      /^(root:.*):[^:]*$/m,
      `$1:${options.shell ?? '/bin/bash'}`,
    );
    writeFileSync(etc('passwd'), passwd);
    this.#home(join(dir, 'root'));
    writeFileSync(join(dir, 'root/.bashrc'), options.bashrc ?? '');
    for (const [i, user] of (options.users ?? []).entries()) {
      const id = 2001 + i;
      appendFileSync(etc('passwd'), `${user.name}:x:${id}:${id}::/home/${user.name}:${user.shell ?? '/bin/bash'}\n`);
      appendFileSync(etc('group'), `${user.name}:x:${id}:\n`);
      appendFileSync(etc('shadow'), `${user.name}:*:20000:0:99999:7:::\n`);
      this.#home(join(dir, 'home', user.name));
      await run(['chown', '-R', `${id}:${id}`, join(dir, 'home', user.name)]);
    }
    cpSync(join(this.#dir, 'key.pub'), etc('ssh/lab_authorized_keys'));
    await run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', etc('ssh/lab_host_key')]);
  }

  /** A home whose owner may ssh to everybody: one key for all. */
  #home(home: string): void {
    mkdirSync(join(home, '.ssh'), { recursive: true, mode: 0o700 });
    cpSync(join(this.#dir, 'key'), join(home, '.ssh/id_ed25519'));
    chmodSync(join(home, '.ssh/id_ed25519'), 0o600);
  }

  async #boot({ name, address, options }: { name: string; address: string; options: HostOptions }): Promise<void> {
    const dir = join(this.#dir, name);
    const version = options.nix ?? '2.8';
    const program = version === 'none' ? absentNix(dir) : join(nix(version).bin, 'nix');
    const flags = [
      '--mount',
      '--propagation=private',
      '--net',
      '--uts',
      '--pid',
      '--fork',
      '--mount-proc',
      '--kill-child',
    ];
    const readOnly = options.readOnlyStore === true ? 'ro' : 'rw';
    const process = await Namespace.start(flags, init, [dir, program, readOnly, name]);
    this.#hosts.set(name, { name, address, options, dir, process });
    await this.#plug(name, address);
    if (options.rate !== undefined) await this.setRate(name, options.rate);
    await this.exec(name, ['/usr/sbin/sshd', '-E', '/run/sshd.log']);
    if (version !== 'none') await nix('2.8').store(dir, '--init');
    if (options.daemon === true) {
      await this.exec(name, ['sh', '-c', 'exec setsid nix-daemon < /dev/null > /run/nix-daemon.log 2>&1 &']);
    }
    // a socket is there before anybody listens on it
    const daemon = options.daemon === true ? 'ss -Hlxn | grep -q daemon-socket/socket && ' : '';
    const sockets = `${daemon}ss -Hltn sport = :22 | grep -q .`;
    const wait = `for i in $(seq 200); do if ${sockets}; then exit 0; fi; sleep 0.02; done; cat /run/*.log >&2; exit 1`;
    await this.exec(name, ['sh', '-c', wait]);
  }

  /** A cable from the host's eth0 to the switch. */
  async #plug(name: string, address: string): Promise<void> {
    const { process } = this.#host(name);
    const cable = `ip link add ${port(name)} type veth peer name eth0 netns ${process.pid}; ip link set ${port(name)} master br0 up`;
    await this.#onSwitch(['sh', '-ec', cable]);
    await this.exec(name, ['sh', '-ec', `ip addr add ${address}/24 dev eth0; ip link set eth0 up`]);
  }

  #onSwitch(argv: readonly string[]): Promise<RunResult> {
    return run([...(this.#switch as Namespace).enter('-n'), ...argv]);
  }

  #host(name: string): Host {
    const host = this.#hosts.get(name);
    if (host === undefined) throw new Error(`no host ${name}; there are ${[...this.#hosts.keys()].join(', ')}`);
    return host;
  }
}

interface LinkCount {
  readonly bytes: number;
}

/** The switch's end of a cable; the names of network devices have 15 letters at most. */
const port = (host: string): string => `p-${host}`.slice(0, 15);

async function nextLine(lines: Interface): Promise<string> {
  const [line] = (await once(lines, 'line')) as [string];
  return line;
}

/** A queue of at most 200 ms, and no packets larger than the wire's. */
async function shape(where: Namespace, device: string, rate: string): Promise<void> {
  const match = /^(\d+)([kmg])bit$/.exec(rate);
  if (match === null) throw new Error(`expected a rate like 8mbit, got ${rate}`);
  const kilobits = Number(match[1]) * { k: 1, m: 1000, g: 1_000_000 }[match[2] as 'k' | 'm' | 'g'];
  const burst = Math.max(6000, Math.round((kilobits / 8) * 4));
  const tbf = `tc qdisc replace dev ${device} root tbf rate ${rate} burst ${burst} latency 200ms`;
  await run([...where.enter('-n'), 'sh', '-ec', `ip link set dev ${device} gso_max_segs 1; ${tbf}`]);
}

/**
 * Starts hosts, about 0.3 s each; root of each may ssh to each (`ssh pi1`, with known keys), and so may users.
 *
 *     await using lab = await startHosts({ work: {}, pi1: { nix: '2.26', daemon: true, readOnlyStore: true } });
 *     await lab.exec('work', ['ssh', 'pi1', 'nix-store', '--version']);
 */
export async function startHosts(wanted: Readonly<Record<string, HostOptions>>): Promise<Hosts> {
  const hosts = new Hosts();
  try {
    await hosts.start(wanted);
    return hosts;
  } catch (error) {
    await hosts[Symbol.asyncDispose]();
    throw error;
  }
}
