// Real nginx over a directory, on a free port of the loopback: its own prefix, in the foreground, ended by its pid.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { remove, tempDir } from './temp.ts';

export interface NginxOptions {
  /** Allow PUT (and DELETE), as for `nix copy --to http://`. */
  readonly writable?: boolean | undefined;
  /** More lines of the server block. */
  readonly conf?: string | undefined;
  /** A whole site for this port, in place of the server block. */
  readonly site?: ((port: number) => string) | undefined;
}

export interface Nginx extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** The requests so far: method, path, status, bytes of the body, Range header or `-`. */
  log(): readonly string[];
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const config = (prefix: string, root: string, port: number, options: NginxOptions): string => `
daemon off;
user root;
worker_processes 1;
pid ${prefix}/pid;
error_log ${prefix}/error.log;
events { worker_connections 1024; }
http {
  log_format lab '$request_method $uri $status $body_bytes_sent "$http_range"';
  access_log ${prefix}/access.log lab;
  default_type application/octet-stream;
  types { text/x-nix-narinfo narinfo; application/x-nix-nar nar; }
  sendfile on;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${prefix}/${kind};`).join('\n  ')}
  ${options.site?.(port) ?? server(root, port, options)}
}
`;

const server = (root: string, port: number, options: NginxOptions): string => `server {
    listen 127.0.0.1:${port};
    root ${root};
    ${options.writable === true ? 'dav_methods PUT DELETE; create_full_put_path on; client_max_body_size 0;' : ''}
    ${options.conf ?? ''}
  }`;

const reachable = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });

/** Serves `root` until disposed. */
export async function startNginx(root: string, options: NginxOptions = {}): Promise<Nginx> {
  const prefix = tempDir('nginx');
  mkdirSync(root, { recursive: true });
  const port = await freePort();
  writeFileSync(join(prefix, 'conf'), config(prefix, root, port, options));
  const argv = ['-p', prefix, '-c', join(prefix, 'conf'), '-e', join(prefix, 'error.log')];
  // ends with the test's process, also when that is killed
  const child = spawn('setpriv', ['--pdeathsig', 'TERM', '/usr/sbin/nginx', ...argv], { stdio: 'ignore' });
  const closed = once(child, 'close');
  for (let i = 0; !(await reachable(port)); i++) {
    if (i >= 250 || child.exitCode !== null)
      throw new Error(`nginx: ${readFileSync(join(prefix, 'error.log'), 'utf8')}`);
    await sleep(20);
  }
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    log: () => readFileSync(join(prefix, 'access.log'), 'utf8').trimEnd().split('\n'),
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await closed;
      remove(prefix);
    },
  };
}
