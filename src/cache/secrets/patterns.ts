// What a secret looks like: forms that are certain enough to stop a push. A literal finds the place quickly, a pattern decides.

import { formatError } from '../../errors.ts';
import { parseSecretKey } from '../../model/signature.ts';

export interface SecretPattern {
  /** For people: `private key (PEM)`. */
  readonly kind: string;
  /** Where none of these is, there is no such secret; undefined: the pattern is tried on everything. */
  readonly literals?: readonly string[] | undefined;
  readonly pattern: RegExp;
  /** Decides where the form alone does not. */
  readonly confirm?: ((match: string) => boolean) | undefined;
  /** Only in files up to so many bytes. */
  readonly maxFile?: number | undefined;
}

const base64 = 'A-Za-z0-9+/';
/** Line ends as they are, or as they stand in JSON. */
const lineEnd = '(?:\\r?\\n|\\\\r|\\\\n)+';

function token(kind: string, literals: readonly string[], rest: string): SecretPattern {
  return { kind, literals, pattern: new RegExp(`(?:${literals.join('|')})${rest}(?![A-Za-z0-9])`) };
}

export const knownSecrets: readonly SecretPattern[] = [
  {
    kind: 'private key (PEM: TLS, ssh)',
    literals: ['PRIVATE KEY-----'],
    pattern: new RegExp(
      `-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----${lineEnd}(?:[A-Za-z-]+: [^\\n]*\\n|\\s)*[${base64}=]{32}`,
    ),
  },
  {
    kind: 'private key (PGP)',
    literals: ['BEGIN PGP PRIVATE KEY BLOCK'],
    pattern: new RegExp(
      `-----BEGIN PGP PRIVATE KEY BLOCK-----${lineEnd}(?:[A-Za-z-]+: [^\\n]*\\n|\\s)*[${base64}=]{32}`,
    ),
  },
  {
    kind: 'private key (PuTTY)',
    literals: ['PuTTY-User-Key-File-'],
    pattern: /PuTTY-User-Key-File-\d: [\s\S]{0,4000}Private-Lines: \d/,
  },
  {
    kind: 'key of WireGuard',
    literals: ['PrivateKey', 'PresharedKey'],
    pattern: new RegExp(`(?:PrivateKey|PresharedKey)\\s*=\\s*[${base64}]{42}[AEIMQUYcgkosw048]=`),
  },
  {
    kind: 'key of age',
    literals: ['AGE-SECRET-KEY-1'],
    pattern: /AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}/,
  },
  {
    kind: 'signing key of Nix',
    literals: ['=='],
    maxFile: 1 << 16,
    pattern: new RegExp(`[\\w.-]+:[${base64}]{86}==`),
    confirm: isSigningKey,
  },
  {
    kind: 'password hash',
    literals: ['$6$', '$y$'],
    pattern:
      /\$6\$(?:rounds=\d+\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{86}|\$y\$[./A-Za-z0-9]+\$[./A-Za-z0-9]{1,86}\$[./A-Za-z0-9]{43}/,
  },
  token('token of GitHub', ['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'], '[A-Za-z0-9]{36}'),
  token('token of GitHub', ['github_pat_'], '[A-Za-z0-9_]{82}'),
  token('token of GitLab', ['glpat-'], '[A-Za-z0-9_-]{20}'),
  token('token of npm', ['npm_'], '[A-Za-z0-9]{36}'),
  token('token of Slack', ['xoxb-', 'xoxp-'], '[0-9]{10,13}-[A-Za-z0-9-]{20,}'),
  token('key of Stripe', ['sk_live_'], '[A-Za-z0-9]{24,}'),
  token('key of Tailscale', ['tskey-auth-'], '[A-Za-z0-9]{6,}-[A-Za-z0-9]{16,}'),
  token('token of DigitalOcean', ['dop_v1_'], '[a-f0-9]{64}'),
  {
    kind: 'key of AWS',
    literals: ['aws_secret_access_key', 'AWS_SECRET_ACCESS_KEY'],
    pattern: new RegExp(`aws_secret_access_key["']?\\s*[=:]\\s*["']?[${base64}]{40}(?![${base64}=])`, 'i'),
  },
];

/** The public half follows from the seed: nothing else looks like that. */
function isSigningKey(text: string): boolean {
  try {
    parseSecretKey(text);
    return true;
  } catch {
    return false;
  }
}

/** A whole file that is one WireGuard key, if its name says private. */
export function isBareKey(contents: string, name: string): boolean {
  const isKey = new RegExp(`^[${base64}]{42}[AEIMQUYcgkosw048]=\\s*$`).test(contents);
  return isKey && /priv|secret|wireguard|^wg/i.test(name) && !/pub/i.test(name);
}

/** Reads lines `KIND: REGEX`; empty ones and those that begin with # are passed over. Throws `format` with the line. */
export function parsePatterns(text: string, source: string): SecretPattern[] {
  return text.split('\n').flatMap((line, index): SecretPattern[] => {
    if (line.trim() === '' || line.trimStart().startsWith('#')) return [];
    const match = /^([^:]+):\s*(.+)$/.exec(line.trimEnd());
    const place = { source, line: index + 1 };
    if (!match) throw formatError('bad pattern', place, { expected: "'KIND: REGEX'", got: `'${line.slice(0, 60)}'` });
    try {
      return [{ kind: match[1]!.trim(), pattern: new RegExp(match[2]!, 'm') }];
    } catch (cause) {
      throw formatError('bad pattern', place, { got: (cause as Error).message, cause });
    }
  });
}
