// Runs the unit tests: TypeScript is bundled first, browser globals that modules read are stood in.

import { build } from 'esbuild';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { WEB } from './build.mjs';

const GLOBALS = `
globalThis.document ??= { baseURI: 'http://x/zipkin/', documentElement: {}, addEventListener() {} };
globalThis.location ??= { pathname: '/zipkin/', search: '', hash: '' };
globalThis.navigator ??= { languages: ['en'] };
globalThis.addEventListener ??= () => {};
globalThis.history ??= { state: null, replaceState() {}, pushState() {} };
`;

const folder = await mkdtemp(path.join(tmpdir(), 'page-tests-'));
try {
  const names = (await readdir(path.join(WEB, 'test'))).filter((name) => name.endsWith('.test.ts'));
  await build({
    absWorkingDir: WEB, entryPoints: names.map((name) => `test/${name}`), outdir: folder, bundle: true,
    format: 'esm', platform: 'node', target: 'node20', outExtension: { '.js': '.mjs' },
    jsx: 'automatic', jsxImportSource: 'preact', banner: { js: GLOBALS }, sourcemap: 'inline',
    logLevel: 'error',
  });
  const files = names.map((name) => path.join(folder, name.replace(/\.ts$/, '.mjs')));
  const run = spawnSync(process.execPath, ['--enable-source-maps', '--test', ...files], { stdio: 'inherit' });
  process.exitCode = run.status ?? 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
