// The layers of the source and what each may use: the one table from which the checks, the lint rules and the drawing
// in docs/architecture.md are made. Imports go down only; folders of one level do not know each other.

export interface Layer {
  readonly folder: string;
  readonly level: number;
  /** Modules of Node's own and packages that only the layers naming them may import. */
  readonly uses: readonly ModuleGroup[];
}

/** Modules that reach outside the process, or that belong in one place. */
export type ModuleGroup = 'files' | 'network' | 'processes' | 'database' | 'native' | 'terminal';

export const moduleGroups: Readonly<Record<ModuleGroup, readonly string[]>> = {
  files: ['node:fs', 'node:fs/promises'],
  network: [
    'node:net',
    'node:tls',
    'node:http',
    'node:https',
    'node:http2',
    'node:dgram',
    'node:dns',
    'undici',
    '@aws-sdk',
    '@smithy',
  ],
  processes: ['node:child_process', 'node:cluster'],
  database: ['node:sqlite'],
  native: ['koffi'],
  terminal: ['commander', 'node:readline', 'node:tty'],
};

/** From the bottom up. A folder of src that is not named here is an error. */
export const layers: readonly Layer[] = [
  { folder: 'bytes', level: 0, uses: [] },
  { folder: 'model', level: 1, uses: [] },
  { folder: 'format', level: 2, uses: ['native'] },
  { folder: 'protocol', level: 3, uses: [] },
  { folder: 'config', level: 4, uses: ['files'] },
  { folder: 'fs', level: 4, uses: ['files', 'processes', 'native'] },
  { folder: 'transport', level: 4, uses: ['files', 'network', 'processes'] },
  { folder: 'delta', level: 4, uses: [] },
  { folder: 'closure', level: 4, uses: [] },
  { folder: 'store', level: 5, uses: ['files', 'network', 'processes', 'database'] },
  { folder: 'transfer', level: 7, uses: [] },
  { folder: 'doctor', level: 8, uses: ['files'] },
  { folder: 'cache', level: 8, uses: ['files'] },
  { folder: 'bundle', level: 8, uses: ['files'] },
  { folder: 'cli', level: 9, uses: ['files', 'network', 'processes', 'terminal'] },
];

/** Files directly in src: everybody may import the errors, nobody the library's front door. */
export const everywhere: readonly string[] = ['errors.ts'];
export const frontDoor = 'index.ts';

/** The folders that files of `layer` must not import from. */
export function foldersAbove(layer: Layer): string[] {
  return layers.filter((other) => other !== layer && other.level >= layer.level).map((other) => other.folder);
}

/** The modules that files of `layer` must not import. */
export function modulesDenied(layer: Layer): string[] {
  return Object.entries(moduleGroups).flatMap(([group, modules]) =>
    layer.uses.includes(group as ModuleGroup) ? [] : modules,
  );
}

/** Folders within folders that a layer may have. */
const depths = [1, 2, 3, 4];

/**
 * The rules as overrides of .oxlintrc.json, so that editors show them; layers.ts checks the same and draws. One for each
 * depth: src/cache and src/store/cache have the same name seen from different places.
 */
export function lintOverrides(): unknown[] {
  return layers.flatMap((layer) =>
    depths.map((depth) => ({
      files: [`src/${layer.folder}/${'*/'.repeat(depth - 1)}*.ts`],
      rules: { 'no-restricted-imports': ['error', { patterns: restrictions(layer, depth) }] },
    })),
  );
}

function restrictions(layer: Layer, depth: number): { regex: string; message: string }[] {
  const above = foldersAbove(layer);
  const denied = modulesDenied(layer).map((name) => name.replace('node:', '(node:)?'));
  return [
    {
      regex: `^(\\.\\./){${depth}}(${[...above.map((folder) => `${folder}/`), 'index\\.ts$'].join('|')})`,
      message: `src/${layer.folder} imports only from layers below it: see docs/architecture.md.`,
    },
    ...(denied.length === 0
      ? []
      : [
          {
            regex: `^(${denied.join('|')})(/|$)`,
            message: `src/${layer.folder} does not touch this: see docs/architecture.md.`,
          },
        ]),
  ];
}
