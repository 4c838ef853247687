// What belongs around a cache: the lines that make clients use it, and the web server that serves it. What each line costs is
// measured in docs/tutorials/home-cache.md.

export interface Setup {
  /** What clients call it: `http://cache.home`. */
  readonly url: string;
  /** Directory of the cache. */
  readonly root: string;
  readonly publicKey: string | undefined;
}

/** Lines of a client's nix.conf. */
export function clientNixConf({ url, publicKey }: Setup): string[] {
  return [
    `extra-substituters = ${url}?priority=30`,
    ...(publicKey === undefined ? [] : [`extra-trusted-public-keys = ${publicKey}`]),
    '# a cache that does not answer holds everything up for so long (seconds; the default is up to 300)',
    'connect-timeout = 2',
    '# with the default of 5, a cache that is away costs up to 14 s',
    'download-attempts = 2',
    '# away from home go on without it; what no cache has is then built here, so look at the list before you agree',
    'fallback = true',
    '# what was not there is asked for again after a minute, not an hour',
    'narinfo-cache-negative-ttl = 60',
  ];
}

/** The same for a client's configuration.nix. */
export function clientNixos({ url, publicKey }: Setup): string[] {
  return [
    'nix.settings = {',
    `  substituters = [ "${url}?priority=30" ];`,
    ...(publicKey === undefined ? [] : [`  trusted-public-keys = [ "${publicKey}" ];`]),
    '  connect-timeout = 2; # seconds that a cache which does not answer holds everything up',
    '  download-attempts = 2; # with 5, a cache that is away costs up to 14 s',
    '  fallback = true; # away from home go on without it; what no cache has is then built here',
    '  narinfo-cache-negative-ttl = 60; # ask again after a minute for what was not there',
    '};',
  ];
}

/** The place below which nginx has what is asked for by that name. */
const places: readonly { readonly match: string; readonly lines: readonly string[] }[] = [
  { match: '~ \\.tmp\\.[0-9]+\\.[0-9]+$', lines: ['return 404;'] },
  {
    match: '~ \\.narinfo$',
    lines: ['types { }', 'default_type text/x-nix-narinfo;', 'add_header Cache-Control "max-age=60";'],
  },
  {
    match: '/nar/',
    lines: [
      'types { }',
      'default_type application/x-nix-nar;',
      'add_header Cache-Control "max-age=31536000, immutable";',
    ],
  },
  { match: '= /nix-cache-info', lines: ['default_type text/x-nix-cache-info;'] },
  { match: '/narrow/names/', lines: ['default_type text/plain;', 'add_header Cache-Control "no-cache";'] },
  {
    match: '~ ^/narrow/deltas/.*\\.(delta|bases)$',
    lines: [
      'types { }',
      'default_type application/octet-stream;',
      'add_header Cache-Control "max-age=31536000, immutable";',
    ],
  },
  { match: '/narrow/deltas/', lines: ['default_type text/plain;', 'add_header Cache-Control "no-cache";'] },
  { match: '/narrow/', lines: ['return 404;'] },
  { match: '/', lines: ['default_type application/octet-stream;'] },
];

function hostOf(url: string): { name: string; port: string } {
  const { hostname, port } = new URL(url);
  return { name: hostname, port: port || '80' };
}

/** A site of nginx: files are served with ranges, NARs are said never to change, what is not there is 404 at once. */
export function nginxSite({ url, root }: Setup): string[] {
  const { name, port } = hostOf(url);
  const blocks = places.flatMap(({ match, lines }) => [
    `  location ${match} {`,
    ...lines.map((line) => `    ${line}`),
    '  }',
  ]);
  return [
    'server {',
    `  listen ${port};`,
    `  server_name ${name};`,
    `  root ${root};`,
    '  # when what was used: narrow cache gc --access-log',
    '  access_log /var/log/nginx/nix-cache.log combined;',
    '  autoindex off;',
    ...blocks,
    '}',
  ];
}

/** The same on NixOS, with a nightly collection. */
export function serverNixos({ url, root }: Setup): string[] {
  const { name, port } = hostOf(url);
  const blocks = places.flatMap(({ match, lines }) => {
    const text = lines.map((line) => `      ${line}`);
    return [`    locations."${match.replaceAll('\\', '\\\\')}".extraConfig = ''`, ...text, "    '';"];
  });
  return [
    'services.nginx = {',
    '  enable = true;',
    `  virtualHosts."${name}" = {`,
    `    listen = [ { addr = "0.0.0.0"; port = ${port}; } ];`,
    `    root = "${root}";`,
    "    extraConfig = ''access_log /var/log/nginx/nix-cache.log combined;'';",
    ...blocks,
    '  };',
    '};',
    'systemd.services.nix-cache-gc = {',
    '  startAt = "daily";',
    `  script = "\${pkgs.narrow}/bin/narrow cache gc ${root} --older-than 14d --keep-generations 2";`,
    '};',
  ];
}
