// Every page in both languages, both themes and all widths: axe has nothing to say, nothing is
// wider than the window, and no word of the other language is left.

import assert from 'node:assert/strict';
import { build } from 'esbuild';
import path from 'node:path';
import { WEB } from '../tools/build.mjs';
import { interesting, views } from '../tools/shots.mjs';
import { accessible, settled, until, watched } from './harness.mjs';

async function english() {
  const built = await build({
    entryPoints: [path.join(WEB, 'src/i18n/en.ts'), path.join(WEB, 'src/i18n/zh.ts')], bundle: true,
    format: 'esm', write: false, outdir: 'out', logLevel: 'error',
  });
  const load = async (file) => import(`data:text/javascript;base64,${Buffer.from(file.contents).toString('base64')}`);
  const { en } = await load(built.outputFiles[0]);
  const { zh } = await load(built.outputFiles[1]);
  // The word for an error is also the name of a tag, which is data.
  const keys = Object.keys(en).filter((key) => en[key] !== zh[key] && en[key].length > 3 && key !== 'word.error');
  return new Set(keys.map((key) => en[key]).filter((text) => !text.includes('{')));
}

const words = (page) => page.evaluate(() => {
  const found = [document.title];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) found.push(walk.currentNode.data.trim());
  for (const element of document.querySelectorAll('[aria-label],[title],[placeholder]')) {
    for (const name of ['aria-label', 'title', 'placeholder']) found.push(element.getAttribute(name) ?? '');
  }
  return found;
});

const looksOf = (locale, colorScheme, width, deviceScaleFactor = 1) => async ({ chromium, backend }) => {
  const ids = await interesting(backend.api);
  const foreign = locale === 'zh-CN' ? await english() : new Set();
  const at = await watched(chromium, backend, {
    locale, colorScheme, viewport: { width, height: 800 }, deviceScaleFactor, tolerate: [/404/],
  });
  const { page } = at;
  for (const [name, where, ready] of views(ids)) {
    await page.goto(backend.url(where));
    await page.waitForSelector(ready);
    await settled(page);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `${name}: ${wide} px too wide`);
    if (foreign.size > 0) {
      await until(async () => !(await words(page)).some((text) => foreign.has(text)),
        `no English is left on ${name}: ${(await words(page)).filter((text) => foreign.has(text))}`);
    }
    assert.equal(await page.evaluate(() => document.documentElement.lang), locale === 'zh-CN' ? 'zh-CN' : 'en');
    await accessible(page, `${name} ${locale} ${colorScheme} ${width}`);
  }
  await at.end();
};

async function switches({ chromium, backend }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url('?lookback=1d'));
  await page.waitForSelector('.result');
  await page.selectOption('#language', 'zh');
  await until(async () => (await page.textContent('.nav-link')).includes('搜索'), 'the language is switched');
  const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await ground();
  await page.selectOption('#theme', 'dark');
  await until(async () => (await ground()) !== light, 'the theme is switched');
  const local = await page.textContent('.result .time');
  await page.selectOption('#zone', 'UTC');
  await until(async () => (await page.textContent('.result .time')) !== local, 'the zone is switched');
  await page.reload();
  await page.waitForSelector('.result');
  assert.notEqual(await ground(), light, 'the choice is kept');
  assert.match(await page.textContent('.nav-link'), /搜索/);
  await at.end();
}

async function forcedColors({ chromium, backend }) {
  const at = await watched(chromium, backend, { forcedColors: 'active', reducedMotion: 'reduce' });
  await at.page.goto(backend.url('?lookback=1d'));
  await at.page.waitForSelector('.result');
  await at.end();
}

export const looks = [
  ['looks: English, light, 1280', looksOf('en-US', 'light', 1280)],
  ['looks: Chinese, dark, 1280', looksOf('zh-CN', 'dark', 1280)],
  ['looks: English, dark, 360', looksOf('en-US', 'dark', 360)],
  ['looks: Chinese, light, 1920', looksOf('zh-CN', 'light', 1920)],
  // A window of 1280 pixels whose text is magnified twice and four times, as WCAG asks.
  ['looks: English, light, 200 %', looksOf('en-US', 'light', 640, 2)],
  ['looks: English, dark, 400 %', looksOf('en-US', 'dark', 320, 4)],
  ['looks: language, theme and zone change at once and are kept', switches],
  ['looks: forced colours', forcedColors],
];
