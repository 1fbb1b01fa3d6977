//! The search that is shown: rows as they stream in, the overview beside them, and why there may be
//! none. It follows the address; nothing here knows how it is drawn.

import { batch, signal } from '@preact/signals';
import { config } from '../core/config';
import { address as addressOf, go, place } from '../core/route';
import { fromAddress, toAddress, windowOf, type Criteria } from './criteria';
import {
  names, overview, search, why, type Overview, type PageEnd, type Summary, type Why,
} from './source';

export type Phase = 'idle' | 'running' | 'done' | 'failed';

export const rows = signal<Summary[]>([]);
export const phase = signal<Phase>('idle');
export const end = signal<PageEnd | null>(null);
export const failure = signal<unknown>(null);
export const charts = signal<Overview | null>(null);
export const chartsFailure = signal<unknown>(null);
export const reason = signal<Why | null>(null);
/** When the shown search was made; its window ends then. */
export const searchedAtMs = signal(0);
/** Whether what is shown could not be searched anew, and is still that of `searchedAtMs`. */
export const stale = signal(false);
/** Whether it is the next page that failed, not the search. */
export const failedBelow = signal(false);
/** Whether the store holds no span at all; null while that is unknown. */
export const emptyStore = signal<boolean | null>(null);

let running: AbortController | null = null;
let shownAddress = '';

/** What a search has shown, for the way back to it. */
interface Shown {
  rows: Summary[];
  end: PageEnd | null;
  charts: Overview | null;
  reason: Why | null;
  emptyStore: boolean | null;
  searchedAtMs: number;
}

/** Searches that the way back finds as they were left, the last ones; older ones are made anew. */
const KEPT_MAX = 4;
const kept = new Map<string, Shown>();

/** Keeps what is shown, unless it is not all there. */
function keep(): void {
  if (phase.peek() !== 'done') return;
  kept.delete(shownAddress);
  kept.set(shownAddress, {
    rows: rows.peek(), end: end.peek(), charts: charts.peek(), reason: reason.peek(),
    emptyStore: emptyStore.peek(), searchedAtMs: searchedAtMs.peek(),
  });
  for (const [oldest] of kept) if (kept.size > KEPT_MAX) kept.delete(oldest);
}

/** Shows a search as it was left; false where it is not kept. */
function recall(asked: string): boolean {
  const shown = kept.get(asked);
  if (!shown) return false;
  shownAddress = asked;
  running?.abort();
  running = new AbortController();
  batch(() => {
    rows.value = shown.rows;
    end.value = shown.end;
    charts.value = shown.charts;
    reason.value = shown.reason;
    emptyStore.value = shown.emptyStore;
    searchedAtMs.value = shown.searchedAtMs;
    failure.value = chartsFailure.value = null;
    stale.value = failedBelow.value = false;
    phase.value = 'done';
  });
  // Charts that had not come when the search was left are asked for again.
  if (!shown.charts) void fetchCharts(criteria(), shown.searchedAtMs, running);
  return true;
}

export function defaults(): { lookbackMs: number; limit: number } {
  return { lookbackMs: config.value.defaultLookback, limit: config.value.queryLimit };
}

/** Returns the criteria that the address holds. */
export function criteria(): Criteria {
  return fromAddress(place.value.params, defaults());
}

/** Goes to the address of a search, which makes it. */
export function searchFor(next: Criteria): void {
  const params = toAddress(next);
  if (addressOf('', params) === addressOf('', place.peek().params)) void run(true);
  else go('', params);
}

/** Makes the search of the address, unless it is what is shown. */
export async function run(again = false): Promise<void> {
  const params = new URLSearchParams(place.peek().params);
  // Looking at the same traces in another way is no new search.
  params.delete('view');
  const address = params.toString();
  if (!again && address === shownAddress && phase.peek() !== 'idle') return;
  keep();
  if (!again && place.peek().backFrom !== null && recall(address)) return;
  // What is searched anew stays until there is something to take its place.
  const isRefresh = again && address === shownAddress && rows.peek().length > 0;
  shownAddress = address;
  running?.abort();
  const abort = (running = new AbortController());
  const asked = criteria();
  const nowMs = Date.now();
  batch(() => {
    failure.value = chartsFailure.value = null;
    stale.value = failedBelow.value = false;
    phase.value = 'running';
    if (isRefresh) return;
    rows.value = [];
    end.value = null;
    charts.value = null;
    reason.value = null;
    searchedAtMs.value = nowMs;
  });
  const first = fetchRows(asked, { nowMs, cursor: null, isRefresh }, abort);
  void fetchCharts(asked, nowMs, abort);
  await first;
  const isNothing = phase.peek() === 'done' && rows.peek().length === 0;
  // Of a search that was not finished nobody knows that nothing matches, so nothing says why.
  if (!abort.signal.aborted && isNothing && !isUnfinished()) await explain(asked, nowMs, abort);
}

/** Whether the shown search was cut short before it had found anything. */
export function isUnfinished(): boolean {
  return phase.value === 'done' && rows.value.length === 0 && end.value?.complete === false;
}

/** Fetches the next page below what is shown. */
export async function more(): Promise<void> {
  const cursor = end.peek()?.cursor;
  if (!cursor || phase.peek() === 'running' || !running) return;
  failedBelow.value = false;
  phase.value = 'running';
  await fetchRows(criteria(), { nowMs: searchedAtMs.peek(), cursor, isRefresh: false }, running);
}

/** Tries again what failed. */
export function retry(): void {
  void (failedBelow.peek() ? more() : run(true));
}

async function fetchRows(
  asked: Criteria,
  at: { nowMs: number; cursor: string | null; isRefresh: boolean },
  abort: AbortController,
): Promise<void> {
  const before = at.cursor ? rows.peek() : [];
  const found: Summary[] = [];
  let frame = 0;
  // Rows are shown once a frame, however fast they come.
  const show = () => {
    frame = 0;
    if (!abort.signal.aborted) rows.value = [...before, ...found];
  };
  try {
    const ended = await search(asked, at, (row) => {
      found.push(row);
      if (!at.isRefresh) frame ||= requestAnimationFrame(show);
    }, abort.signal);
    if (abort.signal.aborted) return;
    cancelAnimationFrame(frame);
    batch(() => {
      show();
      end.value = ended;
      searchedAtMs.value = at.nowMs;
      phase.value = 'done';
    });
  } catch (error) {
    if (abort.signal.aborted) return;
    batch(() => {
      if (!at.isRefresh) show();
      stale.value = at.isRefresh;
      failedBelow.value = at.cursor !== null;
      failure.value = error;
      phase.value = 'failed';
    });
  }
}

async function fetchCharts(asked: Criteria, nowMs: number, abort: AbortController): Promise<void> {
  try {
    const found = await overview(asked, nowMs, abort.signal);
    if (!abort.signal.aborted) charts.value = found;
  } catch (error) {
    if (!abort.signal.aborted) chartsFailure.value = error;
  }
}

async function explain(asked: Criteria, nowMs: number, abort: AbortController): Promise<void> {
  try {
    const [found, services] = await Promise.all([
      why(asked, nowMs, abort.signal),
      names({ of: 'services' }, abort.signal),
    ]);
    if (abort.signal.aborted) return;
    batch(() => {
      reason.value = found;
      const spans = found?.store.spans ?? null;
      const nothing = found ? found.store.newestMs === null : true;
      emptyStore.value = services.length === 0 && (spans === 0 || spans === null) && nothing;
    });
  } catch {
    // The rows said already that nothing was found; this would only have said why.
    if (!abort.signal.aborted) emptyStore.value = false;
  }
}

/** Returns the window of the shown search. */
export function shownWindow(): { startMs: number; endMs: number } {
  return windowOf(criteria(), searchedAtMs.value);
}

/** Leaves the page: what still runs is given up, what is there waits for the way back. */
export function stop(): void {
  keep();
  running?.abort();
  shownAddress = '';
  phase.value = 'idle';
}
