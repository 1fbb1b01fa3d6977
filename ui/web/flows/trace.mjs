// The trace: order and places of spans, odd traces, finding, folding, details, all in the address.

import assert from 'node:assert/strict';
import { bigTrace, send } from '../tools/demo.mjs';
import { memory } from '../tools/measure.mjs';
import { accessible, settled, until, watched } from './harness.mjs';
import { NOW, opened, rowIds, span, traceId } from './spans.mjs';

async function placesEqualSpans({ chromium, backend, traces }) {
  const trace = traces.find((one) => one.length > 20);
  const at = await watched(chromium, backend, { viewport: { width: 1280, height: 1600 } });
  await at.page.goto(backend.url(`traces/${trace[0].traceId}?fold=0`));
  await at.page.waitForSelector('.wf-row');
  await settled(at.page);
  // An order of its own: depth first, children by start.
  const order = [];
  const walk = (parent, level) => {
    const children = trace.filter((one) => (one.parentId ?? '') === parent).sort((a, b) => a.timestamp - b.timestamp);
    for (const child of children) {
      order.push([child.id, level]);
      walk(child.id, level + 1);
    }
  };
  walk('', 1);
  const rows = await rowIds(at.page);
  assert.deepEqual(rows.map(([, id, level]) => [id, level]), order.slice(0, rows.length));
  assert.equal(await at.page.getAttribute('[role=treegrid]', 'aria-rowcount'), String(trace.length));
  const rects = await at.page.evaluate(() => globalThis.__ui.rects());
  const start = Math.min(...trace.map((one) => one.timestamp));
  const byId = new Map(trace.map((one) => [one.id, one]));
  const scale = rects[0].width / byId.get(rects[0].id).duration;
  for (const rect of rects) {
    const one = byId.get(rect.id);
    assert.ok(Math.abs(rect.x - rects[0].x - (one.timestamp - start) * scale) < 1, rect.id);
    assert.ok(Math.abs(rect.width - one.duration * scale) < 1, rect.id);
  }
  await at.end();
}

/** A part of the minimap becomes the whole of the waterfall, can be moved, and is kept. */
async function brushed({ chromium, backend, traces }) {
  const trace = traces.find((one) => one.length > 20);
  const start = Math.min(...trace.map((one) => one.timestamp));
  const total = Math.max(...trace.map((one) => one.timestamp + one.duration)) - start;
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url(`traces/${trace[0].traceId}?fold=0`));
  await page.waitForSelector('.wf-row');
  const box = await page.locator('.minimap canvas').boundingBox();
  const drag = async (from, to) => {
    await page.mouse.move(box.x + box.width * from, box.y + 20);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * to, box.y + 25, { steps: 4 });
    await page.mouse.up();
  };
  const shown = (from, to) => until(() => {
    const params = new URL(page.url()).searchParams;
    const near = (name, part) => params.has(name) && Math.abs(Number(params.get(name)) - total * part) < total * 0.02;
    return near('from', from) && near('to', to);
  }, `${from} to ${to} of the time is in the address: ${page.url()}`);
  const scale = async () => {
    const rects = await page.evaluate(() => globalThis.__ui.rects());
    const widths = new Map(trace.map((one) => [one.id, one.duration]));
    const wide = rects.filter((rect) => widths.get(rect.id) > total / 100);
    return Math.max(...wide.map((rect) => rect.width / widths.get(rect.id)));
  };
  const before = await scale();
  await drag(0.25, 0.5);
  await shown(0.25, 0.5);
  await until(async () => Math.abs((await scale()) / before - 4) < 0.4, 'bars are four times as wide');
  await drag(0.375, 0.625);
  await shown(0.5, 0.75);
  await page.reload();
  await page.waitForSelector('.wf-row');
  await until(async () => Math.abs((await scale()) / before - 4) < 0.4, 'the part is kept');
  await at.end();
}

async function oddTraces(world) {
  const now = NOW();
  const skewed = traceId();
  let at = await opened(world, [
    span(skewed, '1', null, now, 10_000, { kind: 'CLIENT', service: 'front' }),
    span(skewed, '2', '1', now - 5_000_000, 8000, { kind: 'SERVER', service: 'back' }),
  ]);
  assert.match(await at.page.textContent('.notes'), /clock of back was moved/);
  await at.page.getByLabel('Show clocks as they are').check();
  await until(async () => !(await at.page.textContent('.notes')).includes('moved'), 'clocks are raw');
  await at.end();

  const orphans = traceId();
  at = await opened(world, [span(orphans, '5', '9', now, 100), span(orphans, '6', '9', now + 5, 10)]);
  assert.match(await at.page.textContent('.notes'), /not received/);
  assert.equal(await at.page.locator('.wf-row.placeholder').count(), 1);
  await at.end();

  const untimed = traceId();
  at = await opened(world, [
    span(untimed, '1', null, now, 100), span(untimed, '2', '1', null, null), span(untimed, '3', '2', now + 1, 1),
  ]);
  assert.match(await at.page.textContent('.notes'), /no timestamp/);
  await at.end();

  const roots = traceId();
  at = await opened(world, [span(roots, '1', null, now, 100), span(roots, '2', null, now + 500, 0)]);
  assert.match(await at.page.textContent('.notes'), /2 roots/);
  await at.end();

  const circle = traceId();
  at = await opened(world, [span(circle, '1', '2', now, 5), span(circle, '2', '1', now, 5)]);
  assert.match(await at.page.textContent('.notes'), /circle was cut/);
  assert.equal((await rowIds(at.page)).length, 2);
  await at.end();
}

async function strangeTags(world) {
  const now = NOW();
  const id = traceId();
  const tags = {
    html: '<script>globalThis.hacked = 1</script><img src=x onerror="globalThis.hacked = 1">',
    rtl: 'שלום עולם \u202Eevil', emoji: '👩🏽‍🚀🚀', chinese: '订单服务超时', json: '{"a":[1,{"b":"c"}]}',
    stack: 'java.lang.Error: x\n\tat a.B.c(B.java:1)\n\tat d.E.f(E.java:2)', sql: "select '1' -- <b>",
    long: 'x'.repeat(1 << 20), error: '',
  };
  const at = await opened(world, [span(id, '1', null, now, 100, { tags })], '?spanId=0000000000000001');
  const { page } = at;
  await page.waitForSelector('.tag');
  assert.equal(await page.locator('.tag').count(), Object.keys(tags).length);
  const text = await page.textContent('.tags');
  for (const key of ['html', 'rtl', 'emoji', 'chinese', 'sql']) assert.ok(text.includes(tags[key]), key);
  assert.ok(text.includes('"b": "c"'), 'JSON is laid out');
  assert.ok(text.length < 20_000, 'long values are cut');
  assert.equal(await page.evaluate(() => globalThis.hacked), undefined);
  await page.getByRole('button', { name: 'Show all' }).click();
  await until(async () => (await page.textContent('.tags')).length > 1 << 20, 'the whole value is shown');
  await page.getByRole('button', { name: 'Copy chinese' }).click();
  await until(async () => (await page.evaluate(() => navigator.clipboard.readText())) === tags.chinese, 'the tag is copied');
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.equal(wide, 0, 'nothing makes the page wide');
  await at.end();
}

async function deepAndWide(world) {
  const now = NOW();
  const deep = traceId();
  const chain = Array.from({ length: 10_000 }, (_, k) =>
    span(deep, (k + 1).toString(16), k === 0 ? null : k.toString(16), now + k, 100_000 - k));
  for (let from = 0; from < chain.length; from += 2500) await world.backend.send(chain.slice(from, from + 2500));
  let at = await opened(world, [chain[0]], '?tab=flame', '.flame canvas');
  await at.end();
  at = await opened(world, [chain[0]]);
  assert.equal(await at.page.getAttribute('[role=treegrid]', 'aria-rowcount'), '10000');
  await at.page.locator('[role=treegrid]').press('End');
  await until(async () => (await rowIds(at.page)).at(-1)[2] === 10_000, 'the deepest span is shown');
  await at.end();

  const wide = traceId();
  const siblings = [span(wide, '1', null, now, 600_000), ...Array.from({ length: 5000 }, (_, k) =>
    span(wide, (k + 2).toString(16), '1', now + k * 100, k === 4000 ? 9_000 : 80, {
      name: 'get', tags: k === 4000 ? { error: '' } : {},
    }))];
  for (let from = 0; from < siblings.length; from += 2500) await world.backend.send(siblings.slice(from, from + 2500));
  at = await opened(world, [siblings[0]]);
  assert.equal(await at.page.getAttribute('[role=treegrid]', 'aria-rowcount'), '2');
  // What is folded away says how many there are and that one failed, and keys open it too.
  assert.match(await at.page.textContent('.wf-row.run'), /×5,000 ⚠1/);
  assert.match(await at.page.getAttribute('.wf-row.run .wf-facts', 'aria-label'), /9 ms at most/);
  await at.page.locator('[role=treegrid]').press('Home');
  await at.page.locator('[role=treegrid]').press('ArrowDown');
  await at.page.waitForSelector('.wf-row.run.selected');
  await at.page.locator('[role=treegrid]').press('ArrowRight');
  await until(async () => (await at.page.getAttribute('[role=treegrid]', 'aria-rowcount')) === '5002', 'the run opens');
  await at.end();
}

async function findAndKeep({ chromium, backend, traces }) {
  const trace = traces.find((one) => one.some((s) => s.localEndpoint.serviceName === 'payment'));
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url(`traces/${trace[0].traceId}?fold=0`));
  await page.waitForSelector('.wf-row');
  const wanted = trace.filter((one) => one.localEndpoint.serviceName === 'cart').length;
  await page.fill('#find', 'service=cart');
  await until(async () => (await page.textContent('.find output')).endsWith(`/${wanted}`), `${wanted} are found`);
  await page.keyboard.press('Enter');
  await page.keyboard.press('Enter');
  assert.match(await page.textContent('.find output'), /^2\//);
  await page.getByRole('button', { name: 'Only these' }).click();
  await until(async () => Number(await page.getAttribute('[role=treegrid]', 'aria-rowcount')) < trace.length, 'the rest is hidden');
  await page.getByRole('button', { name: 'Critical path' }).click();
  await page.locator('[role=treegrid]').press('Enter');
  await page.waitForSelector('.detail');
  await page.locator('body').press('w');
  await until(async () => /[?&]from=/.test(page.url()) && /spanId=/.test(page.url()), 'the address follows');
  const state = () => page.evaluate(() => ({
    rows: document.querySelector('[role=treegrid]').getAttribute('aria-rowcount'),
    title: document.querySelector('.detail h2').textContent, find: document.querySelector('#find').value,
    pressed: [...document.querySelectorAll('[aria-pressed=true]')].map((one) => one.textContent),
    rects: JSON.stringify(globalThis.__ui.rects().map((rect) => [rect.id, Math.round(rect.width)])),
  }));
  const before = await state();
  await page.reload();
  await page.waitForSelector('.tag, .detail .ids');
  await until(async () => (await page.textContent('.find output')) !== '', 'found again');
  await settled(page);
  assert.deepEqual(await state(), before, 'the address restores everything');
  await at.end();
}

/** From a search to a trace, and back without those that have a tag of it. */
async function excludes({ chromium, backend, traces }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url('?serviceName=inventory&lookback=1d&limit=1000'));
  await page.locator('.result-link').first().click();
  await page.waitForSelector('.wf-row');
  await page.locator('[role=treegrid]').press('Home');
  await page.locator('[role=treegrid]').press('Enter');
  const region = page.locator('.tag', { hasText: 'region' });
  const value = (await region.locator('.value').textContent()).trim();
  await page.getByRole('link', { name: 'Leave out traces with this region' }).click();
  await page.waitForURL(/without=region/);
  const left = traces.filter((trace) => trace.some((one) => one.localEndpoint.serviceName === 'inventory') &&
    !trace.some((one) => one.tags?.region === value));
  assert.ok(left.length > 0);
  await until(async () => (await page.locator('.result').count()) === left.length, `${left.length} are left`);
  assert.equal(await page.inputValue('.line input'), `service=inventory region!=${value}`);
  await at.end();
}

/** No search can ask for an empty value: the one of such a tag is for its key. */
async function emptyTag(world) {
  const id = traceId();
  const at = await opened(world, [
    span(id, '1', null, NOW(), 900, { service: 'blanks', tags: { blank: '' } }),
  ], '?spanId=0000000000000001', '.detail .tag');
  const { page } = at;
  await page.getByRole('link', { name: 'Search traces with this blank' }).click();
  await page.waitForSelector(`.result-link[href$="${id}"]`);
  assert.equal(await page.inputValue('.line input'), 'service=blanks blank');
  await at.end();
}

async function treeKeys({ chromium, backend, traces }) {
  const trace = traces.find((one) => one.length > 20);
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url(`traces/${trace[0].traceId}?fold=0`));
  await page.waitForSelector('.wf-row');
  const grid = page.locator('[role=treegrid]');
  await grid.press('Home');
  const rows = () => grid.getAttribute('aria-rowcount');
  await grid.press('ArrowLeft');
  await until(async () => (await rows()) === '1', 'the root is folded');
  assert.equal(await page.getAttribute('.wf-row.selected', 'aria-expanded'), 'false');
  await grid.press('ArrowRight');
  await until(async () => (await rows()) === String(trace.length), 'and open again');
  await grid.press('ArrowDown');
  await grid.press('ArrowDown');
  await settled(page);
  const active = await grid.getAttribute('aria-activedescendant');
  assert.equal(await page.getAttribute(`#${active}`, 'aria-rowindex'), '3');
  await grid.press('u');
  await grid.press('b');
  await page.waitForURL(/root=/);
  assert.ok(Number(await rows()) < trace.length);
  await grid.press('Shift+B');
  await until(async () => (await rows()) === String(trace.length), 'the whole trace is back');
  for (const [key, tab] of [['2', 'flame'], ['3', 'graph'], ['4', 'table'], ['5', 'events'], ['6', 'json'], ['1', 'waterfall']]) {
    await page.locator('body').press(key);
    await page.waitForSelector(`#tab-${tab}[aria-selected=true]`);
  }
  await at.end();
}

async function tables({ chromium, backend, traces }) {
  const trace = traces.find((one) => one.length > 20);
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url(`traces/${trace[0].traceId}?tab=table`));
  await page.waitForSelector('.data tbody tr');
  await page.selectOption('#group-by', 'service');
  const rows = await page.$$eval('.data tbody tr', (list) =>
    list.map((row) => [row.cells[0].textContent.trim(), Number(row.cells[1].textContent)]));
  const services = new Map();
  for (const one of trace) {
    const name = one.localEndpoint.serviceName;
    services.set(name, (services.get(name) ?? 0) + 1);
  }
  assert.deepEqual(new Map(rows), services);
  await page.locator('#tab-json').click();
  await page.waitForSelector('.json pre');
  const waiting = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Download JSON' }).click();
  const file = await (await waiting).path();
  const { readFile } = await import('node:fs/promises');
  assert.deepEqual(JSON.parse(await readFile(file, 'utf8')), await backend.json(`/api/v2/trace/${trace[0].traceId}`));
  await page.goto(backend.url('traceViewer'));
  await page.setInputFiles('input[type=file]', file.endsWith('.json') ? file : { name: 'trace.json', mimeType: 'application/json', buffer: await readFile(file) });
  await page.waitForSelector('.wf-row');
  assert.match(await page.textContent('.trace-title'), /storefront/);
  await at.end();
}

async function growing(world) {
  const now = (Date.now() - 1000) * 1000;
  const id = traceId();
  const at = await opened(world, [span(id, '2', '1', now, 400_000)]);
  assert.equal(await at.page.locator('.wf-row.placeholder').count(), 1);
  await world.backend.send([span(id, '1', null, now - 1000, 500_000, { name: 'the root' })]);
  await until(async () => (await at.page.locator('.wf-row.placeholder').count()) === 0, 'the root arrives by itself');
  assert.match(await at.page.textContent('h1'), /the root/);
  await at.end();
}

/** Counts, not times: a hundred thousand spans are a few hundred elements. */
async function hundredThousand({ chromium, backend }) {
  const trace = bigTrace({ count: 100_000, endMs: Date.now() - 600_000 });
  await send(backend.api, [trace]);
  const at = await watched(chromium, backend, { viewport: { width: 1920, height: 1080 } });
  const { page } = at;
  page.setDefaultTimeout(120_000);
  await page.goto(backend.url(`traces/${trace[0].traceId}?fold=0`));
  await page.waitForSelector('.wf-row');
  assert.equal(await page.getAttribute('[role=treegrid]', 'aria-rowcount'), '100000');
  const session = await at.context.newCDPSession(page);
  const grid = page.locator('[role=treegrid]');
  await grid.press('End');
  await grid.press('Enter');
  await page.waitForSelector('.tag');
  const elements = await page.evaluate(() => document.querySelectorAll('*').length);
  assert.ok(elements <= 1500, `${elements} elements`);
  const { pageMb, threadMb } = await memory(session);
  assert.ok(pageMb + threadMb <= 150, `${pageMb} and ${threadMb} MB`);
  await at.end();
}

export const trace = [
  ['trace: rows and bars are where the spans are', placesEqualSpans],
  ['trace: a part of the minimap is the whole', brushed],
  ['trace: what is odd is said', oddTraces],
  ['trace: strange tags are text', strangeTags],
  ['trace: ten thousand levels, five thousand siblings', deepAndWide],
  ['trace: finding, and the address keeps all of it', findAndKeep],
  ['trace: a tag is left out of the search one comes from', excludes],
  ['trace: a tag without a value is searched for by its key', emptyTag],
  ['trace: the tree by keys', treeKeys],
  ['trace: tables, and files there and back', tables],
  ['trace: spans that still arrive appear', growing],
  ['trace: a hundred thousand spans are few elements', hundredThousand],
];
