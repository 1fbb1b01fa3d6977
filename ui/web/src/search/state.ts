//! The search that is shown: rows as they stream in, the overview beside them, and why there may be
//! none. It follows the address; nothing here knows how it is drawn.

import { batch, signal } from '@preact/signals';
import { config } from '../core/config';
import { go, place } from '../core/route';
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
/** Whether the store holds no span at all; null while that is unknown. */
export const emptyStore = signal<boolean | null>(null);

let running: AbortController | null = null;
let shownAddress = '';

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
  if (params.toString() === place.peek().params.toString()) void run(true);
  else go('', params);
}

/** Makes the search of the address, unless it is what is shown. */
export async function run(again = false): Promise<void> {
  const params = new URLSearchParams(place.peek().params);
  // Looking at the same traces in another way is no new search.
  params.delete('view');
  const address = params.toString();
  if (!again && address === shownAddress && phase.peek() !== 'idle') return;
  shownAddress = address;
  running?.abort();
  const abort = (running = new AbortController());
  const asked = criteria();
  const nowMs = Date.now();
  batch(() => {
    rows.value = [];
    end.value = null;
    failure.value = null;
    charts.value = null;
    chartsFailure.value = null;
    reason.value = null;
    searchedAtMs.value = nowMs;
    phase.value = 'running';
  });
  const first = fetchRows(asked, { nowMs, cursor: null }, abort);
  void fetchCharts(asked, nowMs, abort);
  await first;
  if (!abort.signal.aborted && phase.peek() === 'done' && rows.peek().length === 0) {
    await explain(asked, nowMs, abort);
  }
}

/** Fetches the next page below what is shown. */
export async function more(): Promise<void> {
  const cursor = end.peek()?.cursor;
  if (!cursor || phase.peek() === 'running' || !running) return;
  phase.value = 'running';
  await fetchRows(criteria(), { nowMs: searchedAtMs.peek(), cursor }, running);
}

async function fetchRows(
  asked: Criteria,
  at: { nowMs: number; cursor: string | null },
  abort: AbortController,
): Promise<void> {
  const before = rows.peek();
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
      frame ||= requestAnimationFrame(show);
    }, abort.signal);
    if (abort.signal.aborted) return;
    cancelAnimationFrame(frame);
    batch(() => {
      show();
      end.value = ended;
      phase.value = 'done';
    });
  } catch (error) {
    if (abort.signal.aborted) return;
    batch(() => {
      show();
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

/** Leaves the page: what still runs is given up. */
export function stop(): void {
  running?.abort();
  shownAddress = '';
  phase.value = 'idle';
}
