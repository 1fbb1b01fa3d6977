// What was looked at stays: on the way back, when a refresh fails, and in the address.

import assert from 'node:assert/strict';
import { settled, until, watched } from './harness.mjs';
import { NOW, opened, span, traceId } from './spans.mjs';

const NETWORK = [/Failed to load resource/, /failed: /, /console: .*ERR_/];
const rows = (page) => page.locator('.result').count();

async function wayBack({ chromium, backend }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url('?lookback=2h&limit=100'));
  await page.waitForSelector('.more button');
  await page.locator('.more button').click();
  await until(async () => (await rows(page)) === 200, 'two pages are there');
  const link = page.locator('.result-link').nth(150);
  await link.scrollIntoViewIfNeeded();
  await settled(page);
  const [top, href] = [await page.evaluate(() => scrollY), await link.getAttribute('href')];
  assert.ok(top > 1000);
  let asked = 0;
  page.on('request', (request) => {
    if (/ui\/v1\/(traces|overview)/.test(request.url())) asked += 1;
  });
  await link.click();
  await page.waitForSelector('.wf-row');
  await page.goBack();
  await until(async () => (await rows(page)) === 200, 'both pages are there again');
  await until(async () => Math.abs((await page.evaluate(() => scrollY)) - top) < 2, `${top} px down`);
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('href')), href);
  assert.equal(asked, 0, 'nothing is asked for twice');
  await page.locator('.more button').click();
  await until(async () => (await rows(page)) > 200, 'and the next page follows');
  // A link to the search is no way back: it searches anew.
  await page.locator('.result-link').first().click();
  await page.waitForSelector('.wf-row');
  asked = 0;
  await page.locator('.nav-link').first().click();
  await page.waitForSelector('.result, .empty');
  assert.ok(asked > 0);
  await at.end();
}

/** Says what a failed refresh leaves behind, and that trying again mends it. */
async function refreshed(page, { where, ready, press, refresh = () => page.keyboard.press('r') }) {
  await page.goto(where);
  await page.waitForSelector(ready);
  await settled(page);
  const before = await page.locator(ready).count();
  await page.route(/\/api\//, (route) => route.abort('connectionrefused'));
  await page.locator('body').click({ position: press });
  await refresh();
  await page.waitForSelector('.failure');
  const text = await page.textContent('.failure');
  assert.match(text, /does not answer[\s\S]*still that of \d\d:\d\d:\d\d/, where);
  assert.equal(await page.locator(ready).count(), before, `${where} keeps what was there`);
  assert.equal(await page.locator('.stale').count(), 1, `${where} is marked`);
  await page.unroute(/\/api\//);
  await page.locator('.failure button').click();
  await until(async () => (await page.locator('.failure, .stale').count()) === 0, 'it is mended');
  await until(async () => (await page.locator(ready).count()) === before, 'and all is there');
}

async function refreshFails({ chromium, backend, traces }) {
  const at = await watched(chromium, backend, { tolerate: NETWORK });
  const { page } = at;
  const press = { x: 2, y: 300 };
  const where = (to) => backend.url(to);
  await refreshed(page, { where: where('?lookback=1d&limit=20'), ready: '.result', press });
  await refreshed(page, { where: where(`traces/${traces[0][0].traceId}`), ready: '.wf-row', press });
  await refreshed(page, { where: where('dependency'), ready: '.node', press });
  await page.goto(where('?lookback=1d&limit=20'));
  await page.waitForSelector('.more button');
  await page.route(/\/api\//, (route) => route.abort('connectionrefused'));
  await page.locator('.more button').click();
  await page.waitForSelector('.results ~ .failure');
  assert.equal(await rows(page), 20);
  await page.unroute(/\/api\//);
  await page.locator('.failure button').click();
  await until(async () => (await rows(page)) === 40, 'the next page alone is tried again');
  await at.end();
}

async function likeThis(world) {
  const id = traceId();
  const longAgo = NOW() - 3 * 86_400_000_000;
  const at = await opened(world, [
    span(id, '1', null, longAgo, 5000, { service: 'seldom', tags: { colour: 'green' } }),
  ], '?spanId=0000000000000001', '.tag');
  const { page } = at;
  for (const name of ['Traces like this', 'Search traces with this colour']) {
    await page.getByRole('link', { name }).click();
    await page.waitForSelector(`.result-link[href$="${id}"]`);
    await page.goBack();
    await page.waitForSelector('.tag');
  }
  await at.end();
}

/** Opens an address anew in another browser. */
async function again({ chromium, backend }, page, ready) {
  const other = await watched(chromium, backend);
  await other.page.goto(page.url());
  await other.page.waitForSelector(ready);
  await settled(other.page);
  return other;
}

async function keptView(world) {
  const { chromium, backend, traces } = world;
  const trace = traces.find((one) => one.length > 20);
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url(`traces/${trace[0].traceId}?tab=table`));
  await page.selectOption('#group-by', 'service');
  await page.getByRole('button', { name: 'Spans', exact: true }).click();
  await page.waitForURL(/by=service.*sort=spans|sort=spans.*by=service/);
  const table = await page.textContent('.data tbody');
  let other = await again(world, page, '.data tbody tr');
  assert.equal(await other.page.textContent('.data tbody'), table);
  await other.end();
  await page.locator('#tab-flame').click();
  await page.getByRole('button', { name: 'Heaviest left' }).click();
  await page.locator('.flame-scroll').focus();
  for (const key of ['ArrowDown', 'ArrowDown', 'Enter', ' ']) await page.keyboard.press(key);
  await page.waitForURL((url) => ['flame', 'part', 'spanId'].every((key) => url.searchParams.has(key)));
  other = await again(world, page, '.detail .ids');
  const pixels = (one) => one.evaluate(() => document.querySelector('.flame canvas').toDataURL());
  const shown = await pixels(page);
  await until(async () => (await pixels(other.page)) === shown, 'the same is drawn');
  await other.end();
  await at.end();
}

async function keptFolds(world) {
  const id = traceId();
  const now = NOW();
  const spans = [span(id, '1', null, now, 900_000)];
  for (let k = 0; k < 150; k += 1) {
    const [outer, inner] = [(10 + 2 * k).toString(16), (11 + 2 * k).toString(16)];
    spans.push(span(id, outer, '1', now + k * 10, 500), span(id, inner, outer, now + k * 10, 100));
  }
  const at = await opened(world, spans);
  const { page } = at;
  const count = (one) => one.getAttribute('[role=treegrid]', 'aria-rowcount');
  await page.locator('body').press('-');
  await until(async () => (await count(page)) === '151', 'all 150 are folded');
  await page.locator('.wf-twisty.shut').first().click();
  await until(async () => (await count(page)) === '152', 'one of them is open');
  await page.waitForURL(/level=1/);
  const other = await again(world, page, '.wf-row');
  assert.equal(await count(other.page), '152');
  await other.end();
  await page.locator('body').press('+');
  await until(async () => (await count(page)) === '301', 'and all are open again');
  await at.end();
}

export const back = [
  ['back: results are as they were left', wayBack],
  ['back: a refresh that fails leaves what was there', refreshFails],
  ['back: traces like this are searched at its time', likeThis],
  ['back: an address keeps table and flame graph', keptView],
  ['back: an address keeps however many folds', keptFolds],
];
