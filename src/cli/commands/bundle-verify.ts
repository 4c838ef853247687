// narrow bundle verify: whether a bundle, or a file that others wrote, is whole, and whether it will apply.

import type { Command } from 'commander';
import { broughtBy } from '../../bundle/brought.ts';
import { checkCarried } from '../../bundle/verify-carried.ts';
import type { CarriedCheck } from '../../bundle/verify-carried.ts';
import { NarrowError } from '../../errors.ts';
import { formatSri } from '../../model/hash.ts';
import { defaultStoreDir, printStorePath } from '../../model/store-path.ts';
import type { StoreDir } from '../../model/store-path.ts';
import { Bundle } from '../../store/bundle/bundle.ts';
import { kindNames } from '../../store/bundle/carried-store.ts';
import { damageError } from '../../store/bundle/volume-file.ts';
import type { Damage } from '../../store/bundle/volume-file.ts';
import { openStore } from '../../store/open.ts';
import type { Store } from '../../store/store.ts';
import type { Context } from '../context.ts';
import { openContext } from '../context.ts';
import { trustOptions } from '../options.ts';
import { count, formatBytes } from '../output/human.ts';
import { against, againstJson, againstLines } from './bundle-against.ts';
import type { AgainstOptions } from './bundle-against.ts';
import { areCarried, onlyFile } from './bundle-carried.ts';
import { allVolumes, signatureText } from './bundle-show.ts';

interface VerifyOptions extends AgainstOptions {
  readonly json?: boolean;
}

export function defineVerify(command: Command, context: Context): void {
  command
    .description(
      'Read all of a bundle, or of a file that others wrote, and name what is damaged. With --against also all that keeps it from ' +
        'being applied.',
    )
    .argument('<files...>', 'the bundle; of several files one will do when they lie side by side')
    .option('--against <place>', 'an inventory, or the URL of a store, that it is to be applied to')
    .option('--json', 'print a JSON object');
  trustOptions(command)
    .addHelpText('after', verifyExamples)
    .action((files: string[], options: VerifyOptions) => runVerify(files, options, context));
}

const verifyExamples = `
Examples:
  narrow bundle verify next.bundle
  narrow bundle verify --against island.inventory next.bundle
  narrow bundle verify --against daemon /media/usb/next.bundle
  narrow bundle verify --against daemon system.export.zst`;

async function runVerify(files: readonly string[], options: VerifyOptions, context: Context): Promise<void> {
  if (await areCarried(files, context.signal)) return verifyCarried(onlyFile(files), options, context);
  const open = openContext(context, options);
  const openCache = (url: string): Promise<Store> => openStore(url, open);
  await using bundle = await Bundle.open(allVolumes(files), { openCache, signal: context.signal });
  const damages: Damage[] = [];
  for await (const damage of bundle.volumes.damages(undefined, context.signal)) damages.push(damage);
  const signatures = bundle.signatures(open.trustedKeys);
  const found = await against(broughtBy(bundle), options, context);
  const ok = damages.length === 0 && signatures.every(({ standing }) => standing !== 'wrong');
  const applies = ok && (found?.obstacles.length ?? 0) === 0;
  if (!applies) context.status = 3;
  if (options.json) {
    const told = { ok, damages, signatures, applies: found && applies, ...(found && againstJson(found, bundle.about)) };
    return await context.out(JSON.stringify(told));
  }
  for (const damage of damages) context.say(damageError(damage).message);
  context.say(`signed ${signatureText(signatures)}`);
  if (ok) context.say(`${bundle.volumes.name} is whole: ${count(bundle.infos.length, 'path')}`);
  if (found) for (const line of againstLines(found, options.against!)) context.say(line);
}

/** What others write has no blocks: problems are those of its paths, or of the file as a whole. */
async function verifyCarried(file: string, options: VerifyOptions, context: Context): Promise<void> {
  const storeDir = process.env['NIX_STORE_DIR'] || defaultStoreDir;
  const { warn } = openContext(context);
  const open = { storeDir, warn, signal: context.signal };
  const check = await checkCarried(file, open, (brought) => against(brought, options, context));
  const { kind, problems, applicability: found } = check;
  if (kind === 'nar' && options.against !== undefined)
    throw new NarrowError('usage', `${file} is a NAR, which does not say of which path it is`, {
      hint: 'narrow import --dry-run --path /nix/store/… --reference /nix/store/… FILE',
    });
  const ok = problems.length === 0;
  const applies = ok && (found?.obstacles.length ?? 0) === 0;
  if (!applies) context.status = 3;
  if (options.json) return context.out(JSON.stringify(checkJson(check, storeDir, found && applies)));
  for (const { path, message } of problems)
    context.say(path === undefined ? message : `${printStorePath(storeDir, path)}: ${message}`);
  if (ok) context.say(`${file} is whole: ${describe(check)}`);
  if (found) for (const line of againstLines(found, options.against!)) context.say(line);
}

function describe({ kind, paths, nar }: CarriedCheck): string {
  const what = nar ? `${formatBytes(nar.narSize)}, ${formatSri(nar.narHash)}` : count(paths ?? 0, 'path');
  return `${kindNames[kind]}, ${what}`;
}

function checkJson(
  { kind, problems, nar, applicability }: CarriedCheck,
  storeDir: StoreDir,
  applies: boolean | undefined,
): Record<string, unknown> {
  return {
    kind,
    ok: problems.length === 0,
    problems: problems.map(({ path, message }) => ({ path: path && printStorePath(storeDir, path), message })),
    applies,
    ...(nar && { narHash: formatSri(nar.narHash), narSize: nar.narSize }),
    ...(applicability && againstJson(applicability, { storeDir })),
  };
}
