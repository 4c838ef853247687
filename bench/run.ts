// `make bench`, or `make bench BENCH='nar info'`: each file here answers one question, as ratios within one run.

const names = process.argv.slice(2).filter((arg) => arg !== '');
const all = [
  'nar',
  'export',
  'cache',
  'far-cache',
  'gc',
  'info',
  'memory',
  'ssh',
  'delta',
  'static-deltas',
  'noise',
  'updates',
  'bundle',
  'fuzz',
];
const rounds = Number(process.env['ROUNDS'] ?? 3);
const narrow = new URL('../narrow', import.meta.url).pathname;

for (const name of names.length > 0 ? names : all) {
  if (!all.includes(name)) throw new Error(`no benchmark '${name}': expected one of ${all.join(', ')}`);
  const { run } = (await import(`./${name}.ts`)) as { run: (narrow: string, rounds: number) => Promise<void> };
  await run(narrow, rounds);
}
