// Zipkin's own page over our API: whoever comes from Zipkin has tools that ask as Lens asks. What
// it shows must be what was sent. Its own words and quirks are tolerated, a failed request is not.

import assert from 'node:assert/strict';
import { lensFiles } from '../tools/lens.mjs';
import { serve } from '../tools/serve.mjs';
import { settled, until, watched } from './harness.mjs';

/** A warning of its translations, and what the driver says of drawing without a graphics card. */
const QUIRKS = [/react-i18next/, /GL Driver Message/];
const READY_MS = 60_000;
/** Without a graphics card each of its frames may take a good part of a second. */
const DRAWN_MS = 180_000;
const TELLING_FRAMES = 10;

/** Opens Lens in front of a backend, at an address below `/zipkin/`, and looks at it. */
async function lens({ chromium, backend }, where, look) {
  const files = await lensFiles();
  const front = await serve({ files: () => files, backend: new URL(backend.api), policy: false });
  try {
    const base = `http://127.0.0.1:${front.address().port}`;
    const at = await watched(chromium, { base }, { tolerate: QUIRKS });
    at.page.setDefaultTimeout(READY_MS);
    const refused = [];
    at.page.on('response', (answer) => {
      if (answer.status() >= 400) refused.push(`${answer.status()} ${answer.url()}`);
    });
    await at.page.goto(`${base}/zipkin/${where}`);
    await look(at.page);
    await at.end();
    assert.deepEqual(refused, []);
  } finally {
    front.closeAllConnections();
    front.close();
  }
}

const started = (trace) => Math.min(...trace.map((span) => span.timestamp));
const ended = (trace) => Math.max(...trace.map((span) => span.timestamp + span.duration));
const root = (trace) => trace.find((span) => !span.parentId);
const named = (span) => `${span.localEndpoint.serviceName}: ${span.name}`;
const words = (page) => page.evaluate(() => document.body.innerText.split(/\n+/).map((line) => line.trim()));

/** A duration as Lens writes it. */
function lasted(us) {
  if (us < 1000) return `${us}μs`;
  return us < 1_000_000 ? `${(us / 1000).toFixed(3)}ms` : `${(us / 1_000_000).toFixed(3)}s`;
}

/** Returns root, count of spans and duration of each row of the results. */
const results = (page) => page.$$eval('tbody tr', (rows) => rows
  .map((row) => [...row.cells].map((cell) => cell.innerText.trim()))
  .filter((cells) => cells.length > 4)
  .map((cells) => [cells[1], Number(cells[3]), cells[4]]));

async function findsTraces(world) {
  const services = new Set(world.traces.flat().map((span) => span.localEndpoint.serviceName));
  const wanted = world.traces.filter((trace) => trace.some((span) => span.localEndpoint.serviceName === 'payment'));
  await lens(world, '', async (page) => {
    await page.getByTestId('add-button').click();
    await page.locator('li', { hasText: 'serviceName' }).click();
    await page.waitForSelector('li:text-is("payment")');
    const offered = await page.locator('li').allTextContents();
    for (const name of services) assert.ok(offered.includes(name), `${name} is offered`);
    await page.locator('li:text-is("payment")').click();
    await page.getByTestId('settings-button').click();
    await page.getByTestId('query-limit').fill('1000');
    await page.getByRole('button', { name: 'Last 15 minutes' }).click();
    await page.getByText('Last 3 hours').click();
    await page.getByRole('button', { name: 'Run Query' }).click();
    await until(async () => (await results(page)).length === wanted.length, `${wanted.length} traces are shown`);
    const rows = wanted.map((trace) => [named(root(trace)), trace.length, lasted(ended(trace) - started(trace))]);
    assert.deepEqual((await results(page)).sort(), rows.sort());
  });
}

/** An address as Lens writes it searches at once, by all criteria; what was found can be opened. */
async function followsLinks(world) {
  const query = new URLSearchParams({
    serviceName: 'storefront', spanName: 'post /checkout', annotationQuery: 'http.method=POST',
    minDuration: '1ms', lookback: '3h', endTs: String(Date.now()), limit: '100',
  });
  const wanted = world.traces.filter((trace) => named(root(trace)) === 'storefront: post /checkout');
  await lens(world, `?${query}`, async (page) => {
    await until(async () => (await results(page)).length === wanted.length, `${wanted.length} checkouts are shown`);
    await page.getByText('Show', { exact: true }).first().click();
    await page.waitForURL(/traces\//);
    await until(async () => (await words(page)).includes('storefront: post /checkout'), 'the trace is opened');
  });
}

async function showsTrace(world) {
  const failed = (trace) => trace.filter((span) => span.tags?.error).length;
  const trace = [...world.traces].sort((a, b) => failed(b) - failed(a) || b.length - a.length)[0];
  // Lens counts those that were called, too, and calls a call of which nothing else is known by them.
  const services = new Set(trace.flatMap((span) => [span.localEndpoint, span.remoteEndpoint])
    .map((endpoint) => endpoint?.serviceName).filter(Boolean));
  const parents = new Set(trace.map((span) => span.parentId));
  const names = trace.map((span) => (span.kind === 'CLIENT' && !parents.has(span.id)
    ? `${span.remoteEndpoint.serviceName}: ${span.name}` : named(span)));
  await lens(world, `traces/${trace[0].traceId}`, async (page) => {
    await page.setViewportSize({ width: 1280, height: 1600 });
    await until(async () => (await words(page)).includes('Total Spans'), 'the trace is shown');
    const said = await words(page);
    const after = (label) => said[said.indexOf(label) + 1];
    assert.deepEqual([after('Total Spans'), after('Services'), after('Trace ID'), after('Duration')],
      [String(trace.length), String(services.size), trace[0].traceId, lasted(ended(trace) - started(trace))]);
    const title = named(root(trace));
    assert.deepEqual(said.filter((line) => /^[a-z]+: /.test(line)).sort(), [title, ...names].sort());
    for (const [key, value] of Object.entries(root(trace).tags)) {
      assert.ok(said.some((line) => line.replace(/\s+/g, ' ') === `${key} ${value}`), key);
    }
  });
}

/** Whether it says, within some frames, what a service that was clicked uses. */
async function told(page) {
  for (let frame = 0; frame < TELLING_FRAMES; frame += 1) {
    if (await page.getByText(/Uses.*traced requests/i).count() > 0) return true;
    await settled(page);
  }
  return false;
}

async function showsDependencies(world) {
  const links = await world.backend.json(`/api/v2/dependencies?endTs=${Date.now()}&lookback=86400000`);
  const ends = [...new Set(links.flatMap((link) => [link.parent, link.child]))].sort();
  await lens(world, 'dependency', async (page) => {
    await page.getByTestId('search-button').click();
    await page.getByRole('combobox').locator('input').click();
    await page.waitForSelector('[role=option]');
    assert.deepEqual((await page.locator('[role=option]').allTextContents()).sort(), ends);
    await page.getByRole('option', { name: 'payment', exact: true }).click();
    // The picture is drawn without elements: a service is where the pointer says so.
    const canvas = page.locator('[data-testid=dependencies-graph] canvas');
    const box = await canvas.boundingBox();
    // It moves while it is laid out, and a click between two of its frames is lost on it: aim and
    // click again until it tells.
    let share = 0.2;
    await until(async () => {
      share = share > 0.8 ? 0.2 : share + 0.02;
      await page.mouse.move(box.x + box.width / 2, box.y + box.height * share);
      await settled(page);
      if ((await canvas.evaluate((element) => element.style.cursor)) !== 'pointer') return false;
      await page.mouse.down();
      await settled(page);
      await page.mouse.up();
      return told(page);
    }, 'a click tells of the service', DRAWN_MS);
    const rows = await page.$$eval('tr', (list) => list.map((row) => [...row.cells].map((cell) => cell.innerText.trim())));
    const near = links.filter((link) => [link.parent, link.child].includes('payment'))
      .map((link) => [link.parent === 'payment' ? link.child : link.parent, String(link.callCount), String(link.errorCount ?? 0)]);
    assert.deepEqual(rows.filter((cells) => cells.length === 3).sort(), near.sort());
  });
}

export const zipkinsOwn = [
  ['lens: offers services and finds what was sent', findsTraces],
  ['lens: an address with all criteria finds, a result opens', followsLinks],
  ['lens: a trace has its spans and tags', showsTrace],
  ['lens: the dependencies are those of the API', showsDependencies],
];
