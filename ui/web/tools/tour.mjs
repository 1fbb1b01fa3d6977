// Makes the pictures of docs/tour.md, of a running `speargun demo`: `cargo xtask ui pictures`.

import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { settled, until } from '../flows/harness.mjs';
import { browser } from './browser.mjs';
import { WEB } from './build.mjs';
import { small } from './palette.mjs';

const OUT = path.join(WEB, '../../docs/images');
const SERVICES = 15; // with the imitated stores and the queue, as the graph shows them

const demo = spawn(process.env.SPEARGUN, ['demo', '--rate', '20'], { stdio: ['ignore', 'pipe', 'inherit'] });
const lines = createInterface({ input: demo.stdout });
const places = {};
for await (const line of lines) {
  const [, name, url] = /^\s+(the page|registries)\s+(http:\S+)/.exec(line) ?? [];
  if (name) places[name] = url;
  if (line.startsWith('Ctrl-C')) break;
}
const page = new URL(places['the page']);
const ask = async (target) => (await fetch(new URL(target, page))).json();

/** Returns the id of a bought book's trace, the mail included, without an error. */
async function bought() {
  const traces = await ask('/api/v2/traces?serviceName=mail&limit=200');
  const whole = traces.find((trace) => trace.some((span) => span.name === 'buy')
    && !trace.some((span) => span.tags?.error));
  return whole?.[0].traceId;
}

let buy;
await until(async () => {
  buy = await bought();
  const links = await ask(`/api/v2/dependencies?endTs=${Date.now()}&lookback=3600000`);
  const names = new Set(links.flatMap((link) => [link.parent, link.child]));
  return buy && names.size >= SERVICES;
}, 'all services are in traces', 60_000);

const chromium = await browser();
const context = await chromium.newContext({
  viewport: { width: 1280, height: 800 }, colorScheme: 'light', locale: 'en-US', timezoneId: 'UTC',
});
const tab = await context.newPage();
await mkdir(OUT, { recursive: true });
for (const [name, url, ready] of [
  ['tour-trace', new URL(`traces/${buy}?critical=1`, page).href, '.wf-row'],
  ['tour-dependency', new URL('dependency', page).href, '.node'],
  ['tour-registry', places.registries, 'table'],
]) {
  await tab.goto(url);
  await tab.waitForSelector(ready);
  await tab.waitForLoadState('networkidle');
  if (url.startsWith(page.href)) await settled(tab);
  await writeFile(path.join(OUT, `${name}.png`), small(await tab.screenshot()));
}
await chromium.close();
const ended = new Promise((resolve) => demo.once('exit', resolve));
demo.kill('SIGINT');
await ended;
