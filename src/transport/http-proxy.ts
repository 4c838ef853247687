// Which proxy a URL goes through: http_proxy, https_proxy, all_proxy and no_proxy, as libcurl reads them.

import { NarrowError } from '../errors.ts';

export type Env = Readonly<Record<string, string | undefined>>;

/** The proxy for `url`, or undefined to connect directly. Throws `unsupported` for other than http(s) proxies. */
export function proxyFor(url: URL, env: Env): URL | undefined {
  const scheme = url.protocol.slice(0, -1);
  // HTTP_PROXY in capitals is ignored: a CGI script gets it from the request header Proxy:
  const named = env[`${scheme}_proxy`] || (scheme === 'https' ? env['HTTPS_PROXY'] : undefined);
  const text = named || env['all_proxy'] || env['ALL_PROXY'];
  if (!text || bypasses(url, env['no_proxy'] || env['NO_PROXY'] || '')) return undefined;
  const full = /^[a-z0-9+.-]+:\/\//i.test(text) ? text : `http://${text}`;
  if (!URL.canParse(full)) throw new NarrowError('usage', `bad proxy '${withoutSecrets(text)}' in the environment`);
  const proxy = new URL(full);
  if (proxy.protocol === 'http:' || proxy.protocol === 'https:') return proxy;
  throw new NarrowError('unsupported', `the proxy ${withoutSecrets(full)} is not an http proxy`, {
    hint: 'unset it, or name this host in no_proxy',
  });
}

function withoutSecrets(text: string): string {
  return text.replace(/\/\/[^/@]*@/, '//');
}

/** no_proxy: host names (with their subdomains), addresses, networks in CIDR form, or `*`; separated by commas or spaces. */
function bypasses(url: URL, list: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((rule) => rule !== '')
    .some((rule) => rule === '*' || matches(host, port, rule));
}

function matches(host: string, port: string, rule: string): boolean {
  const network = /^([0-9.]+)\/([0-9]{1,2})$/.exec(rule);
  if (network) return inNetwork(host, network[1]!, Number(network[2]));
  const withPort = /^(.*[^:]):([0-9]+)$/.exec(rule);
  const name = (withPort && !withPort[1]!.includes(':') ? withPort[1]! : rule)
    .replace(/^\*?\./, '')
    .replace(/^\[|\]$/g, '');
  if (withPort && name === withPort[1] && withPort[2] !== port) return false;
  return host === name || host.endsWith(`.${name}`);
}

function inNetwork(host: string, base: string, bits: number): boolean {
  const [a, b] = [ipv4(host), ipv4(base)];
  if (a === undefined || b === undefined || bits > 32) return false;
  const shift = 2 ** (32 - bits);
  return Math.floor(a / shift) === Math.floor(b / shift);
}

function ipv4(text: string): number | undefined {
  const parts = text.split('.').map(Number);
  if (parts.length !== 4 || parts.some((part) => !(part >= 0 && part <= 255))) return undefined;
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}
