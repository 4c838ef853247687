// narrow doctor: what works and what does not, store by store, with the lines to change. Exit status 3 when something is wrong.

import type { Command } from 'commander';
import type { Advice } from '../../doctor/advice.ts';
import type { Diagnosis } from '../../doctor/examine.ts';
import { examineStore, isWrong } from '../../doctor/examine.ts';
import { signingKeys } from '../../doctor/signing-keys.ts';
import { examineSubstituters } from '../../doctor/substituters.ts';
import type { Finding } from '../../transfer/preflight.ts';
import type { Context } from '../context.ts';
import { openContext } from '../context.ts';

interface DoctorOptions {
  readonly substituters: boolean;
  readonly json?: boolean;
}

export function define(command: Command, context: Context): void {
  command
    .description('Look at stores: reachable, which version, what this user may do there, how much room there is.')
    .argument('[urls...]', 'the stores', ['auto'])
    .option(
      '--no-substituters',
      "do not ask this machine's substituters, which is done when its own store is looked at",
    )
    .option('--json', 'print a JSON object: ok, stores, substituters, keys; each with findings and advice')
    .addHelpText('after', examples)
    .action((urls: string[], options: DoctorOptions) => runDoctor(urls, options, context));
}

const examples = `
Exit status 3 when anything is wrong (a warning or an error). What a protocol does not tell is marked with "?".

Examples:
  narrow doctor
  narrow doctor ssh-ng://pi1 ssh://pi2 https://cache.example.org`;

async function runDoctor(urls: readonly string[], options: DoctorOptions, context: Context): Promise<void> {
  const open = openContext(context);
  const keys = signingKeys(open.settings);
  const own = urls.some((url) => /^(auto|daemon|local)$/.test(url));
  const [stores, substituters] = await Promise.all([
    Promise.all(urls.map((url) => examineStore(url, open, keys.keys))),
    own && options.substituters ? examineSubstituters(open) : [],
  ]);
  const wrong = isWrong([...keys.findings, ...[...stores, ...substituters].flatMap(({ findings }) => findings)]);
  if (options.json) {
    const json = { ok: !wrong, stores: stores.map(storeJson), substituters: substituters.map(storeJson), keys };
    await context.out(JSON.stringify(json));
  } else {
    const blocks = [
      ...stores.map(storeLines),
      ...(keys.findings.length > 0 ? [['signing keys of this machine', ...keys.findings.flatMap(findingLines)]] : []),
      ...(substituters.length > 0 ? [['substituters of this machine', ...substituters.flatMap(substituterLines)]] : []),
    ];
    await context.out(blocks.map((lines) => lines.join('\n')).join('\n\n'));
  }
  if (wrong) context.status = 3;
}

function storeJson({ url, storeDir, facts, findings, advice, answered }: Diagnosis): Record<string, unknown> {
  const { kind, version, trust, writable, space, signatures, clock } = facts ?? {};
  return {
    url,
    reachable: facts !== undefined,
    kind,
    version,
    storeDir,
    trust,
    writable,
    free: space?.free,
    requireSigs: signatures?.required,
    trustedKeys: signatures?.trustedKeys,
    clockAhead: clock && Math.round(clock.ahead),
    milliseconds: answered,
    findings,
    advice,
  };
}

function storeLines({ url, storeDir, findings, advice }: Diagnosis): string[] {
  const head = storeDir === undefined ? url : `${url}, store directory ${storeDir}`;
  return [head, ...findings.flatMap(findingLines), ...adviceLines(advice)];
}

const marks = { ok: 'ok', untold: '?', warning: 'warning', error: 'error' } as const;

function findingLines({ level, what, hint }: Finding): string[] {
  const [first, ...rest] = what.split('\n');
  const indent = ' '.repeat(11);
  return [
    `  ${marks[level].padEnd(8)} ${first}`,
    ...rest.map((line) => `${indent}${line}`),
    ...(hint === undefined || level === 'ok' ? [] : [`${indent}hint: ${hint}`]),
  ];
}

function adviceLines(advice: readonly Advice[]): string[] {
  return advice.flatMap(({ why, where, command, nixConf, nixos }, index) => [
    `  ${index + 1}. ${why}`,
    ...(command === undefined ? [] : [`     run:                            ${command}`]),
    ...nixConf.map((line) => `     ${`nix.conf of ${where}:`.padEnd(31)} ${line}`),
    ...nixos.map((line) => `     ${'or in its configuration.nix:'.padEnd(31)} ${line}`),
  ]);
}

function substituterLines({ url, findings, answered }: Diagnosis): string[] {
  return findings.flatMap((finding) => {
    const { level, subject, what } = finding;
    if (level === 'ok' && subject !== 'reach') return [];
    const text = level === 'ok' ? `${url} answers in ${answered} ms` : what.includes(url) ? what : `${url}: ${what}`;
    return findingLines({ ...finding, what: text });
  });
}
