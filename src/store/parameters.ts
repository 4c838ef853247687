// The parameters of store URLs. One that is misspelt would be a wish that nobody hears: `?secret_key=` makes a cache
// without signatures.

import type { StoreUrl } from './url.ts';

const every = ['store', 'trusted', 'priority', 'want-mass-query', 'path-info-cache-size', 'system-features'];
const retries = ['retry-attempts', 'retry-delay', 'retry-delay-rate-limited', 'retry-max-delay'];
const cache = [
  'compression',
  'compression-level',
  'parallel-compression',
  'secret-key',
  'secret-keys',
  'write-nar-listing',
  'index-debug-info',
  'layout',
];
const bucket = [
  'region',
  'endpoint',
  'scheme',
  'profile',
  'addressing-style',
  'storage-class',
  'multipart-upload',
  'multipart-chunk-size',
  'multipart-threshold',
];
const login = ['ssh-key', 'base64-ssh-public-host-key', 'compress'];
const ssh = [...login, 'max-connections', 'remote-store', 'remote-program'];

/** What each kind of store reads. */
const known: Readonly<Record<StoreUrl['scheme'], readonly string[]>> = {
  auto: [],
  local: ['root', 'state', 'log', 'real', 'read-only', 'require-sigs'],
  daemon: ['path', 'max-connections', 'require-sigs'],
  file: cache,
  http: [...cache, ...retries, 'bearer-token-file'],
  https: [...cache, ...retries, 'bearer-token-file'],
  bundle: ['base'],
  ssh: [...ssh, 'narrow', 'delta-level'],
  'ssh-ng': ssh,
  sftp: [...cache, ...login, 'remote-program', 'fsync'],
  s3: [...cache, ...retries, ...bucket],
};

/** A warning for each parameter that has no meaning for this kind of store. */
export function unknownParameters({ scheme, params }: StoreUrl): string[] {
  const names = [...every, ...known[scheme]];
  return [...params.keys()]
    .filter((name) => !names.includes(name))
    .map((name) => {
      const near = names.find((one) => plain(one) === plain(name));
      return `${scheme} stores have no parameter '${name}', which is ignored${near ? `; did you mean '${near}'?` : ''}`;
    });
}

function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[-_]|s$/g, '');
}
