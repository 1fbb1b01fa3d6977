// The dependencies: the picture and the table say what the API says; edges lead to their traces.

import assert from 'node:assert/strict';
import { send } from '../tools/demo.mjs';
import { until, watched } from './harness.mjs';
import { NOW, span, traceId } from './spans.mjs';

async function sameAsTheApi({ chromium, backend }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url('dependency?lookback=1d'));
  await page.waitForSelector('.node');
  const links = await backend.json(`/api/v2/dependencies?endTs=${Date.now()}&lookback=86400000`);
  const ends = new Set(links.flatMap((link) => [link.parent, link.child]));
  assert.equal(await page.locator('.node').count(), ends.size);
  assert.equal(await page.locator('.edge').count(), links.length);
  await page.keyboard.press('v');
  await page.waitForSelector('.data tbody tr');
  const rows = await page.$$eval('.data tbody tr', (list) => list.map((row) =>
    [row.cells[0].textContent, row.cells[1].textContent, ...[2, 3].map((at) => row.cells[at].textContent.replaceAll(',', ''))].join(' ')));
  const wanted = links.map((link) => [link.parent, link.child, link.callCount, link.errorCount ?? 0].join(' '));
  assert.deepEqual(rows.sort(), wanted.sort());
  await at.end();
}

async function edges({ chromium, backend }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url('dependency?lookback=1d'));
  await page.waitForSelector('.edge');
  const edge = page.locator('.edge[aria-label^="payment calls bank"]');
  await edge.focus();
  await page.keyboard.press('Enter');
  await page.waitForSelector('.side');
  const calls = Number((await page.textContent('.side dd')).replaceAll(',', ''));
  await page.locator('.side a', { hasText: 'Traces' }).first().click();
  await page.waitForURL(/parent=payment&child=bank/);
  await until(async () => /^\d+/.test(await page.textContent('.found')), 'traces of the edge are found');
  await until(async () => Number((await page.textContent('.found')).match(/(\d+) traces/)?.[1]) === calls, `${calls} traces`);
  assert.match(await page.inputValue('.line input'), /call=payment->bank/);
  await at.end();
}

async function focus({ chromium, backend }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url('dependency?lookback=1d&focus=payment'));
  await page.waitForSelector('.node');
  const links = await backend.json(`/api/v2/dependencies?endTs=${Date.now()}&lookback=86400000`);
  const near = new Set(['payment', ...links.filter((link) => link.parent === 'payment').map((link) => link.child),
    ...links.filter((link) => link.child === 'payment').map((link) => link.parent)]);
  assert.equal(await page.locator('.node').count(), near.size);
  await at.end();
}

/** What a filter shows again is drawn, with all figures of a service whatever is shown. */
async function widened({ chromium, backend }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url('dependency?lookback=1d&focus=payment'));
  await page.waitForSelector('.node');
  const links = await backend.json(
    `/api/v2/dependencies?endTs=${Date.now()}&lookback=86400000`,
  );
  const edges = () => page.locator('.edge').count();
  const calls = links.filter((link) => link.child === 'payment')
    .reduce((sum, link) => sum + link.callCount, 0);
  const said = async () =>
    (await page.textContent('.node:has-text("payment")')).replaceAll(',', '');
  const whole = await said();
  assert.ok(whole.includes(`${calls} call`), whole);
  const before = await edges();
  await page.selectOption('#depth', '2');
  await until(async () => (await edges()) > before, 'a greater depth shows more');
  await page.getByRole('combobox', { name: 'Focus on a service' }).fill('');
  await page.keyboard.press('Enter');
  await until(async () => (await edges()) === links.length, 'without a focus all are there');
  const bad = links.filter((link) => link.errorCount > 0).length;
  assert.ok(bad > 0 && bad < links.length, `${bad} of ${links.length} have failed`);
  await page.getByLabel('Errors only').check();
  await until(async () => (await edges()) === bad, `${bad} are left`);
  assert.equal(await said(), whole, 'a service does what it does, whatever is shown');
  await page.locator('.node', { hasText: 'payment' }).focus();
  await page.keyboard.press('Enter');
  await page.waitForSelector('.side');
  assert.equal((await page.textContent('.side dd')).replaceAll(',', ''), String(calls));
  await page.getByLabel('Errors only').uncheck();
  await until(async () => (await edges()) === links.length, 'all are there again');
  assert.equal(await page.locator('.node.picked').count(), 1, 'what was picked still is');
  await page.fill('#min-calls', '100000');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.empty');
  await page.fill('#min-calls', '1');
  await page.keyboard.press('Enter');
  await until(async () => (await edges()) === links.length, 'fewer calls are enough');
  await at.end();
}

/** A call that was not there before is, after a refresh. */
async function grown({ chromium, start }) {
  const backend = await start();
  const at = await watched(chromium, backend);
  const { page } = at;
  const call = (trace, from, to) => [
    span(trace, '1', null, NOW(), 900, { service: from, kind: 'CLIENT' }),
    span(trace, '2', '1', NOW(), 800, { service: to, kind: 'SERVER' }),
  ];
  await backend.send(call(traceId(), 'fore', 'aft'));
  await page.goto(backend.url('dependency?lookback=1d'));
  await page.waitForSelector('.edge', { state: 'attached' });
  await backend.send(call(traceId(), 'aft', 'stern'));
  // Links are found in the background: they are asked for until the new one is there.
  await until(async () => {
    await page.locator('.graph-bar .icon-button').click();
    return (await page.locator('.edge').count()) === 2;
  }, 'the new call is drawn');
  assert.equal(await page.locator('.node').count(), 3);
  await at.end();
  await backend.end();
}

async function status({ chromium, start, traces }) {
  // One of its own: what it says of the journal holds for the first five minutes.
  const backend = await start();
  await send(backend.api, traces);
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url('status'));
  await page.waitForSelector('.tile');
  const now = await backend.json('/api/ui/v1/status');
  const http = now.ingest.find((one) => one.transport === 'http');
  await until(async () => (await page.textContent('.data tbody')).replaceAll(',', '').includes(String(http.stored)), 'stored spans are shown');
  const tiles = await page.textContent('.tiles');
  assert.match(tiles, /Healthy/);
  // Nothing is sealed so soon: the segments have no bytes, and yet all is stored.
  assert.equal(now.storage.bytes, 0);
  assert.match(tiles, /StoredIn the journal/);
  await at.end();
  await backend.end();
}

export const dependency = [
  ['dependencies: picture and table equal the API', sameAsTheApi],
  ['dependencies: an edge leads to its traces, by keys', edges],
  ['dependencies: a focus shows what is near', focus],
  ['dependencies: a wider filter shows more', widened],
  ['dependencies: a refresh shows a new call', grown],
  ['status: says what came in', status],
];
