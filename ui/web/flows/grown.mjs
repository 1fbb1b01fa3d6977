// A trace that is looked at while spans come in and its address changes.

import assert from 'node:assert/strict';
import { settled, until } from './harness.mjs';
import { NOW, opened, span, traceId } from './spans.mjs';

const chosen = (page) => page.textContent('.wf-row.selected');
const soon = () => (Date.now() - 1000) * 1000;

/** Both sides report one id: what is selected stays the server's side. */
async function halves(world) {
  const [id, now] = [traceId(), soon()];
  const at = await opened(world, [
    span(id, '1', null, now, 400_000, { service: 'caller' }),
    span(id, '2', '1', now + 10, 300_000, { service: 'caller', kind: 'CLIENT' }),
    span(id, '2', '1', now + 20, 200_000, { service: 'called', kind: 'SERVER', shared: true }),
  ]);
  const { page } = at;
  await page.locator('.wf-row', { hasText: 'called' }).click({ position: { x: 60, y: 10 } });
  await page.waitForURL(/spanId=0000000000000002-s/);
  await page.getByRole('button', { name: 'Copy link' }).click();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  assert.match(link, /spanId=0000000000000002-s/);
  await page.goto(link);
  await page.waitForSelector('.wf-row.selected');
  assert.match(await chosen(page), /called/);
  await world.backend.send([span(id, '3', '1', now + 30, 400_000, { service: 'late' })]);
  await page.locator('.wf-row', { hasText: 'late' }).waitFor();
  assert.match(await chosen(page), /called/);
  await at.end();
}

/** An address that changes under the page is followed, there and back. */
async function followed(world) {
  const [id, now] = [traceId(), NOW()];
  const at = await opened(world, [
    span(id, '1', null, now, 400_000), span(id, '2', '1', now + 10, 300_000),
    span(id, '3', '2', now + 20, 200_000),
  ], '?spanId=0000000000000002', '.wf-row.selected');
  const { page } = at;
  assert.match(await chosen(page), /op 2/);
  await page.evaluate(() => {
    location.hash = '#0000000000000003';
  });
  await until(async () => /op 3/.test(await chosen(page)), 'the span behind the mark is shown');
  await page.waitForURL(/spanId=0000000000000003$/);
  await page.evaluate(() => {
    const url = new URL(location.href);
    url.search = 'tab=table';
    history.pushState({ entry: 'table' }, '', url);
    dispatchEvent(new PopStateEvent('popstate'));
  });
  await page.waitForSelector('.table-view');
  await page.goBack();
  await page.waitForSelector('.wf-row.selected');
  assert.match(await chosen(page), /op 3/);
  await page.waitForSelector('.detail');
  await page.goBack();
  await until(async () => /op 2/.test(await chosen(page)), 'the first one again');
  await at.end();
}

/** What is read stays while the trace is asked for again; what is zoomed in on as well. */
async function kept(world) {
  const [id, now] = [traceId(), soon()];
  const at = await opened(world, [
    span(id, '2', '1', now, 400_000, { tags: { colour: 'green' } }),
  ], '?spanId=0000000000000002&from=100000&to=200000', '.tag');
  const { page } = at;
  let asked = 0;
  page.on('response', (answer) => {
    if (answer.url().includes('/api/v2/trace/')) asked += 1;
  });
  await page.evaluate(() => {
    globalThis.gone = 0;
    new MutationObserver((list) => {
      for (const { removedNodes } of list) globalThis.gone += removedNodes.length;
    }).observe(document.querySelector('.detail-body'), { childList: true });
  });
  await until(() => asked >= 1, 'the trace is asked for again');
  await settled(page);
  await world.backend.send([span(id, '1', null, now - 50_000, 500_000)]);
  await page.waitForURL(/from=150000&to=250000/);
  assert.equal(await page.locator('.tag').count(), 1);
  assert.equal(await page.evaluate(() => globalThis.gone), 0, 'nothing was taken away meanwhile');
  await at.end();
}

/** Clocks as they are begin at another time; the part that is shown is the same. */
async function clocks(world) {
  const [id, now] = [traceId(), NOW()];
  const at = await opened(world, [
    span(id, '1', null, now, 10_000, { kind: 'CLIENT', service: 'fore' }),
    span(id, '2', '1', now - 5_000_000, 8000, { kind: 'SERVER', service: 'aft' }),
  ], '?from=2000&to=4000');
  const { page } = at;
  await page.getByLabel('Show clocks as they are').check();
  await page.waitForURL(/from=5002000&to=5004000/);
  await at.end();
}

export const grown = [
  ['grown: the selected half of a shared span stays', halves],
  ['grown: an address that changes is followed', followed],
  ['grown: what is read and zoomed in on stays', kept],
  ['grown: clocks as they are keep the zoom', clocks],
];
