// The focus, the title and names, when what is shown changes.

import assert from 'node:assert/strict';
import { settled, until, watched } from './harness.mjs';
import { NOW, opened, span, traceId } from './spans.mjs';

const focused = (page) => page.evaluate(() => {
  const { activeElement: at } = document;
  return at?.getAttribute('role') ?? at?.tagName ?? '';
});
const focusIs = (page, wanted) =>
  until(async () => (await focused(page)) === wanted, `the focus is with ${wanted}`);

async function focus({ chromium, backend }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url('?serviceName=payment&lookback=1d&limit=10'));
  await page.waitForSelector('.result');
  assert.equal(await focused(page), 'BODY', 'a page that is loaded takes no focus');
  await page.locator('.result-link').first().focus();
  await page.keyboard.press('Enter');
  await page.waitForSelector('.wf-row');
  await focusIs(page, 'treegrid');
  await page.keyboard.press('4');
  await page.waitForSelector('.table-view');
  await focusIs(page, 'tab');
  await page.keyboard.press('1');
  await page.waitForSelector('.wf-row');
  await page.keyboard.press('Home');
  await page.keyboard.press('3');
  await page.waitForSelector('.node');
  await page.locator('.node').first().focus();
  await page.keyboard.press('Enter');
  await page.waitForSelector('.wf-row.selected');
  await focusIs(page, 'treegrid');
  await page.keyboard.press('g');
  await page.keyboard.press('t');
  await page.waitForSelector('.tile');
  await page.goBack();
  await page.waitForSelector('.wf-row');
  await focusIs(page, 'treegrid');
  await page.keyboard.press('g');
  await page.keyboard.press('m');
  await page.waitForSelector('.node');
  await focusIs(page, 'H1');
  await page.locator('.node').first().focus();
  await page.keyboard.press('v');
  await page.waitForSelector('.data');
  await focusIs(page, 'H1');
  await at.end();
}

async function titles({ chromium, backend }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  for (const where of ['?lookback=1h', 'dependency', 'status', 'traceViewer']) {
    await page.goto(backend.url(where));
    await page.waitForSelector('h1');
    const english = await page.title();
    await page.selectOption('#language', 'zh');
    await until(async () => (await page.title()) !== english, `${where} has a title in Chinese`);
    await page.selectOption('#language', 'en');
    await until(async () => (await page.title()) === english, `${where} has its title again`);
  }
  await at.end();
}

/** A bar as wide as its trace has its label on it, and is still seen to end where it does. */
async function wholeBar(world) {
  const id = traceId();
  const at = await opened(world, [
    span(id, '1', null, NOW(), 1200, { service: 'whole', name: 'get /' }),
  ], '', '.wf-row');
  const { page } = at;
  // What lies under the middle of the first row, as runs of the bar's own color.
  const end = () => page.evaluate(() => {
    const canvas = document.querySelector('.wf-bars');
    const ratio = canvas.width / canvas.clientWidth;
    const ink = canvas.getContext('2d', { willReadFrequently: true });
    const { data } = ink.getImageData(0, Math.round(13 * ratio), canvas.width, 1);
    const color = (x) => data.slice(4 * x, 4 * x + 4).join();
    const bar = color(Math.round(40 * ratio));
    let last = canvas.width - 1;
    while (last > 0 && color(last) !== bar) last -= 1;
    return { last: last / ratio, width: canvas.clientWidth };
  });
  await until(async () => {
    const { last, width } = await end();
    return last > 0.9 * width && width - last < 20;
  }, 'the bar reaches its end');
  await at.end();
}

/** Names from right to left, side by side: the service comes first all the same. */
async function rightToLeft(world) {
  const id = traceId();
  const at = await opened(world, [
    span(id, '1', null, NOW(), 900, { service: 'خدمة', name: 'عملية' }),
  ], '?spanId=0000000000000001', '.detail .ids');
  const { page } = at;
  const order = (first, second) => page.evaluate((names) => {
    const [a, b] = names.map((name) => document.querySelector(name).getBoundingClientRect());
    return a.right <= b.left + 1;
  }, [first, second]);
  for (const where of ['h1', '.detail h2']) {
    assert.ok(await order(`${where} .service`, `${where} .operation`), where);
  }
  assert.ok(await order('.wf-row .wf-service', '.wf-row .wf-name'), 'a row');
  assert.match(await page.title(), /\u2068خدمة\u2069 \u2068عملية\u2069/);
  await page.goto(world.backend.url(`?serviceName=${encodeURIComponent('خدمة')}&lookback=1h`));
  await page.waitForSelector('.result');
  assert.ok(await order('.result .service', '.result .operation'), 'a result');
  await at.end();
}

async function alone(world) {
  const [id, now] = [traceId(), NOW()];
  const at = await opened(world, [
    span(id, '1', null, now, 900, { service: 'one' }),
    span(id, '2', null, now, 900, { service: 'two' }),
  ], '?tab=graph', '.node');
  assert.equal(await at.page.locator('.node').count(), 2);
  assert.match(await at.page.textContent('h1'), /op \d \+1 root/);
  await at.end();
}

async function narrow({ chromium, backend }) {
  const at = await watched(chromium, backend, { viewport: { width: 360, height: 740 } });
  const { page } = at;
  await page.goto(backend.url('dependency?lookback=1d'));
  await page.waitForSelector('.node');
  await settled(page);
  const heights = await page.$$eval('.node rect', (list) =>
    list.map((rect) => rect.getBoundingClientRect().height));
  assert.ok(Math.min(...heights) >= 30, `nodes are ${Math.min(...heights)} px high`);
  const seen = await page.$$eval('.node rect', (list) => list.filter((rect) => {
    const box = rect.getBoundingClientRect();
    return box.left >= 0 && box.right <= innerWidth;
  }).length);
  assert.ok(seen > 0, 'one begins where the calls do');
  await page.getByRole('button', { name: 'Show all' }).click();
  await at.end();
}

export const moved = [
  ['moved: the focus follows what is shown', focus],
  ['moved: titles are in the chosen language', titles],
  ['moved: a bar is seen to end where it does', wholeBar],
  ['moved: names from right to left', rightToLeft],
  ['moved: services that call nobody are in the graph', alone],
  ['moved: the graph can be read on a narrow screen', narrow],
];
