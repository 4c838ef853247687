// Network failures as errors that say what to do.

import { NarrowError } from '../errors.ts';
import { failureText } from './http-status.ts';

const texts: Readonly<Record<string, readonly [why: string, hint: string]>> = {
  ECONNREFUSED: ['the connection was refused', 'check host and port, and that the server runs'],
  ENOTFOUND: ['the host name is not known', 'check the address, and that the network is up'],
  EAI_AGAIN: ['the host name cannot be looked up now', 'check that the network is up'],
  ECONNRESET: ['the connection was reset', 'run again; what is done already is kept'],
  EPIPE: ['the connection was closed while sending', 'run again; what is done already is kept'],
  EHOSTUNREACH: ['the host cannot be reached', 'check that the network is up'],
  ENETUNREACH: ['the network cannot be reached', 'check that the network is up'],
  ETIMEDOUT: ['the connection timed out', 'check host and port, and that the network is up'],
  UND_ERR_CONNECT_TIMEOUT: ['no connection in time', 'check host and port; nix.conf: connect-timeout'],
  UND_ERR_HEADERS_TIMEOUT: ['no answer in time', 'the server hangs; nix.conf: stalled-download-timeout'],
  UND_ERR_BODY_TIMEOUT: ['the transfer stalled', 'the server or the line hangs; nix.conf: stalled-download-timeout'],
  UND_ERR_SOCKET: ['the connection was closed too early', 'run again; what is done already is kept'],
};

const tls = /CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)|ERR_TLS|ERR_SSL|EPROTO|HOSTNAME/;

/** The code of a network failure, also one that undici has wrapped. */
export function codeOf(error: unknown): string {
  for (let at = error as NodeJS.ErrnoException | undefined; at; at = at.cause as NodeJS.ErrnoException | undefined) {
    if (typeof at.code === 'string' && at.code !== '') return at.code;
    if (at instanceof AggregateError) return codeOf(at.errors[0]);
  }
  return '';
}

/** A certificate will not be better the next time. */
export function isTransientFailure(error: unknown): boolean {
  return !(error instanceof NarrowError) && !tls.test(codeOf(error));
}

/** `unavailable`: cannot tell. */
export function networkError(method: string, url: string, cause: unknown, tries: number): NarrowError {
  if (cause instanceof NarrowError) return cause;
  const code = codeOf(cause);
  const reason = cause instanceof Error ? cause.message : String(cause);
  const [why, hint] = tls.test(code)
    ? [`TLS: ${reason}`, 'name your certificate authority in NIX_SSL_CERT_FILE or nix.conf: ssl-cert-file']
    : (texts[code] ?? [reason || code, 'try again later']);
  const after = tries > 1 ? ` (${tries} tries)` : '';
  return new NarrowError('unavailable', failureText(method, url, `${why}${after}`), {
    cause,
    hint,
    data: { url, method, errno: code, tries },
  });
}
