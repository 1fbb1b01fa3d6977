// Addresses of other makers: Lens, the classic page.

import assert from 'node:assert/strict';
import { until, watched } from './harness.mjs';

/** Opens an address and returns the question that the page asked of the API. */
async function asked({ chromium, backend }, where, pattern) {
  const at = await watched(chromium, backend);
  const waiting = at.page.waitForRequest((request) => pattern.test(request.url()));
  await at.page.goto(backend.url(where));
  const { searchParams } = new URL((await waiting).url());
  return { at, params: searchParams };
}

async function lens(world) {
  const { at, params } = await asked(world, '?serviceName=payment&spanName=post+%2Fcharge&remoteServiceName=bank&' +
    'annotationQuery=http.method%3DPOST&minDuration=10ms&maxDuration=1s&lookback=15m&endTs=1700000000000&limit=10', /ui\/v1\/traces/);
  assert.deepEqual(
    ['serviceName', 'spanName', 'remoteServiceName', 'annotationQuery', 'minDuration', 'maxDuration', 'lookback', 'limit'].map((key) => params.get(key)),
    ['payment', 'post /charge', 'bank', 'http.method=POST', '10000', '1000000', '900000', '10'],
  );
  await at.end();
  const bare = await asked(world, '?serviceName=payment', /ui\/v1\/traces/);
  assert.equal(bare.params.get('lookback'), '900000');
  await bare.at.end();
}

async function classic(world) {
  const { at, params } = await asked(world, '?serviceName=payment&spanName=all&lookback=3600000&endTs=1700000000000&' +
    'annotationQuery=&minDuration=&limit=&sortOrder=duration-desc', /ui\/v1\/traces/);
  assert.deepEqual(['spanName', 'lookback', 'endTs', 'sort'].map((key) => params.get(key)), [null, '3600000', '1700000000000', 'duration']);
  await at.end();
  for (const where of ['dependency?startTs=1600000000000&endTs=1600003600000', 'dependency?endTs=1600003600000&lookback=3600000',
    'dependency?startTime=1600000000000&endTime=1600003600000']) {
    const map = await asked(world, where, /v2\/dependencies/);
    assert.deepEqual([map.params.get('endTs'), map.params.get('lookback')], ['1600003600000', '3600000'], where);
    await map.at.end();
  }
}

async function traces({ chromium, backend, traces: list }) {
  const [trace] = list;
  const id = trace[0].traceId;
  const span = trace.at(-2).id;
  for (const where of [`traces/${id.toUpperCase()}`, `trace/${id}`, `traces/${id}#${span}`, `traces/${id}?spanId=${span}`]) {
    const at = await watched(chromium, backend);
    await at.page.goto(backend.url(where));
    await at.page.waitForSelector('.wf-row');
    if (where.includes(span)) {
      await at.page.waitForSelector('.wf-row.selected');
      assert.equal(await at.page.getAttribute('.wf-row.selected', 'data-span'), span);
    }
    await until(() => /\/traces\//.test(at.page.url()), 'the address has its lasting form');
    await at.end();
  }
  const at = await watched(chromium, backend);
  await at.page.goto(backend.url(`traces/${id}?embed=1`));
  await at.page.waitForSelector('.wf-row');
  assert.equal(await at.page.locator('.top').count(), 0, 'embedded, there is no bar');
  await at.end();
}

export const addresses = [
  ['addresses: those of Lens ask the same', lens],
  ['addresses: those of the classic page are understood', classic],
  ['addresses: traces in all their forms', traces],
];
