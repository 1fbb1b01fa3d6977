// Measures the page's budgets over the real binary and writes them under benches/results:
// `cargo xtask ui bench [--sources] [--sizes N,..]`. Zipkin's own page, from the jar of its server,
// is measured the same way over the same API.

import { writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Backend } from '../flows/harness.mjs';
import { browser } from './browser.mjs';
import { bundle, costs, WEB } from './build.mjs';
import { bigTrace, send, shopTraces } from './demo.mjs';
import { lensFiles } from './lens.mjs';
import { measureLens, measureSearch, measureTrace } from './measure.mjs';
import { serve } from './serve.mjs';

const { values } = parseArgs({
  options: {
    sources: { type: 'boolean', default: false },
    sizes: { type: 'string', default: '100,1000,10000,100000,1000000' },
  },
});
/** Twice as many spans take Lens a minute of its main thread, ten times as many do not open. */
const LENS_MAX = 10_000;
const one = (value) => (Math.round(value * 10) / 10).toFixed(1);
const row = (...cells) => `| ${cells.join(' | ')} |`;
const lines = [];

const backend = await Backend.start({ binary: process.env.SPEARGUN, sources: values.sources });
const chromium = await browser();
const sizes = values.sizes.split(',').map(Number);
const traces = new Map();
for (const size of sizes) {
  const trace = bigTrace({ count: size, endMs: Date.now() - 90_000_000, seed: size });
  await send(backend.api, [trace]);
  traces.set(size, trace[0].traceId);
}
await send(backend.api, shopTraces({ endMs: Date.now() - 40_000 }));

const files = costs(await bundle());
const index = (await bundle()).get('index.html').toString();
const first = files.filter(([name]) => name === 'index.html' || index.includes(`"${name}"`));
const sum = (list) => list.reduce((all, [, size]) => all + size, 0) / 1024;
const search = await measureSearch(chromium, backend.base);
lines.push(row('what', 'measured', 'budget'), row('---', '---', '---'),
  row('first load, compressed, KB', one(sum(first)), '90'),
  row('everything, compressed, KB', one(sum(files)), '220'),
  row('requests until the search can be used', search.requests, '4'),
  row('search usable, cold, ms', one(search.usableMs), '150'),
  row('50 rows and charts shown, ms', one(search.listedMs), ''), '');

lines.push(row('spans', 'open ms', 'wheel p95 ms', 'wheel max ms', 'jump p95 ms', 'jump max ms', 'zoom p95 ms', 'click ms', 'find ms', 'elements', 'page MB', 'thread MB'),
  row(...Array(12).fill('---')));
for (const size of sizes) {
  const at = await measureTrace(chromium, backend.base, traces.get(size));
  const own = (value) => one(Math.max(0, value - at.frameMs));
  lines.push(row(size, one(at.openMs), own(at.wheelP95Ms), own(at.wheelMaxMs), own(at.scrollP95Ms), own(at.scrollMaxMs), own(at.zoomP95Ms), own(at.clickMs),
    own(at.findMs), at.elements, one(at.pageMb), one(at.threadMb)));
}

const lens = await lensFiles();
const front = await serve({ files: () => lens, backend: new URL(backend.api), policy: false });
lines.push('', 'Lens of Zipkin 3.6.1 over the same API, the same measures:', '',
  row('spans', 'open ms', 'elements', 'heap MB'), row('---', '---', '---', '---'));
for (const size of sizes.filter((count) => count <= LENS_MAX)) {
  const at = await measureLens(chromium, `http://127.0.0.1:${front.address().port}`, traces.get(size));
  lines.push(row(size, one(at.openMs), at.elements, one(at.heapMb)));
}
front.closeAllConnections();
front.close();
await chromium.close();
await backend.end();

const day = new Date().toISOString().slice(0, 10);
const text = `# page ${day}

\`cargo xtask ui bench\`

${os.cpus().length} cores of ${os.cpus()[0].model.trim()}, Linux ${os.release()}, headless Chromium, no GPU.

CPU time of the page's main thread (CDP thread ticks), not wall time; each figure is of one run, and
the steps of a trace are less the cost of a step that does nothing. Traces have 25 services, at most
15 levels and 4 tags a span. Memory counts objects and the buffers of typed arrays, after a
collection, apart for the page and for the thread that keeps the spans. A turn of the wheel scrolls
120 pixels a frame; a jump 1,000, two windows of rows, so that every row is filled anew.

${lines.join('\n')}
`;
await writeFile(path.join(WEB, `../../benches/results/${day}-page.md`), text);
console.log(text);
