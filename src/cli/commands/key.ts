// narrow key: signing keys, and the lines that make Nix trust them.

import { writeFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import { NarrowError, ioError } from '../../errors.ts';
import { formatPublicKey, formatSecretKey, generateKey, parseSecretKey } from '../../model/signature.ts';
import type { Context } from '../context.ts';
import { readText } from '../text-file.ts';

interface GenerateOptions {
  readonly out?: string;
  readonly json?: boolean;
}

export function define(command: Command, context: Context): void {
  command.description('Make signing keys, and print their public halves.');
  command
    .command('generate')
    .description('Make a key pair. The public key is printed, the secret one goes to a file that only you can read.')
    .argument('<name>', 'by which others know the key, such as cache.example.org-1')
    .option('--out <file>', 'the secret key (default: NAME.sec); never overwritten')
    .option('--json', 'print a JSON object')
    .addHelpText('after', generateExamples)
    .action((name: string, options: GenerateOptions) => generate(name, options, context));
  command
    .command('public')
    .description('Print the public key of a secret one.')
    .argument('[file]', 'the secret key (default: standard input)')
    .option('--json', 'print a JSON object')
    .addHelpText('after', '\nExample:\n  narrow key public cache.sec')
    .action((file: string | undefined, options: { json?: boolean }) => printPublic(file, options, context));
}

const generateExamples = `
Examples:
  narrow key generate cache.example.org-1 --out cache.sec
  narrow copy --to 'file:///srv/cache?secret-key=cache.sec' ./result`;

async function generate(name: string, options: GenerateOptions, context: Context): Promise<void> {
  const key = generateKey(name);
  if (options.out === undefined && name.includes('/'))
    throw new NarrowError('usage', `'${name}' cannot be part of a file name`, { hint: 'name the file with --out' });
  const secretFile = options.out ?? `${name}.sec`;
  await createSecretFile(secretFile, formatSecretKey(key));
  const publicKey = formatPublicKey(key.publicKey);
  const nixConf = `extra-trusted-public-keys = ${publicKey}`;
  const nixos = `nix.settings.trusted-public-keys = [ "${publicKey}" ];`;
  if (options.json) return context.out(JSON.stringify({ name, publicKey, secretFile, nixConf, nixos }));
  await context.out(publicKey);
  context.say(`secret key: ${secretFile} (whoever has it can sign; keep it where paths are signed, and nowhere else)`);
  context.say(`to trust it, in nix.conf:\n  ${nixConf}`);
  context.say(`or on NixOS, in configuration.nix:\n  ${nixos}`);
}

/** A lost key cannot be had again, so an existing file is never touched. */
async function createSecretFile(path: string, secret: string): Promise<void> {
  try {
    await writeFile(path, secret, { flag: 'wx', mode: 0o600, flush: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw ioError('write the secret key to', path, error);
    throw new NarrowError('refused', `${path} exists already; a secret key is never overwritten`, {
      cause: error,
      hint: 'name another file with --out, or print the public key of this one: narrow key public FILE',
      data: { path },
    });
  }
}

async function printPublic(file: string | undefined, options: { json?: boolean }, context: Context): Promise<void> {
  const { name, publicKey } = parseSecretKey(await readSecret(file), !file || file === '-' ? 'standard input' : file);
  const printed = formatPublicKey(publicKey);
  await context.out(options.json ? JSON.stringify({ name, publicKey: printed }) : printed);
}

async function readSecret(file: string | undefined): Promise<string> {
  return file === undefined || file === '-' ? text(process.stdin) : readText(file, 'read the secret key');
}
