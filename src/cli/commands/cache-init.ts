// narrow cache init: a cache, its key, and the lines that belong around it.

import { readFile, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { clientNixConf, clientNixos, nginxSite, serverNixos } from '../../cache/setup.ts';
import type { Setup } from '../../cache/setup.ts';
import { NarrowError, ioError } from '../../errors.ts';
import { formatPublicKey, formatSecretKey, generateKey, parseSecretKey } from '../../model/signature.ts';
import type { SecretKey } from '../../model/signature.ts';
import { cacheUrl, openCacheStore } from '../../store/open-cache.ts';
import { parseStoreUrl } from '../../store/url.ts';
import type { Context } from '../context.ts';
import { openContext } from '../context.ts';

interface InitOptions {
  readonly key?: string;
  readonly keyName?: string;
  readonly url?: string;
  readonly nginx?: boolean;
  readonly nixos?: boolean;
  readonly json?: boolean;
}

export function defineInit(cache: Command, context: Context): void {
  cache
    .command('init')
    .description('Make a cache and a key that signs what is pushed, and print the lines that make clients use it.')
    .argument('<cache>', 'a directory, or file://DIR?priority=30 …')
    .option('--key <file>', 'the secret key, made where there is none (default: KEY-NAME.sec, here)')
    .option('--key-name <name>', 'by which others know the key (default: that of this host, and -1)')
    .option('--url <url>', 'where clients will find the cache', `http://${hostname()}`)
    .option('--nginx', 'print a site of nginx that serves it')
    .option('--nixos', 'print lines for configuration.nix of the server and of clients')
    .option('--json', 'print a JSON object')
    .addHelpText('after', examples)
    .action((url: string, options: InitOptions) => runInit(url, options, context));
}

const examples = `
A cache or key that is there stays as it is.

Examples:
  narrow cache init /srv/cache --key-name home-1 --url http://cache.home
  narrow cache init /srv/cache --key home-1.sec --url http://cache.home --nginx > /etc/nginx/sites-enabled/cache`;

async function runInit(url: string, options: InitOptions, context: Context): Promise<void> {
  const root = directoryOf(url);
  const site = siteUrl(options.url ?? '');
  const { key, file, made } = await keyFor(options, root);
  await using store = await openCacheStore(url, openContext(context), 'write');
  await store.create();
  const publicKey = formatPublicKey(key.publicKey);
  const setup: Setup = { url: site, root, publicKey };
  const nixConf = clientNixConf(setup);
  const nixos = clientNixos(setup);
  if (options.json) {
    const json = {
      url: store.url,
      secretFile: file,
      publicKey,
      nixConf,
      nixos,
      nginx: nginxSite(setup),
      nixosServer: serverNixos(setup),
    };
    return await context.out(JSON.stringify(json));
  }
  context.say(`${store.url} is a cache for ${store.storeDir}`);
  context.say(
    made ? `secret key: ${file} (keep it where you push from, and nowhere else)` : `secret key: ${file}, as it was`,
  );
  if (options.nginx) return await context.out(nginxSite(setup).join('\n'));
  if (options.nixos) {
    const both = ['# on the server', ...serverNixos(setup), '', '# on clients', ...nixos];
    return await context.out(both.join('\n'));
  }
  await context.out(
    ['# nix.conf of clients', ...nixConf, '', '# or configuration.nix of clients on NixOS', ...nixos].join('\n'),
  );
  context.say(`push with: narrow push ${root} --key ${file} --name NAME ./result`);
}

/** Only a directory can be served from here. */
function directoryOf(text: string): string {
  const { scheme, place } = parseStoreUrl(cacheUrl(text));
  if (scheme === 'file') return place;
  throw new NarrowError('unsupported', `${text} is no directory: a cache is made where its files will lie`, {
    hint: 'for example: narrow cache init /srv/cache',
  });
}

function siteUrl(text: string): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text.replace(/\/+$/, '');
  throw new NarrowError('usage', `bad --url '${text}'`, { hint: 'for example: http://cache.home' });
}

async function keyFor(
  { key: given, keyName }: InitOptions,
  root: string,
): Promise<{ key: SecretKey; file: string; made: boolean }> {
  const name = keyName ?? `${hostname().replace(/[^A-Za-z0-9.-]/g, '-')}-1`;
  const file = resolve(given ?? `${name.replaceAll('/', '_')}.sec`);
  if (`${file}/`.startsWith(`${root}/`))
    throw new NarrowError('usage', `${file} would lie in the cache, which everybody can read`, {
      hint: 'name another file with --key',
    });
  const there = await readKey(file);
  if (there) return { key: there, file, made: false };
  const key = generateKey(name);
  try {
    await writeFile(file, formatSecretKey(key), { flag: 'wx', mode: 0o600, flush: true });
  } catch (error) {
    throw ioError('write the secret key to', file, error);
  }
  return { key, file, made: true };
}

async function readKey(file: string): Promise<SecretKey | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw ioError('read the secret key', file, error);
  }
  return parseSecretKey(text, file);
}
