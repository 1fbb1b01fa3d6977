// What is odd, in the way, or not understood: said in words, on whatever page.

import assert from 'node:assert/strict';
import { accessible, until, watched } from './harness.mjs';
import { NOW, opened, span, traceId } from './spans.mjs';

const facts = (page) => page.textContent('.trace-head .facts');

async function timeless(world) {
  const id = traceId();
  const at = await opened(world, [
    span(id, '1', null, null, 700), span(id, '2', '1', null, null),
  ], '?spanId=0000000000000002', '.detail .ids');
  assert.match(await facts(at.page), /Duration700 µs.*Startno time/);
  assert.match(await at.page.textContent('.detail'), /no time/);
  assert.ok(!(await at.page.textContent('body')).includes('1970'), 'it is of no year');
  await at.end();
  const none = traceId();
  const bare = await opened(world, [span(none, '1', null, null, null)]);
  assert.match(await facts(bare.page), /Durationno duration/);
  await bare.end();
}

async function roots(world) {
  const id = traceId();
  const now = NOW();
  const at = await opened(world, [
    span(id, '1', null, now, 100_000, { service: 'one' }),
    span(id, '2', null, now + 150_000, 50_000, { service: 'two' }),
  ], '?critical=1');
  const { page } = at;
  assert.match(await page.textContent('h1'), /one.*\+1 root/);
  assert.match(await facts(page), /200 ms/);
  assert.match(await page.textContent('.shares'), /one\s*67%.*two\s*33%/);
  assert.equal(await page.locator('.wf-row.critical').count(), 2);
  await at.end();
  const open = traceId();
  const other = await opened(world, [
    span(open, '1', null, now, null, { service: 'one' }),
    span(open, '2', '1', now + 50_000, 150_000, { service: 'two' }),
  ], '?critical=1');
  assert.match(await other.page.textContent('.notes'), /root has no duration/);
  assert.match(await other.page.textContent('.shares'), /two\s*75%.*one\s*25%/);
  await other.end();
}

/** What the list says of a trace whose clocks differ is said beside what the trace says. */
async function clocks(world) {
  const id = traceId();
  const now = NOW();
  const at = await opened(world, [
    span(id, '1', null, now, 10_000, { kind: 'CLIENT', service: 'fore' }),
    span(id, '2', '1', now - 5_000_000, 8000, { kind: 'SERVER', service: 'aft' }),
  ]);
  const { page } = at;
  assert.match(await facts(page), /Duration10 ms/);
  assert.match(await page.textContent('.notes'), /as they are it takes 5\.01 s/);
  await page.goto(world.backend.url('?serviceName=aft&lookback=1h'));
  await page.waitForSelector('.result');
  assert.match(await page.textContent('.result .col-duration'), /5\.01 s/);
  await at.end();
}

async function peers(world) {
  const id = traceId();
  const at = await opened(world, [
    span(id, '1', null, NOW(), 900, {
      service: 'ledger', kind: 'CLIENT', remoteEndpoint: { serviceName: 'oracle' },
    }),
  ], '?tab=graph', '.node');
  const { page } = at;
  assert.match(await page.textContent('.node:has-text("oracle")'), /sent no span/);
  await page.locator('.node', { hasText: 'oracle' }).click();
  await page.waitForSelector('.wf-row.selected');
  await at.end();
}

/** Names as clusters and routers make them: shortened in heads, in full among the details. */
async function longNames(world) {
  const id = traceId();
  const [service, name] = ['pod-'.repeat(60), 'get /very/long'.repeat(70)];
  const at = await opened(world, [span(id, '1', null, NOW(), 900, { service, name })],
    '?spanId=0000000000000001', '.detail .ids');
  const { page } = at;
  for (const head of ['h1', '.detail h2']) {
    const text = await page.textContent(head);
    assert.ok(text.length < 280 && text.includes('…'), text);
  }
  assert.ok((await page.textContent('.detail .ids')).includes(name), 'it is there in full');
  await page.setViewportSize({ width: 360, height: 740 });
  for (const where of [`traces/${id}?tab=table`, `?serviceName=${service}&lookback=1h`]) {
    await page.goto(world.backend.url(where));
    await page.waitForSelector('.data tbody tr, .result');
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, where);
    const box = await page.locator('.result, .data tbody tr').first().boundingBox();
    assert.ok(box.height < 420, `${where}: ${box.height} px high`);
  }
  await at.end();
}

async function unread({ chromium, backend }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url('?lookback=abc&minDuration=fast&limit=10'));
  await page.waitForSelector('.query-card .line-error');
  assert.match(await page.textContent('.line-error'), /left out: minDuration=fast, lookback=abc/);
  await page.goto(backend.url('dependency?lookback=abc'));
  await page.waitForSelector('.line-error');
  await page.goto(backend.url('?lookback=1d&limit=10'));
  const lengths = page.getByRole('group', { name: 'Span duration' });
  await lengths.getByLabel('min').fill('2s');
  await lengths.getByLabel('min').press('Enter');
  await page.waitForURL(/minDuration=2s/);
  await lengths.getByLabel('max').fill('1s');
  await lengths.getByLabel('max').press('Enter');
  assert.match(await lengths.textContent(), /least is more than the most/);
  assert.ok(!page.url().includes('maxDuration'), 'nothing is asked for that can not be');
  await at.end();
}

async function noPages({ chromium, backend }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url('?lookback=2h&limit=10&sort=duration'));
  await page.waitForSelector('.more button');
  assert.match(await page.textContent('.more'), /first 10 of \d+/);
  await page.locator('.more button').click();
  await until(async () => (await page.locator('.result').count()) === 100, 'more are shown');
  await at.end();
}

async function beginnings({ chromium, start }) {
  const backend = await start({ environment: { SPEARGUN_OTLP_HTTP_PORT: 'off' } });
  const at = await watched(chromium, backend);
  await at.page.goto(backend.url());
  await at.page.waitForSelector('.first .ways');
  const said = await at.page.textContent('.first .ways');
  assert.ok(said.includes(`${new URL(at.page.url()).origin}/v1/traces`) && !said.includes('4318'), said);
  await at.end();
  await backend.end();
}

async function headers({ chromium, backend, traces }) {
  const id = traces[3][0].traceId.padStart(32, '0');
  const at = await watched(chromium, backend);
  const { page } = at;
  for (const text of [`00-${id}-b7ad6b7169203331-01`, id.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')]) {
    await page.goto(backend.url('?lookback=1h'));
    await page.fill('.line input', text);
    await page.keyboard.press('Enter');
    await page.waitForURL(new RegExp(`traces/${id}`));
  }
  await at.end();
}

/** The box in the bar points at what it does not understand; so does a line in an address. */
async function box({ chromium, backend }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url('status'));
  await page.fill('#id-box', 'service=cart or x');
  await page.press('#id-box', 'Enter');
  await page.waitForSelector('.id-box [role=alert]');
  assert.match(await page.textContent('#line-error'), /“or” at character 14 is not understood/);
  assert.match(page.url(), /status$/);
  await accessible(page, 'a line that is not understood, in the bar');
  await page.fill('#id-box', 'service=cart');
  assert.equal(await page.locator('#line-error').count(), 0);
  await page.press('#id-box', 'Enter');
  await page.waitForURL(/serviceName=cart/);
  await page.goto(backend.url('?line=duration%3Efast'));
  await page.waitForSelector('.query [role=alert]');
  assert.match(await page.textContent('#line-error'), /“fast” at character 10 is no duration/);
  assert.equal(await page.inputValue('.line input'), 'duration>fast');
  await at.end();
}

/** Where browsers have no clipboard, which is over plain HTTP, copying works all the same. */
async function copied({ chromium, start, traces, backend: shared }) {
  const backend = await start();
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.addInitScript(() => {
    Object.defineProperty(Navigator.prototype, 'clipboard', { get: () => undefined });
  });
  const pasted = async (field) => {
    await page.locator(field).fill('');
    await page.locator(field).press('Control+V');
    return page.inputValue(field);
  };
  // Behind a proxy that has the server below a path of its own.
  await page.route('**/tools/**', async (route) => {
    const answer = await route.fetch({ url: route.request().url().replace('/tools/', '/') });
    const isPage = answer.headers()['content-type']?.startsWith('text/html');
    if (!isPage) return route.fulfill({ response: answer });
    const body = (await answer.text()).replace('href="/zipkin/"', 'href="/tools/zipkin/"');
    return route.fulfill({ response: answer, body });
  });
  await page.goto(`${backend.base}/tools/zipkin/`);
  await page.waitForSelector('.first pre');
  await page.locator('.first .code button').click();
  await until(async () => (await page.textContent('.toast')) === 'Copied', 'it is said');
  const command = await page.textContent('.first pre');
  assert.ok(command.startsWith(`curl -X POST ${backend.base}/tools/api/v2/spans \\\n`), command);
  await page.evaluate(() => {
    const field = document.createElement('textarea');
    field.id = 'pasted';
    document.querySelector('main').append(field);
  });
  assert.equal(await pasted('#pasted'), command, 'with its lines');
  assert.match(await page.textContent('.ways'), /\/tools\/v1\/traces/);
  await at.end();
  await backend.end();
  const other = await watched(chromium, shared);
  await other.page.addInitScript(() => {
    Object.defineProperty(Navigator.prototype, 'clipboard', { get: () => undefined });
  });
  const id = traces[2][0].traceId;
  await other.page.goto(shared.url(`traces/${id}`));
  const button = other.page.locator('.trace-actions .id');
  await button.click();
  await until(async () => (await other.page.textContent('.toast')) === 'Copied Trace ID',
    'it is said');
  assert.ok(await button.evaluate((one) => one === document.activeElement), 'the focus stays');
  await other.page.locator('#find').press('Control+V');
  assert.equal(await other.page.inputValue('#find'), id);
  await other.end();
}

export const told = [
  ['told: what was copied, without a clipboard and below a path', copied],
  ['told: the box in the bar says what it does not understand', box],
  ['told: a trace without any time is of no year', timeless],
  ['told: several roots, and one without an end', roots],
  ['told: lists go by clocks as they are', clocks],
  ['told: who sent no span', peers],
  ['told: long names are shortened, and in full among the details', longNames],
  ['told: what of an address or a form is not understood', unread],
  ['told: other orders have no pages', noPages],
  ['told: where OpenTelemetry may send', beginnings],
  ['told: headers and UUIDs are trace ids', headers],
];
