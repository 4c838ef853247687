// Connections: undici's pools, one for direct connections and one for each proxy. Certificates are read when the first
// https URL is asked for.

import { createSecureContext, getCACertificates } from 'node:tls';
import type { SecureContext } from 'node:tls';
import { Agent, ProxyAgent } from 'undici';
import type { Dispatcher } from 'undici';
import { proxyFor } from './http-proxy.ts';
import type { HttpSettings } from './http-settings.ts';

export class HttpPool implements AsyncDisposable {
  readonly #settings: HttpSettings;
  readonly #dispatchers = new Map<string, Dispatcher>();
  #context: SecureContext | undefined;

  constructor(settings: HttpSettings) {
    this.#settings = settings;
  }

  /** What sends a request to `url`: directly or through the proxy that the environment names. */
  dispatcherFor(url: URL): Dispatcher {
    const proxy = proxyFor(url, this.#settings.proxyEnv);
    const key = `${url.protocol} ${proxy?.href ?? ''}`;
    const known = this.#dispatchers.get(key);
    if (known) return known;
    const made = proxy ? this.#proxied(url, proxy) : new Agent(this.#options(url));
    this.#dispatchers.set(key, made);
    return made;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#dispatchers.values()];
    this.#dispatchers.clear();
    await Promise.all(all.map((dispatcher) => dispatcher.destroy()));
  }

  #options(url: URL): Agent.Options {
    const { connections, connectTimeout, stallTimeout } = this.#settings;
    const tls = url.protocol === 'https:' ? { secureContext: this.#secureContext() } : {};
    return {
      connections,
      pipelining: 1,
      headersTimeout: stallTimeout,
      bodyTimeout: stallTimeout,
      connect: { timeout: connectTimeout, ...tls },
    };
  }

  #proxied(url: URL, proxy: URL): Dispatcher {
    const secret = decodeURIComponent(proxy.username) + ':' + decodeURIComponent(proxy.password);
    const token = proxy.username === '' ? {} : { token: `Basic ${Buffer.from(secret).toString('base64')}` };
    const bare = new URL(proxy);
    [bare.username, bare.password] = ['', ''];
    const { connections, connectTimeout, stallTimeout } = this.#settings;
    const tls =
      url.protocol === 'https:' || proxy.protocol === 'https:' ? { secureContext: this.#secureContext() } : {};
    return new ProxyAgent({
      uri: bare.href,
      // as curl: plain http is asked of the proxy, https is tunnelled through it
      proxyTunnel: url.protocol === 'https:',
      requestTls: { timeout: connectTimeout, ...tls },
      proxyTls: { timeout: connectTimeout, ...tls },
      connections,
      headersTimeout: stallTimeout,
      bodyTimeout: stallTimeout,
      ...token,
    });
  }

  /** One for all connections: reading 140 certificates takes 10 ms. */
  #secureContext(): SecureContext {
    this.#context ??= createSecureContext({ ca: this.#settings.ca ?? systemCertificates() });
    return this.#context;
  }
}

function systemCertificates(): string[] {
  const system = getCACertificates('system');
  return system.length > 0 ? system : getCACertificates('bundled');
}
