// The dependencies: the picture and the table say what the API says; edges lead to their traces.

import assert from 'node:assert/strict';
import { until, watched } from './harness.mjs';

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

async function status({ chromium, backend }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url('status'));
  await page.waitForSelector('.tile');
  const now = await backend.json('/api/ui/v1/status');
  const http = now.ingest.find((one) => one.transport === 'http');
  await until(async () => (await page.textContent('.data tbody')).replaceAll(',', '').includes(String(http.stored)), 'stored spans are shown');
  assert.match(await page.textContent('.tiles'), /Healthy/);
  await at.end();
}

export const dependency = [
  ['dependencies: picture and table equal the API', sameAsTheApi],
  ['dependencies: an edge leads to its traces, by keys', edges],
  ['dependencies: a focus shows what is near', focus],
  ['status: says what came in', status],
];
