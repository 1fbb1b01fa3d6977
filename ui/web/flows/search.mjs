// The search: a first start, queries by line and form, charts, paging, the way back.

import assert from 'node:assert/strict';
import { settled, until, watched } from './harness.mjs';

const count = (page) => page.locator('.result').count();
const shownIds = (page) => page.$$eval('.result-link', (links) =>
  links.map((link) => link.pathname.split('/').pop()));

/** What Zipkin's own API finds. */
async function oracle(backend, query) {
  const traces = await backend.json(`/api/v2/traces?lookback=86400000&limit=1000&${query}`);
  return traces.map((trace) => trace[0].traceId).sort();
}

async function firstSpan({ chromium, start }) {
  const backend = await start();
  const at = await watched(chromium, backend);
  await at.page.goto(backend.url());
  await at.page.waitForSelector('.first pre');
  assert.match(await at.page.textContent('.first pre'), /api\/v2\/spans/);
  await backend.send([{
    traceId: '5af7183fb1d4cf5f', id: '352bff9a74ca9ad2', name: 'get /', kind: 'SERVER', duration: 1500,
    timestamp: Date.now() * 1000, localEndpoint: { serviceName: 'first' },
  }]);
  await at.page.waitForSelector('.result-link[href$="5af7183fb1d4cf5f"]');
  await at.end();
  await backend.end();
}

async function fewRequests({ chromium, backend }) {
  const at = await watched(chromium, backend);
  const files = [];
  at.page.on('request', (request) => {
    const { protocol, pathname } = new URL(request.url());
    if (protocol !== 'data:' && !pathname.includes('/api/')) files.push(pathname);
  });
  await at.page.goto(backend.url('?lookback=1d'));
  await at.page.waitForSelector('.line input');
  // The binary puts its configuration into the page; in front of the sources it is asked for.
  const asked = files.filter((file) => !backend.front || !file.endsWith('/config.json'));
  assert.ok(asked.length <= 4, asked.join(' '));
  await at.page.waitForSelector('.result');
  await at.end();
}

async function byLine({ chromium, backend }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url('?lookback=1d&limit=1000'));
  const queries = [
    ['service=payment error', 'serviceName=payment&annotationQuery=error'],
    ['service=storefront operation="post /cart"', 'serviceName=storefront&spanName=post+%2Fcart'],
    ['remote=bank duration>=60ms', 'remoteServiceName=bank&minDuration=60000'],
    ['http.status_code=500 region=eu-west-1', 'annotationQuery=http.status_code%3D500+and+region%3Deu-west-1'],
  ];
  for (const [line, query] of queries) {
    await page.fill('.line input', line);
    await page.keyboard.press('Escape');
    await page.keyboard.press('Enter');
    const wanted = await oracle(backend, query);
    assert.ok(wanted.length > 0, `${query} finds something`);
    await until(async () => (await count(page)) === wanted.length, `${line} finds ${wanted.length}`);
    assert.deepEqual((await shownIds(page)).sort(), wanted, line);
  }
  // The same address in another browser shows the same.
  const address = page.url();
  const again = await watched(chromium, backend);
  await again.page.goto(address);
  await again.page.waitForSelector('.result');
  assert.deepEqual((await shownIds(again.page)).sort(), (await shownIds(page)).sort());
  await again.end();
  // The way back goes through the queries.
  await page.goBack();
  await until(async () => (await page.inputValue('.line input')).includes('remote=bank'), 'the way back is taken');
  // What is typed counts, whichever control asks next.
  await page.fill('.line input', 'service=payment');
  await page.keyboard.press('Escape');
  await page.selectOption('#lookback', { index: 0 });
  await page.waitForURL(/serviceName=payment/);
  await at.end();
}

/** What is left out is left out by the server: the oracle are the spans that were sent. */
async function leftOut({ chromium, backend, traces }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url('?lookback=1d&limit=1000'));
  const has = (trace, key, value) => trace.some((span) => span.tags?.[key] !== undefined && (value === undefined || span.tags[key] === value));
  const of = (trace, service) => trace.some((span) => span.localEndpoint.serviceName === service);
  const queries = [
    ['service=payment not error', (trace) => of(trace, 'payment') && !has(trace, 'error')],
    ['service=inventory region!=eu-west-1 http.path!=/items', (trace) => of(trace, 'inventory') &&
      !has(trace, 'region', 'eu-west-1') && !has(trace, 'http.path', '/items')],
  ];
  for (const [line, wanted] of queries) {
    const ids = traces.filter(wanted).map((trace) => trace[0].traceId).sort();
    assert.ok(ids.length > 0 && ids.length < traces.length, line);
    await page.fill('.line input', line);
    await page.keyboard.press('Escape');
    await page.keyboard.press('Enter');
    await until(async () => (await count(page)) === ids.length, `${line} finds ${ids.length}`);
    assert.deepEqual((await shownIds(page)).sort(), ids, line);
    assert.equal(await page.inputValue('.line input'), line);
  }
  await page.locator('.chip button').last().click();
  await until(async () => (await page.inputValue('.line input')) === 'service=inventory region!=eu-west-1', 'a chip is removed');
  await at.end();
}

async function mistakes({ chromium, backend }) {
  const at = await watched(chromium, backend);
  await at.page.goto(backend.url());
  await at.page.fill('.line input', 'service=a or duration>fast');
  await at.page.keyboard.press('Escape');
  await at.page.keyboard.press('Enter');
  assert.match(await at.page.textContent('#line-error'), /character 11/);
  assert.equal(await at.page.getAttribute('.line input', 'aria-invalid'), 'true');
  await at.end();
}

async function byForm({ chromium, backend }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url('?lookback=1d&limit=1000'));
  const service = page.getByRole('combobox', { name: 'Service', exact: true });
  await service.fill('pay');
  await page.waitForSelector('.form [role=option]');
  assert.match(await page.textContent('.form [role=option]'), /payment/);
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await until(async () => (await page.inputValue('.line input')) === 'service=payment', 'the line follows the form');
  await page.getByLabel('Errors only').check();
  const wanted = await oracle(backend, 'serviceName=payment&annotationQuery=error');
  await until(async () => (await count(page)) === wanted.length, 'the form finds the same');
  assert.equal(await page.inputValue('.line input'), 'service=payment error');
  await page.locator('.chip button').first().click();
  await until(async () => (await page.inputValue('.line input')) === 'error', 'a chip is removed');
  await at.end();
}

async function completion({ chromium, backend }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url('?lookback=1d'));
  await page.locator('.line input').pressSequentially('service=sto');
  await page.waitForSelector('.line [role=option]');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  assert.equal(await page.inputValue('.line input'), 'service=storefront ');
  await page.locator('.line input').pressSequentially('http.status');
  await until(async () => (await page.locator('.line [role=option]').allTextContents())
    .some((text) => text.startsWith('http.status_code=')), 'tag keys are offered');
  await at.end();
}

async function charts({ chromium, backend, traces }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url('?lookback=2h&limit=10'));
  await page.waitForSelector('[data-plot=heat]');
  await until(async () => (await page.textContent('.charts')).includes(`${traces.length} traces`), 'all traces are in the charts');
  const box = await page.locator('[data-plot=histogram]').boundingBox();
  await page.mouse.move(box.x + box.width * 0.4, box.y + 40);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.6, box.y + 50, { steps: 4 });
  await page.mouse.up();
  await page.waitForURL(/lookback=range/);
  const params = new URL(page.url()).searchParams;
  const [from, to] = [Number(params.get('startTs')), Number(params.get('endTs'))];
  const inside = traces.filter((trace) => {
    const start = Math.min(...trace.map((span) => span.timestamp)) / 1000;
    return start >= from && start < to;
  }).length;
  // A fifth of the width is about a fifth of the traces, which come evenly.
  assert.ok(inside > traces.length / 10 && inside < traces.length / 3, `${inside}`);
  await until(async () => Math.abs(Number(
    (await page.textContent('.charts figcaption')).match(/(\d+) traces/)?.[1]) - inside) <= 1,
  `about ${inside} traces are left`);
  await at.end();
}

/** A box in the heat map is a range of time and of durations; what is left is counted from spans. */
async function heatBox({ chromium, backend, traces }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url('?lookback=2h&limit=1000'));
  await page.waitForSelector('[data-plot=heat]');
  await until(async () => (await page.textContent('.charts')).includes(`${traces.length} traces`), 'all traces are in the charts');
  const box = await page.locator('[data-plot=heat]').boundingBox();
  await page.mouse.move(box.x + box.width * 0.3, box.y + 4);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width - 2, box.y + box.height * 0.4, { steps: 4 });
  await page.mouse.up();
  await page.waitForURL(/minTraceDuration/);
  const params = new URL(page.url()).searchParams;
  const [from, to] = [Number(params.get('startTs')), Number(params.get('endTs'))];
  const [number, unit] = params.get('minTraceDuration').match(/^(\d+)(us|ms|s)$/).slice(1);
  const least = Number(number) * { us: 1, ms: 1000, s: 1e6 }[unit];
  const inside = traces.filter((trace) => {
    const start = Math.min(...trace.map((span) => span.timestamp));
    const length = Math.max(...trace.map((span) => span.timestamp + span.duration)) - start;
    return start / 1000 >= from && start / 1000 < to && length >= least;
  });
  assert.ok(inside.length > 0 && inside.length < traces.length, `${inside.length} of ${page.url()}`);
  // Zipkin counts a trace by its newest span, so that one at the edge may be in or out.
  await until(async () => Math.abs((await count(page)) - inside.length) <= 1 && (await page.locator('.results-bar').textContent()).includes('read'),
    `about ${inside.length} rows are left`);
  await at.end();
}

/** What is drawn under the pointer is what it is about: the oracle are pixels and durations. */
async function heatCells({ chromium, start }) {
  const backend = await start();
  const now = Date.now();
  // One trace a minute, each of a length of its own.
  const lengths = [300, 4000, 60_000, 900_000, 12_000_000];
  const ids = lengths.map((_, k) => `${k + 1}`.padStart(16, 'a'));
  await backend.send(lengths.map((duration, k) => ({
    traceId: ids[k], id: ids[k], name: `of ${duration}`, kind: 'SERVER', duration,
    timestamp: (now - 3_000_000 + k * 600_000) * 1000, localEndpoint: { serviceName: 'lengths' },
  })));
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url('?lookback=1h&limit=10'));
  const canvas = page.locator('[data-plot=heat]');
  await canvas.waitFor();
  await settled(page);
  // Middles of what is drawn right of the labels and above the times, from left to right.
  const cells = await canvas.evaluate((element) => {
    const { width, height } = element;
    const { data } = element.getContext('2d').getImageData(0, 0, width, height);
    const found = [];
    for (let x = 77; x < width; x += 1) {
      for (let y = 0; y < height - 17; y += 1) {
        if (data[(y * width + x) * 4 + 3] === 0) continue;
        const near = found.find((one) => Math.abs(one.x - x) < 12 && Math.abs(one.y - y) < 12);
        if (!near) found.push({ x, y, right: x, bottom: y });
        else [near.right, near.bottom] = [Math.max(near.right, x), Math.max(near.bottom, y)];
      }
    }
    return found.map(({ x, y, right, bottom }) =>
      ({ x: (x + right + 1) / 2, y: (y + bottom + 1) / 2 }));
  });
  assert.equal(cells.length, ids.length);
  for (let k = 0; k < ids.length; k += 1) {
    await canvas.scrollIntoViewIfNeeded();
    await canvas.click({ button: 'right', position: cells[k] });
    assert.ok(!/traces\/|range/.test(page.url()), 'the other button does nothing here');
    await canvas.hover({ position: cells[k] });
    assert.match(await canvas.locator('xpath=..').locator('output').textContent(), /1 trace/);
    await canvas.click({ position: cells[k] });
    await page.waitForURL(new RegExp(`traces/${ids[k]}`));
    await page.waitForSelector('.wf-row');
    await page.goBack();
    await canvas.waitFor();
    await settled(page);
  }
  await at.end();
  await backend.end();
}

async function paging({ chromium, backend, traces }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url('?lookback=2h&limit=100'));
  await page.waitForSelector('.more button');
  for (let shown = 100; shown < traces.length; shown += 100) {
    await until(async () => (await count(page)) === shown, `${shown} rows`);
    await page.locator('.more button').click();
  }
  await until(async () => (await count(page)) === traces.length, 'all rows');
  const ids = await shownIds(page);
  assert.equal(new Set(ids).size, traces.length, 'no trace twice');
  const started = (trace) => Math.min(...trace.map((span) => span.timestamp));
  const newest = [...traces].sort((a, b) => started(b) - started(a)).map((trace) => trace[0].traceId);
  assert.deepEqual(ids, newest, 'newest first');
  await at.end();
}

async function sortAndGroup({ chromium, backend, traces }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url('?lookback=2h&limit=10'));
  await page.waitForSelector('.result');
  await page.locator('th.col-duration button').click();
  await page.waitForURL(/sort=duration/);
  const ends = (trace) => Math.max(...trace.map((span) => span.timestamp + span.duration));
  const length = (trace) => ends(trace) - Math.min(...trace.map((span) => span.timestamp));
  const longest = [...traces].sort((a, b) => length(b) - length(a))[0][0].traceId;
  await until(async () => (await shownIds(page))[0] === longest, 'the longest is first');
  assert.equal(await page.getAttribute('th.col-duration', 'aria-sort'), 'descending');
  await page.getByRole('button', { name: 'By root operation' }).click();
  await page.waitForSelector('.results-card .data');
  const rows = await page.$$eval('.results-card .data tbody tr', (list) =>
    list.map((row) => [row.cells[0].textContent.trim(), Number(row.cells[1].textContent)]));
  const roots = new Map();
  for (const trace of traces) {
    const root = trace.find((span) => !span.parentId);
    const key = `${root.localEndpoint.serviceName} ${root.name}`;
    roots.set(key, (roots.get(key) ?? 0) + 1);
  }
  assert.deepEqual(new Map(rows), roots);
  await at.end();
}

/** A row of the groups leads to as many traces as it counts, and the rest of the search holds. */
async function groupsLead({ chromium, backend, traces }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url('?serviceName=inventory&lookback=2h&limit=1000&view=groups'));
  await page.waitForSelector('.results-card .data');
  const rows = await page.$$eval('.results-card .data tbody tr', (list) =>
    list.map((row) => [row.querySelector('a').getAttribute('href'), Number(row.cells[1].textContent)]));
  const all = traces.filter((trace) => trace.some((one) => one.localEndpoint.serviceName === 'inventory'));
  assert.equal(rows.reduce((sum, [, count]) => sum + count, 0), all.length);
  assert.ok(rows.length > 1);
  for (const [href, wanted] of rows) {
    await page.goto(new URL(href, page.url()).href);
    await until(async () => (await count(page)) === wanted, `${href} has ${wanted}`);
    assert.match(await page.inputValue('.line input'), /^service=inventory rootService=/);
  }
  await at.end();
}

async function nothing({ chromium, backend }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url('?serviceName=payment&annotationQuery=http.method%3DPATCH&lookback=1d'));
  await page.waitForSelector('.reasons');
  assert.match(await page.textContent('.reasons'), /http\.method/);
  await page.locator('.reasons a').first().click();
  await page.waitForSelector('.result');
  await at.end();
}

async function pasted({ chromium, backend, traces }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  const id = traces[5][0].traceId;
  await page.goto(backend.url());
  await page.waitForSelector('.line input');
  await page.keyboard.press('/');
  assert.equal(await page.evaluate(() => document.activeElement?.hasAttribute('data-omnibox')), true);
  await page.evaluate((text) => navigator.clipboard.writeText(text), id.toUpperCase());
  await page.keyboard.press('Control+V');
  await page.waitForURL(new RegExp(`traces/${id}`));
  await page.waitForSelector('.wf-row');
  await at.end();
}

async function byKeys({ chromium, backend }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url('?lookback=2h&limit=10'));
  await page.waitForSelector('.result');
  await page.locator('body').click({ position: { x: 2, y: 300 } });
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  const second = (await shownIds(page))[1];
  assert.equal(await page.evaluate(() => document.activeElement?.pathname.split('/').pop()), second);
  await page.keyboard.press('Enter');
  await page.waitForURL(new RegExp(second));
  await page.waitForSelector('.wf-row');
  await page.keyboard.press('g');
  await page.keyboard.press('m');
  await page.waitForURL(/dependency/);
  await page.keyboard.press('?');
  await page.waitForSelector('dialog.help');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+K');
  await page.waitForSelector('dialog.palette');
  await page.keyboard.type('status');
  await page.keyboard.press('Enter');
  await page.waitForURL(/status/);
  await settled(page);
  await at.end();
}

export const search = [
  ['search: an empty store shows how to begin, and the first span appears', firstSpan],
  ['search: four files are enough to begin', fewRequests],
  ['search: lines find what the API finds', byLine],
  ['search: tags are left out', leftOut],
  ['search: a mistake is pointed at', mistakes],
  ['search: the form makes the same query', byForm],
  ['search: the line is completed with what was seen', completion],
  ['search: dragging over a chart narrows the time', charts],
  ['search: a box in the heat map narrows time and duration', heatBox],
  ['search: a cell of the heat map is where it is drawn', heatCells],
  ['search: pages follow without gaps, newest first', paging],
  ['search: sorting and groups equal the sent spans', sortAndGroup],
  ['search: a root operation leads to just its traces', groupsLead],
  ['search: no result says what to leave out', nothing],
  ['search: a pasted trace id opens the trace', pasted],
  ['search: keys alone go everywhere', byKeys],
];
