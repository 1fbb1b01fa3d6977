//! When searches that lead from a trace to others look: at the time of the trace, so that they find
//! at least this one. What they look for is up to who makes them.

import { fromAddress, windowOf, type Defaults } from '../search/criteria';
import type { Columns } from './model';

/** So long before and after a trace others are looked for. */
const AROUND_MS = 3_600_000;
/** A lookback moves on while one reads; a trace this near to its edge is not left to it. */
const EDGE_MS = 600_000;
const TIME_KEYS = ['lookback', 'startTs', 'endTs', 'millis'];

/** Returns the time of the last search when the trace lies in it, else some around the trace. */
export function timeAround(
  columns: Columns, last: URLSearchParams | null, defaults: Defaults, nowMs: number,
): Record<string, string> {
  // Without any timestamp nobody knows when it was.
  if (columns.t0 === 0) return {};
  const [from, to] = [columns.t0 / 1000, (columns.t0 + columns.total) / 1000];
  if (last) {
    const asked = fromAddress(last, defaults);
    const { startMs, endMs } = windowOf(asked, nowMs);
    const edge = asked.time.kind === 'back' ? EDGE_MS : 0;
    const times = TIME_KEYS.map((key) => [key, last.get(key) ?? '']).filter(([, text]) => text);
    if (times.length > 0 && startMs + edge < from && to < endMs) return Object.fromEntries(times);
  }
  // No later than now, unless the clock of this browser is behind.
  const endMs = Math.max(to + 1000, Math.min(nowMs, to + AROUND_MS));
  return {
    lookback: 'range', startTs: String(Math.floor(from - AROUND_MS)), endTs: String(Math.ceil(endMs)),
  };
}
