// Traces of a flow's own making, and the page of one.

import { settled, watched } from './harness.mjs';

/** Microseconds since the epoch, ten minutes ago. */
export const NOW = () => (Date.now() - 600_000) * 1000;
let next = 1;

export function traceId() {
  next += 1;
  return (0xabcdef0000000000n + BigInt(next)).toString(16);
}

export function span(trace, id, parentId, at, duration, more = {}) {
  const { service = 'odd', ...rest } = more;
  return {
    traceId: trace, id: id.padStart(16, '0'), ...(parentId ? { parentId: parentId.padStart(16, '0') } : {}),
    name: `op ${id}`, ...(at === null ? {} : { timestamp: at }), ...(duration === null ? {} : { duration }),
    localEndpoint: { serviceName: service }, ...rest,
  };
}

export const rowIds = (page) => page.$$eval('.wf-row:not([hidden])', (rows) => rows
  .map((row) => [Number(row.getAttribute('aria-rowindex')), row.dataset.span, Number(row.getAttribute('aria-level'))])
  .sort((a, b) => a[0] - b[0]));

export async function opened({ chromium, backend }, spans, query = '', ready = '.wf-row') {
  await backend.send(spans);
  const at = await watched(chromium, backend);
  await at.page.goto(backend.url(`traces/${spans[0].traceId}${query}`));
  await at.page.waitForSelector(ready);
  await settled(at.page);
  return at;
}
