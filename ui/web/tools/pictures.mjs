// Makes the pictures of docs/ui.md and the README, of the real binary with the demo shop's spans:
// `cargo xtask ui pictures`, or with `--sources` for a page that is not built into the binary yet.

import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Backend, settled } from '../flows/harness.mjs';
import { browser } from './browser.mjs';
import { WEB } from './build.mjs';
import { send, shopTraces } from './demo.mjs';
import { small } from './palette.mjs';
import { interesting, views } from './shots.mjs';

const WANTED = ['search', 'trace', 'detail', 'flame', 'dependency', 'status'];
const OUT = path.join(WEB, '../../docs/images');

/** Returns whether the page has asked twice and knows a rate. */
const isMeasured = () => !document.querySelector('.tiles').textContent.includes('…');

const backend = await Backend.start({
  binary: process.env.SPEARGUN, sources: process.argv.includes('--sources'),
});
await send(backend.api, shopTraces({ endMs: Date.now() - 40_000 }));
const ids = await interesting(backend.api);
const chromium = await browser();
await mkdir(OUT, { recursive: true });
for (const colorScheme of ['light', 'dark']) {
  const context = await chromium.newContext({
    viewport: { width: 1280, height: 800 }, colorScheme, locale: 'en-US', timezoneId: 'UTC',
  });
  const page = await context.newPage();
  for (const [name, where, ready] of views(ids).filter(([one]) => WANTED.includes(one))) {
    await page.goto(backend.url(where));
    await page.waitForSelector(ready);
    await page.waitForLoadState('networkidle');
    if (name === 'status') await page.waitForFunction(isMeasured, undefined, { timeout: 30_000 });
    await settled(page);
    await writeFile(path.join(OUT, `${name}-${colorScheme}.png`), small(await page.screenshot()));
  }
  await context.close();
}
await chromium.close();
await backend.end();
