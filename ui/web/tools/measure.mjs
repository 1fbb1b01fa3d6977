// Measures the page as budgets are written: main-thread CPU time (CDP thread ticks), counts and
// heap. `node tools/measure.mjs http://127.0.0.1:9411 [spans..]`; wall time is not looked at.

import { bigTrace, send } from './demo.mjs';
import { browser } from './browser.mjs';

/** Returns the thread time and the heap of a page's main thread. */
async function metrics(session) {
  const { metrics: list } = await session.send('Performance.getMetrics');
  const of = (name) => list.find((one) => one.name === name)?.value ?? 0;
  return {
    cpuMs: of('TaskDuration') * 1000, heapMb: of('JSHeapUsedSize') / 1048576, nodes: of('Nodes'),
  };
}

async function opened(chromium) {
  const context = await chromium.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  let requests = 0;
  page.on('request', (request) => {
    // The search itself runs at the same time; it is no condition for typing another one.
    if (!/\/api\/|^data:/.test(request.url())) requests += 1;
  });
  return { context, page, session, requests: () => requests };
}

const frames = (page, count = 2) => page.evaluate((n) => new Promise((done) => {
  const next = (left) => (left === 0 ? done() : requestAnimationFrame(() => next(left - 1)));
  next(n);
}), count);

function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

const MEGABYTE = 1048576;

/** Asks the page's threads for their memory: objects and the buffers behind typed arrays. */
async function threadHeaps(session) {
  const found = [];
  const attached = new Promise((resolve) => {
    session.on('Target.attachedToTarget', async ({ sessionId }) => {
      const answer = new Promise((done) => {
        session.on('Target.receivedMessageFromTarget', (event) => {
          const message = JSON.parse(event.message);
          if (event.sessionId === sessionId && message.id === 2) done(message.result);
        });
      });
      for (const [id, method] of [[1, 'HeapProfiler.collectGarbage'], [2, 'Runtime.getHeapUsage']]) {
        await session.send('Target.sendMessageToTarget', { sessionId, message: JSON.stringify({ id, method }) });
      }
      found.push(await answer);
      resolve();
    });
  });
  await session.send('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });
  await attached;
  return found;
}

/** Returns the memory of a page and of its threads, in megabytes. */
export async function memory(session) {
  await session.send('HeapProfiler.enable');
  await session.send('HeapProfiler.collectGarbage');
  const all = (usage) => (usage.usedSize + (usage.backingStorageSize ?? 0)) / MEGABYTE;
  const page = all(await session.send('Runtime.getHeapUsage'));
  const threads = (await threadHeaps(session)).reduce((sum, usage) => sum + all(usage), 0);
  return { pageMb: page, threadMb: threads };
}

/** The cost of single steps: what the thread worked from before a step until its frame is out. */
async function steps(at, count, step) {
  const costs = [];
  for (let k = 0; k < count; k += 1) {
    const before = await metrics(at.session);
    await step(k);
    await frames(at.page);
    costs.push((await metrics(at.session)).cpuMs - before.cpuMs);
  }
  return costs;
}

/** Measures the search page; it must hold traces. */
export async function measureSearch(chromium, base) {
  const at = await opened(chromium);
  await at.page.goto(new URL('/zipkin/?lookback=1d&limit=50', base).href);
  await at.page.waitForSelector('[role=search] input');
  const usable = await metrics(at.session);
  const requests = at.requests();
  await at.page.waitForSelector('.result');
  await frames(at.page);
  const listed = await metrics(at.session);
  await at.context.close();
  return { usableMs: usable.cpuMs, listedMs: listed.cpuMs, requests, nodes: listed.nodes };
}

/** Measures a trace: opening, scrolling, zooming, a click, finding. */
export async function measureTrace(chromium, base, traceId) {
  const at = await opened(chromium);
  await at.page.goto(new URL(`/zipkin/traces/${traceId}?fold=0`, base).href);
  await at.page.waitForSelector('.wf-row', { timeout: 120_000 });
  await frames(at.page);
  const open = await metrics(at.session);
  const idle = await steps(at, 20, () => undefined);
  const wheel = await steps(at, 60, () => at.page.evaluate(() => {
    document.querySelector('.wf-scroll').scrollTop += 120;
  }));
  const scroll = await steps(at, 60, (k) => at.page.evaluate((top) => {
    document.querySelector('.wf-scroll').scrollTop = top;
  }, (k + 1) * 1000));
  const zoom = await steps(at, 20, (k) => at.page.keyboard.press(k < 10 ? 'w' : 's'));
  const click = await steps(at, 9, (k) => at.page.evaluate((n) => {
    document.querySelectorAll('.wf-row')[n].click();
  }, k + 3));
  await at.page.waitForSelector('.tag');
  const find = await steps(at, 1, async () => {
    await at.page.fill('#find', 'resource/77');
    await at.page.waitForFunction(() => document.querySelector('.find output')?.textContent);
  });
  const elements = await at.page.evaluate(() => document.querySelectorAll('*').length);
  const collected = await memory(at.session);
  await at.context.close();
  return {
    openMs: open.cpuMs, frameMs: quantile(idle, 0.5), scrollP95Ms: quantile(scroll, 0.95),
    scrollMaxMs: Math.max(...scroll), wheelP95Ms: quantile(wheel, 0.95),
    wheelMaxMs: Math.max(...wheel), zoomP95Ms: quantile(zoom, 0.95), clickMs: quantile(click, 0.5),
    findMs: find[0], elements, ...collected,
  };
}

/** Measures how long Zipkin's own page takes to open a trace. */
export async function measureLens(chromium, base, traceId) {
  const at = await opened(chromium);
  await at.page.goto(new URL(`/zipkin/traces/${traceId}`, base).href);
  await at.page.waitForFunction(() => document.body.innerText.includes('service-'), undefined, { timeout: 300_000 });
  await frames(at.page);
  const open = await metrics(at.session);
  const elements = await at.page.evaluate(() => document.querySelectorAll('*').length);
  await at.context.close();
  return { openMs: open.cpuMs, elements, heapMb: open.heapMb };
}

if (process.argv[1].endsWith('measure.mjs')) {
  const [base, ...sizes] = process.argv.slice(2);
  const chromium = await browser();
  const round = (row) => Object.fromEntries(
    Object.entries(row).map(([key, value]) => [key, Math.round(value * 10) / 10]),
  );
  console.log('search', round(await measureSearch(chromium, base)));
  for (const size of (sizes.length > 0 ? sizes : ['1000', '10000', '100000']).map(Number)) {
    const trace = bigTrace({ count: size, endMs: Date.now() - 120_000, seed: size });
    await send(base, [trace]);
    console.log(size, round(await measureTrace(chromium, base, trace[0].traceId)));
  }
  await chromium.close();
}
