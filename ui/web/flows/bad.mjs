// A server that is missing, failing, slow or cut off: said in words, with a way to try again.

import assert from 'node:assert/strict';
import { accessible, until, watched } from './harness.mjs';

const NETWORK = [/Failed to load resource/, /failed: /, /console: .*ERR_/];

async function missing({ chromium, backend }) {
  const at = await watched(chromium, backend, { tolerate: NETWORK });
  await at.page.goto(backend.url('traces/00000000000000ab'));
  await at.page.waitForSelector('.failure');
  assert.match(await at.page.textContent('h1'), /no such trace/);
  await at.end();
}

async function failing({ chromium, backend }) {
  const at = await watched(chromium, backend, { tolerate: NETWORK });
  const { page } = at;
  let answers = 0;
  await page.route(/ui\/v1\/traces|v2\/dependencies|ui\/v1\/status|v2\/trace\//, (route) => {
    answers += 1;
    return route.fulfill({ status: 500, contentType: 'application/json', body: '{"error":{"code":"failed","message":"disk on fire"}}' });
  });
  for (const where of ['?lookback=1h', 'dependency', 'status', 'traces/abc0']) {
    await page.goto(backend.url(where));
    await page.waitForSelector('.failure');
    assert.match(await page.textContent('.failure'), /500[\s\S]*disk on fire/, where);
    const before = answers;
    await page.locator('.failure button').first().click();
    await until(() => answers > before, `${where} asks again`);
  }
  await at.end();
}

async function cutOff({ chromium, backend }) {
  const at = await watched(chromium, backend, { tolerate: NETWORK });
  const { page } = at;
  const row = JSON.stringify({ t: { id: 'ab', startUs: 1.7e15, durUs: 5, root: { svc: 'a', name: 'b' }, missingRoot: false, spans: 1, errors: 0, services: [], moreServices: 0 } });
  await page.route(/ui\/v1\/traces/, (route) => route.fulfill({ contentType: 'application/x-ndjson', body: `${row}\n{"t":{"id":"c` }));
  await page.goto(backend.url('?lookback=1h'));
  await page.waitForSelector('.failure');
  assert.match(await page.textContent('.failure'), /cut off/);
  assert.equal(await page.locator('.result').count(), 1, 'what came is shown');
  await at.end();
}

async function down({ chromium, start }) {
  const backend = await start();
  const at = await watched(chromium, backend, { tolerate: NETWORK });
  const { page } = at;
  await page.goto(backend.url('status'));
  await page.waitForSelector('.tile');
  await page.route(/api\//, (route) => route.abort('connectionrefused'));
  await page.locator('.nav-link').first().click();
  await page.waitForSelector('.failure');
  assert.match(await page.textContent('.failure'), /does not answer/);
  await page.unroute(/api\//);
  await page.locator('.failure button').first().click();
  await page.waitForSelector('.first, .empty, .result');
  await at.end();
  await backend.end();
}

async function plain({ chromium, backend }) {
  const at = await watched(chromium, backend, { tolerate: NETWORK });
  const { page } = at;
  // A Zipkin has no API but its own.
  await page.route(/ui\/v1\//, (route) => route.fulfill({ status: 404, body: '' }));
  await page.goto(backend.url('?lookback=1d&limit=20'));
  await until(async () => (await page.locator('.result').count()) === 20, 'the search works over a plain Zipkin');
  await page.goto(backend.url('status'));
  await page.waitForSelector('.tile');
  await at.end();
}

/** Until an answer comes each place says that it waits; then it shows what came. */
async function slow({ chromium, backend, traces }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  const held = [];
  await page.route(/ui\/v1\/traces|v2\/dependencies|ui\/v1\/status|v2\/trace\//, (route) => { held.push(route); });
  for (const [where, ready] of [
    ['?lookback=1d&limit=10', '.result'], ['dependency', '.node'], ['status', '.tile'],
    [`traces/${traces[0][0].traceId}`, '.wf-row'],
  ]) {
    await page.goto(backend.url(where));
    await page.waitForSelector('[role=status], [aria-busy=true]');
    assert.equal(await page.locator(ready).count(), 0, where);
    await until(() => held.length > 0, `${where} is asked for`);
    const letThrough = setInterval(() => {
      for (const route of held.splice(0)) route.continue().catch(() => {});
    }, 20);
    await page.waitForSelector(ready);
    clearInterval(letThrough);
    held.splice(0);
  }
  await at.end();
}

async function tooLarge({ chromium, backend }) {
  const at = await watched(chromium, backend, { tolerate: NETWORK });
  const { page } = at;
  await page.route(/ui\/v1\/traces|v2\/dependencies|v2\/trace\//, (route) => route.fulfill({ status: 413, body: '' }));
  for (const where of ['?lookback=1h', 'dependency', 'traces/abc0']) {
    await page.goto(backend.url(where));
    await page.waitForSelector('.failure');
    assert.match(await page.textContent('.failure'), /too large/, where);
  }
  await at.end();
}

/** What the page itself needs and does not get: said as well, and asked for again. */
async function parts({ chromium, backend, traces }) {
  const at = await watched(chromium, backend, { tolerate: NETWORK });
  const { page } = at;
  const workers = /worker-[^/]*\.js$/;
  const trace = `traces/${traces[0][0].traceId}`;
  for (const [where, ready] of [[trace, '.wf-row'], ['dependency', '.node']]) {
    await page.route(workers, (route) => route.abort('connectionrefused'));
    await page.goto(backend.url(where));
    await page.waitForSelector('.failure');
    assert.match(await page.textContent('.failure'), /part of the page could not be loaded/, where);
    await page.unroute(workers);
    await page.locator('.failure button').click();
    await page.waitForSelector(ready);
  }
  const overview = /ui\/v1\/overview/;
  await page.route(overview, (route) => route.fulfill({ status: 500, body: 'no' }));
  await page.goto(backend.url('?lookback=1d&limit=10&view=groups'));
  await page.waitForSelector('.failure');
  assert.equal(await page.locator('.waiting').count(), 0, 'nothing is waited for');
  await page.unroute(overview);
  await page.locator('.failure button').click();
  await page.waitForSelector('.results-card .data tbody tr');
  await page.route(/assets\/zh-/, (route) => route.abort('connectionrefused'));
  await page.selectOption('#language', 'zh');
  await until(async () => (await page.getAttribute('html', 'lang')) === 'en', 'words stay English');
  await page.selectOption('#language', 'en');
  await at.end();
}

async function said({ chromium, backend }) {
  const at = await watched(chromium, backend, { tolerate: NETWORK });
  const { page } = at;
  const bodies = [[502, '<html>bad gateway</html>'], [500, '{"message":"on fire"}']];
  for (const [status, body] of bodies) {
    await page.route(/v2\/trace\//, (route) => route.fulfill({ status, body }));
    await page.goto(backend.url('traces/abc0'));
    await page.waitForSelector('.failure');
    const text = await page.textContent('.failure');
    assert.ok(text.includes(`status ${status}`) && !/[<{]/.test(text), text);
    await page.unroute(/v2\/trace\//);
  }
  await at.end();
}

/** An answer that can't be drawn: said in words, and the rest of the page goes on. */
async function broken({ chromium, backend, traces }) {
  const at = await watched(chromium, backend, { tolerate: [/TypeError/] });
  const { page } = at;
  const whole = /v2\/dependencies/;
  const breaks = (route) => route.fulfill({ contentType: 'application/json', body: '[null]' });
  await page.goto(backend.url('dependency?lookback=1d'));
  await page.waitForSelector('.node');
  await page.route(whole, breaks);
  await page.locator('.graph-bar .icon-button').click();
  await page.waitForSelector('main .failure');
  assert.match(await page.textContent('main .failure'), /page failed/);
  assert.equal(await page.locator('.node, .graph-bar').count(), 0, 'nothing is left of what broke');
  await accessible(page, 'a page that broke');
  await page.unroute(whole);
  await page.locator('.failure button').click();
  await page.waitForSelector('.node');
  await until(() => page.evaluate(() => document.activeElement !== document.body),
    'the focus is not lost');
  await page.route(whole, breaks);
  await page.locator('.graph-bar .icon-button').click();
  await page.waitForSelector('main .failure');
  // Another time of the same page is another thing to draw.
  await page.unroute(whole);
  await page.getByRole('link', { name: 'Dependencies' }).click();
  await page.waitForSelector('.node');
  await page.route(whole, breaks);
  await page.locator('.graph-bar .icon-button').click();
  await page.waitForSelector('main .failure');
  await page.keyboard.press('g');
  await page.keyboard.press('t');
  await page.waitForSelector('.tile');
  // A part that breaks leaves the others alone.
  await page.route(/ui\/v1\/overview/, (route) => route.fulfill({
    contentType: 'application/json', body: '{"traces":3,"edgesUs":null}',
  }));
  await page.goto(backend.url('?lookback=1d&limit=10'));
  await page.waitForSelector('.broken .failure');
  assert.equal(await page.locator('.result').count(), 10);
  await page.unroute(/ui\/v1\/overview/);
  await page.keyboard.press('r');
  await page.waitForSelector('[data-plot=heat]');
  assert.equal(await page.locator('.failure').count(), 0);
  await page.goto(backend.url(`traces/${traces[0][0].traceId}`));
  await page.waitForSelector('.wf-row');
  await at.end();
}

export const bad = [
  ['bad: an answer that can not be drawn', broken],
  ['bad: a part of the page that does not come', parts],
  ['bad: what a proxy says of a trace', said],
  ['bad: a trace that is not there', missing],
  ['bad: a server that fails', failing],
  ['bad: a stream that is cut off', cutOff],
  ['bad: a server that is gone, and comes back', down],
  ['bad: a slow server', slow],
  ['bad: what is too large', tooLarge],
  ['bad: a plain Zipkin behind the page', plain],
];
