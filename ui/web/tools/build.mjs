// Builds the page into a folder: bundles with their hash in their names, the plain index, and
// everything compressed beforehand. The same sources and lock file give the same bytes.

import { build } from 'esbuild';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

export const WEB = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
export const DIST = path.join(path.dirname(WEB), 'dist');

const COMMON = {
  absWorkingDir: WEB,
  bundle: true,
  format: 'esm',
  target: ['es2022', 'chrome123', 'firefox128', 'safari17.5'],
  minify: true,
  legalComments: 'none',
  charset: 'utf8',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  write: false,
  outdir: 'out/assets',
  entryNames: '[name]-[hash]',
  chunkNames: '[name]-[hash]',
  logLevel: 'error',
};

/** Bundles everything; returns names below the folder and their bytes. */
export async function bundle() {
  const files = new Map();
  const workers = await build({
    ...COMMON,
    entryPoints: { 'trace-worker': 'src/trace/worker.ts', 'layout-worker': 'src/graph/layout.worker.ts' },
  });
  const define = {};
  for (const file of workers.outputFiles) {
    const name = `assets/${path.basename(file.path)}`;
    files.set(name, Buffer.from(file.contents));
    define[name.includes('trace-worker') ? 'WORKER_TRACE' : 'WORKER_LAYOUT'] = JSON.stringify(name);
  }
  const page = await build({
    ...COMMON, define, splitting: true, metafile: true,
    entryPoints: { main: 'src/main.tsx', style: 'src/style.css' },
  });
  for (const file of page.outputFiles) {
    files.set(`assets/${path.basename(file.path)}`, Buffer.from(file.contents));
  }
  files.set('index.html', Buffer.from(await index(page.metafile)));
  files.set('favicon.svg', await readFile(path.join(WEB, 'src/favicon.svg')));
  return files;
}

/** Fills in the names of the bundles; what the first one imports is announced beside it. */
async function index(metafile) {
  const outputs = Object.entries(metafile.outputs);
  const named = (entry) => {
    const found = outputs.find(([, output]) => output.entryPoint === entry);
    return [`assets/${path.basename(found[0])}`, found[1]];
  };
  const [main, output] = named('src/main.tsx');
  const [style] = named('src/style.css');
  const preloads = output.imports
    .filter((one) => one.kind === 'import-statement')
    .map((one) => `<link rel="modulepreload" href="assets/${path.basename(one.path)}">`);
  const text = await readFile(path.join(WEB, 'src/index.html'), 'utf8');
  const icon = (await readFile(path.join(WEB, 'src/favicon.svg'), 'utf8')).trim();
  return text
    // Within the page, so that a browser does not ask for it beside what the search waits for.
    .replace('{icon}', `data:image/svg+xml,${encodeURIComponent(icon)}`)
    .replace('{style}', style)
    .replace('{main}', main)
    .replace('{preloads}\n', preloads.length > 0 ? `${preloads.join('\n')}\n` : '');
}

export function brotli(bytes) {
  return brotliCompressSync(bytes, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: 11,
      [constants.BROTLI_PARAM_LGWIN]: 22,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    },
  });
}

/** Writes a bundle, replacing what was there. */
export async function write(files, folder = DIST) {
  await rm(folder, { recursive: true, force: true });
  await mkdir(path.join(folder, 'assets'), { recursive: true });
  for (const [name, bytes] of files) {
    await writeFile(path.join(folder, name), bytes);
    if (!name.startsWith('assets/')) continue;
    await writeFile(path.join(folder, `${name}.br`), brotli(bytes));
    await writeFile(path.join(folder, `${name}.gz`), gzipSync(bytes, { level: 9 }));
  }
}

/** Returns all files below a folder, with slashes. */
export async function listed(folder) {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  return found
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath ?? entry.path, entry.name)))
    .map((name) => name.split(path.sep).join('/'))
    .sort();
}

/** What each file costs a browser: the sizes after brotli. */
export function costs(files) {
  return [...files].map(([name, bytes]) => [name, brotli(bytes).length]);
}

export function digest(bytes) {
  return createHash('sha256').update(bytes).digest('hex');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const files = await bundle();
  await write(files, process.argv[2] ? path.resolve(process.argv[2]) : DIST);
  let sum = 0;
  for (const [name, size] of costs(files)) {
    sum += size;
    console.log(`${String(size).padStart(8)}  ${name}`);
  }
  console.log(`${String(sum).padStart(8)}  in all, compressed`);
}
