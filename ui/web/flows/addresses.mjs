// Addresses of other makers: Lens, the classic page, Jaeger; and all of ours below another path.

import assert from 'node:assert/strict';
import { createServer, request } from 'node:http';
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

/** A frame stays one: at a search, at a trace of it, on the way back, and in what is looked at. */
async function frames({ chromium, backend }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  const framed = async (what) => {
    assert.match(page.url(), /[?&]embed=1/, what);
    assert.equal(await page.locator('.top').count(), 0, what);
  };
  await page.goto(backend.url('?lookback=1d&limit=10&embed=1'));
  await page.waitForSelector('.result');
  await page.selectOption('#sort', 'duration');
  await page.waitForURL(/sort=duration/);
  await framed('another order');
  await page.waitForSelector('.result');
  await page.locator('.result-link').first().click();
  await page.waitForSelector('.wf-row');
  await framed('a trace');
  await page.locator('[role=treegrid]').press('Home');
  await page.locator('[role=treegrid]').press('Enter');
  await page.waitForURL(/spanId=/);
  await framed('a span');
  await page.getByRole('link', { name: 'Traces like this' }).click();
  await page.waitForURL(/serviceName=/);
  await framed('traces like this');
  await at.end();
}

async function jaeger({ chromium, backend, traces: list }) {
  const id = list[0][0].traceId;
  const at = await watched(chromium, backend);
  const { page } = at;
  const root = new URL(backend.base);
  await page.goto(new URL(`/trace/${id}?uiFind=cart&uiEmbed=v0`, root).href);
  await page.waitForSelector('.wf-row');
  assert.equal(await page.inputValue('#find'), 'cart');
  assert.equal(await page.locator('.top').count(), 0, 'embedded, there is no bar');
  const tags = encodeURIComponent('{"http.method":"POST"}');
  await page.goto(new URL(`/search?service=payment&operation=all&lookback=1d&limit=5&tags=${tags}`, root).href);
  await page.waitForSelector('.result');
  assert.equal(await page.inputValue('.line input'), 'service=payment http.method=POST');
  await page.goto(new URL('/deep-dependencies?service=payment', root).href);
  await page.waitForURL(/zipkin\/dependency/);
  await page.waitForSelector('.node');
  await at.end();
}

/** A proxy that serves everything below a path, as in front of many a company's tools. */
function below(prefix, backend) {
  const proxy = createServer((incoming, outgoing) => {
    if (!incoming.url.startsWith(`${prefix}/`)) {
      outgoing.writeHead(404).end();
      return;
    }
    const to = new URL(incoming.url.slice(prefix.length), backend);
    const onward = request(to, { method: incoming.method, headers: incoming.headers }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    incoming.pipe(onward);
  });
  return new Promise((resolve) => {
    proxy.listen(0, '127.0.0.1', () => resolve(proxy));
  });
}

async function basePath({ chromium, start, traces: list }) {
  const backend = await start({ sources: false, environment: { ZIPKIN_UI_BASEPATH: '/a/b/zipkin' } });
  const proxy = await below('/a/b', backend.api);
  try {
    await backend.send(list[0]);
    const base = `http://127.0.0.1:${proxy.address().port}`;
    const at = await watched(chromium, { base });
    const { page } = at;
    await page.goto(`${base}/a/b/zipkin/?lookback=1d`);
    await page.locator('.result-link').first().click();
    await page.waitForSelector('.wf-row');
    assert.equal(new URL(page.url()).pathname, `/a/b/zipkin/traces/${list[0][0].traceId}`);
    await page.reload();
    await page.waitForSelector('.wf-row');
    await page.goto(`${base}/a/b/zipkin/dependency`);
    await page.waitForSelector('.node');
    await at.end();
  } finally {
    proxy.closeAllConnections();
    proxy.close();
    await backend.end();
  }
}

export const addresses = [
  ['addresses: a frame stays one', frames],
  ['addresses: those of Lens ask the same', lens],
  ['addresses: those of the classic page are understood', classic],
  ['addresses: traces in all their forms', traces],
  ['addresses: those of Jaeger lead here', jaeger],
  ['addresses: everything works below another path', basePath],
];
