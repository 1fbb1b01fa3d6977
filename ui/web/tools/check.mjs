// Fails when the committed build is not what the sources give, or when it has grown over its
// budget. Compressed files are compared by what they hold: compressors differ between versions.

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { bundle, costs, digest, DIST, listed } from './build.mjs';

const FIRST_LOAD_MAX = 90 * 1024;
const ALL_MAX = 220 * 1024;

const wrong = [];
const files = await bundle();
const wanted = new Map(files);
for (const [name, bytes] of files) {
  if (!name.startsWith('assets/')) continue;
  wanted.set(`${name}.br`, bytes);
  wanted.set(`${name}.gz`, bytes);
}
const present = new Set(await listed(DIST));
for (const name of present) if (!wanted.has(name)) wrong.push(`${name} is not made by the sources`);
for (const [name, bytes] of wanted) {
  if (!present.has(name)) {
    wrong.push(`${name} is missing`);
    continue;
  }
  const raw = await readFile(path.join(DIST, name));
  const held = name.endsWith('.br') ? brotliDecompressSync(raw) : name.endsWith('.gz') ? gunzipSync(raw) : raw;
  if (digest(held) !== digest(bytes)) wrong.push(`${name} differs from what the sources give`);
}

/** What a browser loads before the search can be used: the index and all that it names. */
const index = files.get('index.html').toString();
const sizes = costs(files);
const first = sizes.filter(([name]) => name === 'index.html' || index.includes(`"${name}"`));
const sum = (list) => list.reduce((all, [, size]) => all + size, 0);
console.log(`first load ${sum(first)} of ${FIRST_LOAD_MAX} bytes in ${first.length} files, all ` +
  `${sum(sizes)} of ${ALL_MAX} bytes`);
if (sum(first) > FIRST_LOAD_MAX) wrong.push('the first load is over its budget');
if (sum(sizes) > ALL_MAX) wrong.push('the page is over its budget');
if (/<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=/.test(index)) {
  wrong.push('the index holds a script or a style, which the content security policy refuses');
}
for (const [name, bytes] of files) {
  const text = bytes.toString();
  const hosts = text.match(/https?:\/\/[a-z0-9.-]+/gi) ?? [];
  const known = /^http:\/\/(www\.w3\.org|\$|$)|^https?:\/\/(?:\W|$)/i;
  const foreign = hosts.filter((host) => !known.test(host));
  if (foreign.length > 0) wrong.push(`${name} names another host: ${foreign.join(', ')}`);
}
for (const text of wrong) console.error(text);
if (wrong.length > 0) {
  console.error('run cargo xtask ui, and commit ui/dist');
  process.exitCode = 1;
}
