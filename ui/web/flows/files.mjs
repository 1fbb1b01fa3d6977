// Files: shown as traces, one after the other, and refused in words where they are none.

import assert from 'node:assert/strict';
import { accessible, until, watched } from './harness.mjs';

/** Values that are no text, one file after the other, and the way there without a key. */
async function oddFiles({ chromium, backend }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url('status'));
  await page.getByRole('link', { name: 'File' }).click();
  await page.waitForURL(/traceViewer/);
  await page.goto(backend.url('traceViewer?embed=1'));
  const show = (span) => page.setInputFiles('input[type=file]', {
    name: 'trace.json', mimeType: 'application/json', buffer: Buffer.from(JSON.stringify([span])),
  });
  const odd = {
    traceId: '1', id: '2', name: 'odd', timestamp: 1_700_000_000_000_000, duration: 900,
    localEndpoint: { serviceName: 'file' }, tags: { 'http.status_code': 200, deep: { a: 'b' } },
    annotations: [{ timestamp: 1_700_000_000_000_100 }],
  };
  await show(odd);
  await page.waitForSelector('.wf-row');
  await page.locator('.wf-row').first().click({ position: { x: 60, y: 12 } });
  await page.waitForSelector('.detail .tags');
  const said = await page.textContent('.detail');
  assert.match(said, /http\.status_code200/);
  assert.match(said, /"a": "b"/);
  await page.fill('#find', '200');
  await until(async () => (await page.textContent('.find output')).endsWith('/1'), 'it is found');
  await page.locator('[role=treegrid]').press('w');
  await page.waitForURL(/find=200.*from=.*to=/);
  await page.getByRole('button', { name: 'Another file' }).click();
  await page.waitForSelector('.drop');
  assert.equal(new URL(page.url()).search, '?embed=1', 'how the first was looked at is gone');
  await until(() => page.evaluate(() => document.activeElement?.type === 'file'),
    'the focus is there');
  await accessible(page, 'the page of files');
  await show({ ...odd, name: 'second', duration: 9 });
  await until(async () => /second/.test(await page.textContent('h1')), 'the second file is shown');
  assert.equal(await page.inputValue('#find'), '');
  assert.equal(new URL(page.url()).search, '?embed=1', 'all of it is shown');
  await at.end();
}

async function badFiles({ chromium, backend }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  for (const text of ['', 'no JSON', '{"a":1}', '[1,2]', '[{"id":"1"}]', '[[]]']) {
    await page.goto(backend.url('traceViewer'));
    await page.setInputFiles('input[type=file]', { name: 'trace.json', mimeType: 'application/json', buffer: Buffer.from(text) });
    await page.waitForSelector('.drop .failure');
    assert.match(await page.textContent('.drop .failure'), /\w/, text);
  }
  await at.end();
}

export const files = [
  ['files: values that are no text, one file after the other', oddFiles],
  ['files: those that are none are refused in words', badFiles],
];
