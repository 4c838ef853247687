// Makes dist/narrow.cjs of dist/cli/main.js and all it imports: one file that starts in two thirds of the time that 110 modules
// take. What is gained and by what: docs/decisions/one-file.md.

import { readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { build } from 'esbuild';
import type { Plugin } from 'esbuild';
import { projectDir } from './project.ts';

const dist = join(projectDir, 'dist');

/** Parts of Node that starting does not need, 1 to 5 ms each: loaded when something of theirs is first used. */
const lazyParts = [
  'child_process',
  'crypto',
  'dns',
  'http',
  'net',
  'perf_hooks',
  'readline',
  'tls',
  'worker_threads',
  'zlib',
];

/** Puts an object with getters in the place of each of them. */
const lazy: Plugin = {
  name: 'lazy parts of Node',
  setup({ onResolve, onLoad }) {
    const filter = new RegExp(`^node:(${lazyParts.join('|')})$`);
    onResolve({ filter }, ({ path }) => ({ path, namespace: 'lazy' }));
    onLoad({ filter, namespace: 'lazy' }, async ({ path }) => {
      const names = Object.keys((await import(path)) as object).filter((name) => name !== 'module.exports');
      const part = `process.getBuiltinModule(${JSON.stringify(path)})`;
      const getters = names.map((name) =>
        name === 'default' ? `get default() { return ${part}; }` : `get ${name}() { return ${part}.${name}; }`,
      );
      return { contents: `module.exports = { ${getters.join(', ')} };` };
    });
  },
};

/** Modules that look for files beside themselves find them where they would without the bundle. */
const ownUrls: Plugin = {
  name: 'URLs of modules',
  setup({ onLoad }) {
    onLoad({ filter: /\.js$/ }, async ({ path }) => {
      const text = path.startsWith(dist) ? await readFile(path, 'utf8') : '';
      const url = `moduleUrl(${JSON.stringify(relative(dist, path))})`;
      return text.includes('import.meta.url') ? { contents: text.replaceAll('import.meta.url', url) } : undefined;
    });
  },
};

await build({
  entryPoints: [join(dist, 'cli/main.js')],
  outfile: join(dist, 'narrow.cjs'),
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'cjs',
  // an addon, and libraries as large as all the rest that only HTTP or S3 needs
  external: ['koffi', 'undici', '@aws-sdk/*'],
  banner: {
    js: "const moduleUrl = (file) => require('node:url').pathToFileURL(require('node:path').join(__dirname, file)).href;",
  },
  plugins: [lazy, ownUrls],
  // Names stay, for stack traces.
  minifyWhitespace: true,
  minifySyntax: true,
  lineLimit: 120,
  logLevel: 'warning',
});
