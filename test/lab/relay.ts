// A TCP relay that makes a link long and narrow: it delays, limits the rate, counts bytes and turns, and cuts. In a test's
// own process, or as a program (`node relay.ts JSON`) on a host of the laboratory.
import { createServer, Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';

export interface RelayOptions {
  /** Where to: `host:port`, or the path of a Unix socket. */
  readonly to: string;
  readonly listen?: { readonly host?: string; readonly port?: number } | undefined;
  /** One way, in milliseconds; a new connection costs one round trip more, as its handshake does. Default 0. */
  readonly delay?: number | undefined;
  /** Bytes a second in each direction, shared by all connections; default unlimited. */
  readonly rate?: number | undefined;
  /** Resets a connection once so many bytes have gone to the server, or to the client. */
  readonly cutAfter?: { readonly toServer?: number; readonly toClient?: number } | undefined;
  /** Only the first so many connections are cut; default all. */
  readonly cuts?: number | undefined;
}

export interface RelayStats {
  connections: number;
  toServer: number;
  toClient: number;
  /** Changes of direction after which the line had been quiet for at least the one-way delay: two for each round trip waited for. */
  turns: number;
  /** Connections that were cut. */
  cut: number;
}

type Direction = 'toServer' | 'toClient';

/** What one direction of one connection holds back at most: what the line holds, so that senders are slowed as by TCP. */
const piece = 16384;

export class Relay implements AsyncDisposable {
  readonly stats: RelayStats = { connections: 0, toServer: 0, toClient: 0, turns: 0, cut: 0 };
  #options: RelayOptions;
  #server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client));
  #sockets = new Set<Socket>();
  /** When the last byte sent has left the sender's end of the line. */
  #free = { toServer: 0, toClient: 0 };

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async start(): Promise<this> {
    const { host = '127.0.0.1', port = 0 } = this.#options.listen ?? {};
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject).listen(port, host, resolve);
    });
    return this;
  }

  /** Resets every open connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(client: Socket): void {
    this.stats.connections++;
    const delay = this.#options.delay ?? 0;
    const server = new Socket({ allowHalfOpen: true });
    server.setNoDelay(true);
    const line = new Line(this.#options.delay ?? 0, this.stats);
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    }
    client.on('error', () => server.destroy());
    server.on('error', () => setTimeout(() => client.destroy(), delay));
    // SYN, SYN-ACK and ACK take three ways; then the server has a connection
    const established = performance.now() + 3 * delay;
    const [host, port] = this.#options.to.split(/:(?=\d+$)/);
    const connect = (): void => {
      if (client.destroyed) return;
      if (port === undefined) server.connect(host ?? '');
      else server.connect(Number(port), host ?? '');
    };
    const queue = new DueQueue();
    // in the queue itself: by a timer beside it the first data could come before the connection, and end it
    queue.add(established, connect);
    this.#pipe(client, server, 'toServer', line, queue, established);
    this.#pipe(server, client, 'toClient', line, new DueQueue(), 0);
  }

  /** What `from` sends reaches `to` a delay later, in order, no faster than the rate. */
  #pipe(from: Socket, to: Socket, direction: Direction, line: Line, queue: DueQueue, notBefore: number): void {
    const { delay = 0, rate = Infinity, cutAfter, cuts = Infinity } = this.#options;
    const limit = this.stats.connections <= cuts ? (cutAfter?.[direction] ?? Infinity) : Infinity;
    const window = Math.max(262_144, Number.isFinite(rate) ? (4 * rate * delay) / 1000 : 0);
    let pending = 0;
    let last = notBefore;
    let passed = 0;
    const after = (bytes: number, action: () => void): void => {
      const now = performance.now();
      this.#free[direction] = Math.max(now, this.#free[direction]) + (bytes / rate) * 1000;
      last = Math.max(last, this.#free[direction] + delay);
      queue.add(last, action);
    };
    const deliver = (part: Buffer): void => {
      pending -= part.length;
      passed += part.length;
      this.stats[direction] += part.length;
      if (!to.destroyed) to.write(part);
      if (pending < window && to.writableLength < window) from.resume();
      if (passed >= limit && passed - part.length < limit) this.#reset(from, to);
    };
    from.on('data', (data: Buffer) => {
      line.heard(direction);
      for (let i = 0; i < data.length; i += piece) {
        const part = data.subarray(i, i + Math.min(piece, limit - passed - pending));
        if (part.length === 0) break;
        pending += part.length;
        after(part.length, () => deliver(part));
      }
      if (pending >= window) from.pause();
    });
    to.on('drain', () => pending < window && from.resume());
    from.on('end', () => after(0, () => to.destroyed || to.end()));
  }

  #reset(from: Socket, to: Socket): void {
    this.stats.cut++;
    // what was written to the receiver is to arrive before the reset
    setTimeout(() => {
      from.resetAndDestroy();
      to.resetAndDestroy();
    }, 20);
  }
}

/** One connection's turns. */
class Line {
  #quiet: number;
  #stats: RelayStats;
  #last: Direction = 'toServer';
  #at = performance.now();

  constructor(quiet: number, stats: RelayStats) {
    this.#quiet = quiet;
    this.#stats = stats;
  }

  heard(direction: Direction): void {
    const now = performance.now();
    if (direction !== this.#last && now - this.#at >= this.#quiet * 0.9) this.#stats.turns++;
    this.#last = direction;
    this.#at = now;
  }
}

/** Actions in order of their times, by one timer: timers of their own would not keep the order. */
class DueQueue {
  #queue: { due: number; action: () => void }[] = [];
  #timer: NodeJS.Timeout | undefined;

  add(due: number, action: () => void): void {
    this.#queue.push({ due, action });
    if (this.#timer === undefined) this.#timer = setTimeout(this.#run, Math.max(0, due - performance.now()));
  }

  #run = (): void => {
    const now = performance.now();
    this.#timer = undefined;
    while (this.#queue[0] !== undefined && this.#queue[0].due <= now + 0.5) this.#queue.shift()?.action();
    if (this.#queue[0] !== undefined) this.#timer = setTimeout(this.#run, Math.max(0, this.#queue[0].due - now));
  };
}

/** A relay on a free port of the loopback, or where `listen` says. */
export function startRelay(options: RelayOptions): Promise<Relay> {
  return new Relay(options).start();
}

// As a program: prints its port, then the counters for each line read, and ends with its input.
if (import.meta.main) {
  const relay = await startRelay(JSON.parse(process.argv[2] ?? '{}') as RelayOptions);
  console.log(relay.port);
  const input = createInterface({ input: process.stdin });
  for await (const line of input) {
    if (line === 'cut') relay.cut();
    console.log(JSON.stringify(relay.stats));
  }
  process.exit(0);
}
