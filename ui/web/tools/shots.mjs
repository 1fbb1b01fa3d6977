// Makes screenshots of each page: `node tools/shots.mjs http://127.0.0.1:9411 out [width..]`.

import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { browser } from './browser.mjs';

/** What is looked at; `ready` is there once the page has settled. */
export function views(ids) {
  return [
    ['search', '?lookback=1h&limit=20', '.result'],
    ['groups', '?lookback=1h&limit=20&view=groups', '.data tbody tr, .result'],
    ['trace', `traces/${ids.checkout}?critical=1`, '.wf-row'],
    ['detail', `traces/${ids.checkout}?spanId=${ids.span}`, '.tag'],
    ['find', `traces/${ids.checkout}?find=service%3Dcart&fold=0`, '.wf-row.no-match'],
    ['flame', `traces/${ids.checkout}?tab=flame`, '.flame canvas'],
    ['services', `traces/${ids.checkout}?tab=graph`, '.node'],
    ['table', `traces/${ids.checkout}?tab=table`, '.data tbody tr'],
    ['events', `traces/${ids.checkout}?tab=events`, '.data, .empty'],
    ['json', `traces/${ids.checkout}?tab=json`, '.json pre'],
    ['dependency', 'dependency', '.node'],
    ['dependency-table', 'dependency?view=table', '.data tbody tr'],
    ['status', 'status', '.tile'],
    ['nothing', '?serviceName=nosuch&lookback=15m', '.empty, .first'],
    ['missing', 'traces/00000000000000ab', '.failure'],
    ['upload', 'traceViewer', '.drop'],
  ];
}

/** Finds a checkout with an error and a span of it worth a look. */
export async function interesting(base) {
  const url = new URL('/api/v2/traces?serviceName=storefront&spanName=post%20%2Fcheckout&limit=200&lookback=86400000', base);
  const traces = await (await fetch(url)).json();
  const failed = (trace) => trace.filter((span) => span.tags?.error).length;
  const best = traces.sort((a, b) => failed(b) - failed(a) || b.length - a.length)[0];
  const span = best.find((one) => one.tags?.error && one.kind === 'CLIENT') ?? best[0];
  return { checkout: best[0].traceId, span: span.id };
}

if (process.argv[1].endsWith('shots.mjs')) {
  const [base, out, ...words] = process.argv.slice(2);
  const only = words.filter((word) => !/^\d+$/.test(word) && !/^(light|dark|en|zh)$/.test(word));
  const widths = words.filter((word) => /^\d+$/.test(word)).map(Number);
  const themes = words.filter((word) => /^(light|dark)$/.test(word));
  const locale = words.includes('zh') ? 'zh-CN' : 'en-US';
  await mkdir(out, { recursive: true });
  const ids = await interesting(base);
  const chromium = await browser();
  for (const width of widths.length > 0 ? widths : [1280]) {
    for (const colorScheme of themes.length > 0 ? themes : ['light', 'dark']) {
      const context = await chromium.newContext({
        viewport: { width, height: width < 600 ? 740 : 800 }, colorScheme, locale, timezoneId: 'UTC',
      });
      const page = await context.newPage();
      page.on('console', (message) => {
        if (message.type() === 'error') console.log(`console: ${message.text()}`);
      });
      page.on('pageerror', (error) => console.log(`error: ${error.stack}`));
      for (const [name, where, ready] of views(ids)) {
        if (only.length > 0 && !only.includes(name)) continue;
        await page.goto(new URL(`/zipkin/${where}`, base).href);
        await page.waitForSelector(ready, { timeout: 8000 }).catch(() => console.log(`${name}: no ${ready}`));
        await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
        await page.waitForTimeout(250);
        const zh = locale === 'zh-CN' ? '-zh' : '';
        await page.screenshot({ path: path.join(out, `${name}-${width}-${colorScheme}${zh}.png`) });
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (wide > 0) console.log(`${name} ${width}: ${wide} px too wide`);
      }
      await context.close();
    }
  }
  await chromium.close();
}
