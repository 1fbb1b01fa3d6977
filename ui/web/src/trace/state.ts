//! The open trace and how it is looked at. All of it but the spans themselves is in the address.

import { batch, computed, effect, signal, untracked } from '@preact/signals';
import { apiUrl } from '../core/api';
import { place, rewriteSome } from '../core/route';
import { slotsOf } from '../core/colors';
import { count } from '../core/format';
import { t } from '../core/i18n';
import { say } from '../parts/toast';
import { criticalPath, type CriticalPath } from './critical';
import { below, closedOf, foldsOf, levelOf, listed, unlisted } from './folds';
import { FAILED, halfText, type Columns } from './model';
import { layout, passing, rowOf, type Rows } from './rows';
import { sameSpans, sameTrace } from './same';
import { TraceThread } from './thread';
import { viewIn, wholeView } from './whole';

export type Tab = 'waterfall' | 'flame' | 'graph' | 'table' | 'events' | 'json';
export const TABS: Tab[] = ['waterfall', 'flame', 'graph', 'table', 'events', 'json'];

/** A part of the time, or of a width. */
export interface Part {
  from: number;
  to: number;
}

export const columns = signal<Columns | null>(null);
export const loadFailure = signal<unknown>(null);
/** Why the open trace could not be fetched anew; what is shown is then of `fetchedAtMs`. */
export const refreshFailure = signal<unknown>(null);
/** The span that keys and the detail panel are about. */
export const selected = signal(-1);
export const detailShown = signal(false);
export const tab = signal<Tab>('waterfall');
export const closed = signal<ReadonlySet<number>>(new Set());
/** Below which level all were folded at once, before single ones were folded or opened. */
export const foldLevel = signal<number | null>(null);
export const fold = signal(true);
export const openRuns = signal<ReadonlySet<number>>(new Set());
export const root = signal<number | null>(null);
export const minUs = signal(0);
export const showCritical = signal(false);
export const raw = signal(false);
export const findText = signal('');
export const onlyMatches = signal(false);
export const match = signal<Uint8Array | null>(null);
/** What of the trace's time is shown, in microseconds since its start. */
export const view = signal<Part>({ from: 0, to: 1 });
/** Whether the flame graph is sorted by weight, and what of its width is shown then. */
export const heavy = signal(false);
export const PART_DIGITS = 7;
export const heavyPart = signal<Part>({ from: 0, to: 1 });
/** How the table is grouped and sorted. */
export const GROUPS = ['operation', 'service', 'name'] as const;
export const SORTS = ['self', 'spans', 'errors', 'total', 'average', 'max', 'onPath'] as const;
export const tableBy = signal<(typeof GROUPS)[number]>('operation');
export const tableSort = signal<(typeof SORTS)[number]>('self');
/** When spans were last fetched, and whether more may still come. */
export const fetchedAtMs = signal(0);

export const slots = computed(() => slotsOf(columns.value?.services ?? []));

const onlyThese = computed(() => (onlyMatches.value && findText.value ? match.value : null));

/** Which spans the filters leave, or null where they leave all. */
const passes = computed<Uint8Array | null>(() => {
  const all = columns.value;
  const [at, least, only] = [root.value, minUs.value, onlyThese.value];
  if (!all || (at === null && least === 0 && !only)) return null;
  return passing(all, { root: at, minUs: least, only });
});

export const rows = computed<Rows | null>(() => {
  const all = columns.value;
  if (!all) return null;
  const only = onlyThese.value;
  return layout(all, {
    root: root.value, closed: closed.value, fold: fold.value, open: openRuns.value,
    minUs: minUs.value, only,
  });
});

export const critical = computed<CriticalPath | null>(() =>
  columns.value && columns.value.count > 0 ? criticalPath(columns.value, root.value) : null,
);

export const matches = computed<Int32Array>(() => {
  const marks = match.value;
  if (!marks) return new Int32Array(0);
  return Int32Array.from(indexesOf(marks));
});

function* indexesOf(marks: Uint8Array): Generator<number> {
  for (let i = 0; i < marks.length; i += 1) if (marks[i]) yield i;
}

export let thread: TraceThread | null = null;
/** Where the open trace was opened: other paths are other traces, or no trace. */
let openPath = '';

/** Opens a trace of the server, or of a text. */
export async function open(source: { id: string } | { text: string }): Promise<void> {
  shut();
  const mine = (thread = new TraceThread());
  openPath = place.peek().path;
  readAddress();
  try {
    const found = 'id' in source
      ? await mine.fetch(apiUrl(`v2/trace/${encodeURIComponent(source.id)}`), raw.peek())
      : await mine.text(source.text, raw.peek());
    if (thread === mine) take(found, true);
  } catch (error) {
    if (thread === mine) loadFailure.value = error;
  }
}

/** Fetches the trace anew; spans that came meanwhile appear, and what is looked at stays. */
export async function refetch(id: string): Promise<void> {
  const mine = thread;
  if (!mine) return open({ id });
  refreshFailure.value = null;
  try {
    const found = await mine.fetch(apiUrl(`v2/trace/${encodeURIComponent(id)}`), raw.peek());
    if (thread !== mine) return;
    const before = columns.peek();
    if (before && sameTrace(found, before)) fetchedAtMs.value = Date.now();
    else take(found, false);
  } catch (error) {
    if (thread !== mine) return;
    if (columns.peek()) refreshFailure.value = error;
    else loadFailure.value = error;
  }
}

/** Shows the clocks of hosts as they are, or corrected. */
export async function setRaw(on: boolean): Promise<void> {
  raw.value = on;
  const mine = thread;
  const found = await mine?.rebuild(on);
  if (found && thread === mine) take(found, false);
}

function take(found: Columns, first: boolean): void {
  const before = columns.peek();
  const kept = (list: Iterable<number>) =>
    before && !first ? sameSpans(before, found, list) : [];
  batch(() => {
    const [wasSelected, wasClosed, wasOpen, wasRoot] = [
      kept(selected.peek() < 0 ? [] : [selected.peek()]), kept(closed.peek()),
      kept(openRuns.peek()), kept(root.peek() === null ? [] : [root.peek() as number]),
    ];
    const { from, to } = view.peek();
    const all = before && wholeView(before, root.peek());
    const isWhole = all && from === all.from && to === all.to;
    // What is shown stays the same time when the trace begins at another.
    const by = before ? before.t0 - found.t0 : 0;
    columns.value = found;
    fetchedAtMs.value = Date.now();
    loadFailure.value = null;
    match.value = null;
    if (first) readSpans(found);
    else {
      selected.value = wasSelected[0] ?? -1;
      closed.value = new Set(wasClosed);
      openRuns.value = new Set(wasOpen);
      root.value = wasRoot[0] ?? null;
      const most = wholeView(found, root.value);
      view.value = isWhole || from + by >= most.to || to + by <= most.from
        ? most : { from: Math.max(most.from, from + by), to: Math.min(most.to, to + by) };
    }
  });
  void runFind();
}

/** Returns the one of a list that an address names, else the first. */
function known<T extends string>(list: readonly T[], text: string | null): T {
  return list.find((one) => one === text) ?? list[0];
}

function readAddress(): void {
  const { params } = place.peek();
  const wanted = params.get('tab') as Tab;
  tab.value = TABS.includes(wanted) ? wanted : 'waterfall';
  fold.value = params.get('fold') !== '0';
  showCritical.value = params.get('critical') === '1';
  raw.value = params.get('raw') === '1';
  findText.value = params.get('find') ?? params.get('uiFind') ?? '';
  onlyMatches.value = params.get('only') === '1';
  minUs.value = Math.max(0, Number(params.get('min')) || 0);
  tableBy.value = known(GROUPS, params.get('by'));
  tableSort.value = known(SORTS, params.get('sort'));
  heavy.value = params.get('flame') === 'weight';
  const part = /^(0(?:\.\d+)?)-([01](?:\.\d+)?)$/.exec(params.get('part') ?? '');
  heavyPart.value = part && Number(part[1]) < Number(part[2])
    ? { from: Number(part[1]), to: Math.min(1, Number(part[2])) } : { from: 0, to: 1 };
}

/** What the address says about spans can be read only once they are there. */
function readSpans(all: Columns): void {
  const { params } = place.peek();
  const text = (key: string) => params.get(key) ?? '';
  foldLevel.value = levelOf(text('level'));
  closed.value = closedOf(all, {
    level: text('level'), closed: text('closed'), opened: text('opened'),
  });
  openRuns.value = new Set(unlisted(all, text('open')));
  root.value = unlisted(all, text('root'))[0] ?? null;
  const wanted = unlisted(all, text('spanId'))[0] ?? -1;
  selected.value = wanted;
  detailShown.value = wanted >= 0;
  view.value = viewIn(wholeView(all, root.peek()), params);
}

const ADDRESS_PAUSE_MS = 200;
let addressTimer = 0;
/** While the address is changed from here. */
let isOwn = false;

/** Apart, so that it is made anew only when something was folded. */
const folds = computed(() =>
  columns.value ? foldsOf(columns.value, closed.value, foldLevel.value) : null,
);

// The address follows what is looked at, a moment later: browsers refuse too many changes a second.
effect(() => {
  const all = columns.value;
  if (!all) return;
  const whole = wholeView(all, root.value);
  const zoomed = view.value.from !== whole.from || view.value.to !== whole.to;
  const { from, to } = heavyPart.value;
  const next: Record<string, string | null> = {
    tab: tab.value === 'waterfall' ? null : tab.value,
    spanId: selected.value >= 0 && detailShown.value ? halfText(all, selected.value) : null,
    root: root.value === null ? null : halfText(all, root.value),
    ...folds.value,
    open: listed(all, openRuns.value),
    by: tableBy.value === GROUPS[0] ? null : tableBy.value,
    sort: tableSort.value === SORTS[0] ? null : tableSort.value,
    flame: heavy.value ? 'weight' : null,
    part: from > 0 || to < 1 ? `${from.toFixed(PART_DIGITS)}-${to.toFixed(PART_DIGITS)}` : null,
    fold: fold.value ? null : '0',
    critical: showCritical.value ? '1' : null,
    raw: raw.value ? '1' : null,
    find: findText.value,
    uiFind: null,
    only: onlyMatches.value ? '1' : null,
    min: minUs.value > 0 ? String(minUs.value) : null,
    from: zoomed ? String(Math.round(view.value.from)) : null,
    to: zoomed ? String(Math.round(view.value.to)) : null,
  };
  clearTimeout(addressTimer);
  const path = place.peek().path;
  addressTimer = setTimeout(() => {
    isOwn = true;
    if (place.peek().path === path) rewriteSome(next);
    isOwn = false;
  }, ADDRESS_PAUSE_MS);
});

// What is looked at follows the address when that changes otherwise: on the way back, or by hand.
effect(() => {
  const { path } = place.value;
  if (!isOwn && thread && path === openPath) untracked(followAddress);
});

function followAddress(): void {
  const all = columns.peek();
  const wasRaw = raw.peek();
  clearTimeout(addressTimer);
  batch(() => {
    readAddress();
    if (all) readSpans(all);
  });
  if (!all) return;
  if (raw.peek() !== wasRaw) void setRaw(raw.peek());
  void runFind();
}

let finding = 0;

/** Looks for the text to find; the marks follow. */
export async function runFind(): Promise<void> {
  const round = (finding += 1);
  const text = findText.peek();
  if (!text.trim() || !thread) {
    match.value = null;
    return;
  }
  const found = await thread.find(text).catch(() => null);
  if (round === finding) match.value = found;
}

/** Selects a span, opening whatever hides it. */
export function select(index: number, detail = detailShown.peek()): void {
  const all = columns.peek();
  if (!all || index < 0 || index >= all.count) return;
  batch(() => {
    reveal(all, index);
    selected.value = index;
    detailShown.value = detail;
  });
}

/** Lifts the filters that hide a span, one after the other, and says so. */
function lift(index: number): void {
  const isHidden = () => passes.peek()?.[index] === 0;
  if (!isHidden()) return;
  onlyMatches.value = false;
  if (isHidden()) minUs.value = 0;
  say(t('trace.lifted'));
}

function reveal(all: Columns, index: number): void {
  const at = root.peek();
  if (at !== null && (index < at || index >= all.end[at])) root.value = null;
  lift(index);
  const next = new Set(closed.peek());
  for (let up = all.parent[index]; up >= 0; up = all.parent[up]) next.delete(up);
  if (next.size !== closed.peek().size) closed.value = next;
  const shown = rows.peek();
  const row = shown ? rowOf(shown, all, index) : -1;
  if (!shown || row < 0) return;
  if (shown.run[row] > 0) openRuns.value = new Set(openRuns.peek()).add(shown.span[row]);
}

/** Goes to the next (1) or previous (-1) of some spans, round and round, past hidden ones. */
export function step(among: ArrayLike<number>, way: 1 | -1): void {
  const marks = passes.peek();
  const list = marks ? Array.from(among).filter((i) => marks[i]) : among;
  const hidden = among.length - list.length;
  if (hidden > 0) {
    const key = list.length > 0 ? 'trace.someHidden' : 'trace.allHidden';
    say(t(key, { n: hidden, count: count(hidden) }));
  }
  if (list.length === 0) return;
  const at = selected.peek();
  let next = way === 1 ? 0 : list.length - 1;
  for (let k = 0; k < list.length; k += 1) {
    const i = way === 1 ? k : list.length - 1 - k;
    if (way === 1 ? list[i] > at : list[i] < at) {
      next = i;
      break;
    }
  }
  select(list[next]);
}

/** Returns the spans that failed. */
export const failed = computed<number[]>(() => {
  const all = columns.value;
  const found: number[] = [];
  if (!all) return found;
  for (let i = 0; i < all.count; i += 1) if (all.flags[i] & FAILED) found.push(i);
  return found;
});

export function toggle(index: number): void {
  const next = new Set(closed.peek());
  if (!next.delete(index)) next.add(index);
  closed.value = next;
}

export function toggleRun(first: number): void {
  const next = new Set(openRuns.peek());
  if (!next.delete(first)) next.add(first);
  openRuns.value = next;
}

/** Folds everything below a level; null opens all. */
export function closeBelow(level: number | null): void {
  const all = columns.peek();
  if (!all) return;
  batch(() => {
    foldLevel.value = level;
    closed.value = below(all, level);
  });
}

/** Leaves the trace. */
export function shut(): void {
  thread?.end();
  thread = null;
  clearTimeout(addressTimer);
  batch(() => {
    columns.value = null;
    loadFailure.value = null;
    refreshFailure.value = null;
    selected.value = -1;
    detailShown.value = false;
    match.value = null;
    closed.value = new Set();
    foldLevel.value = null;
    openRuns.value = new Set();
    root.value = null;
  });
}
