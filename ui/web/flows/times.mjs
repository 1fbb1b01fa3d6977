// Ranges of time: the same moments in every zone, followed when the address changes.

import assert from 'node:assert/strict';
import { settled, until, watched } from './harness.mjs';

const [START, END] = [Date.UTC(2026, 10, 2, 4, 0, 0, 123), Date.UTC(2026, 10, 2, 6, 0, 0, 456)];

const field = (page, name) => page.getByLabel(name, { exact: true });

/** Waits until the first field shows a time. */
const from = (page, text, what) =>
  until(async () => (await field(page, 'From').inputValue()).startsWith(text), what);

/** Goes where a link to another address of the same page would. */
const goTo = (page, url) => page.evaluate((to) => {
  history.pushState({ entry: to }, '', to);
  dispatchEvent(new PopStateEvent('popstate'));
}, url);

async function zones({ chromium, backend }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  for (const [where, names] of [
    [`?lookback=range&startTs=${START}&endTs=${END}`, ['startTs', 'endTs']],
    [`dependency?startTime=${START}&endTime=${END}`, ['startTime', 'endTime']],
  ]) {
    await page.goto(backend.url(where));
    await page.selectOption('#zone', 'local');
    await from(page, '2026-11-02T12:00', `${where} in Shanghai`);
    await page.selectOption('#zone', 'UTC');
    await from(page, '2026-11-02T04:00', `${where} in UTC`);
    assert.match(await field(page, 'To').inputValue(), /^2026-11-02T06:00/);
    await field(page, 'From').fill('2026-11-02T05:00:00');
    await page.getByRole('button', { name: 'Apply' }).click();
    await page.waitForURL((url) =>
      url.searchParams.get(names[0]) === String(Date.UTC(2026, 10, 2, 5)), where);
    assert.equal(new URL(page.url()).searchParams.get(names[1]), String(END), 'to the millisecond');
    await field(page, 'From').fill('2026-11-03T05:00:00');
    await page.getByRole('button', { name: 'Apply' }).click();
    await page.waitForSelector('.range [role=alert]');
  }
  await at.end();
}

async function followed({ chromium, backend }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url('?lookback=1h&limit=10'));
  await page.selectOption('#lookback', 'range');
  await page.getByRole('button', { name: 'Apply' }).click();
  await page.waitForURL(/lookback=range/);
  await page.goBack();
  await until(async () => (await page.inputValue('#lookback')) === '1h', 'the length is back');
  assert.equal(await page.locator('.range').count(), 0);
  const dependency = (start) => backend.url(`dependency?startTime=${start}&endTime=${END}`);
  await page.goto(dependency(START));
  await page.selectOption('#zone', 'UTC');
  await from(page, '2026-11-02T04:00', 'the first time');
  await goTo(page, dependency(START - 3_600_000));
  await from(page, '2026-11-02T03:00', 'the other time');
  for (const where of [
    `dependency?startTime=${END}&endTime=${START}`, `?lookback=range&startTs=${END}&endTs=${START}`,
  ]) {
    await page.goto(backend.url(where));
    await page.waitForSelector('.line-error');
    assert.match(await page.textContent('.line-error'), /Nothing can match: start/);
  }
  await at.end();
}

/** What is drawn says when, too. */
async function redrawn({ chromium, backend }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url('?lookback=2h&limit=10'));
  await page.selectOption('#zone', 'Asia/Kolkata');
  const plots = page.locator('canvas[data-plot]');
  await plots.nth(1).waitFor();
  await settled(page);
  const drawn = () => plots.evaluateAll((list) => list.map((canvas) => canvas.toDataURL()));
  const before = await drawn();
  await page.selectOption('#zone', 'UTC');
  await until(async () => (await drawn()).every((one, k) => one !== before[k]),
    'both are drawn anew');
  await at.end();
}

export const times = [
  ['times: a range is the same in every zone', zones],
  ['times: the picker follows the address', followed],
  ['times: charts are drawn in the zone that is chosen', redrawn],
];
