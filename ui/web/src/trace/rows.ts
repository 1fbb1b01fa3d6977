//! Which rows the waterfall shows: folded subtrees, folded runs of like siblings, a new root, and
//! what is too short or does not match left out.

import { FAILED, type Columns } from './model';

export interface View {
  /** The span at the top. */
  root: number | null;
  /** Spans whose children are folded away. */
  closed: ReadonlySet<number>;
  /** Whether runs of like siblings are one row each, and which of them are open all the same. */
  fold: boolean;
  open: ReadonlySet<number>;
  /** Shorter spans are left out. */
  minUs: number;
  /** Only these and their ancestors. */
  only: Uint8Array | null;
}

export interface Rows {
  count: number;
  /** The span of a row; the first one for a folded run. */
  span: Int32Array;
  /** How many spans a row of a folded run stands for; 0 for plain rows. */
  run: Int32Array;
  level: Int32Array;
}

/** Returns what remains with the ancestors of what matches. */
export function withAncestors(columns: Columns, match: Uint8Array): Uint8Array {
  const kept = match.slice();
  for (let i = columns.count - 1; i >= 0; i -= 1) {
    const up = columns.parent[i];
    if (kept[i] && up >= 0) kept[up] = 1;
  }
  return kept;
}

/** Returns which spans the filters leave, be they rows or within a folded one. */
export function passing(
  columns: Columns, view: Pick<View, 'root' | 'minUs' | 'only'>,
): Uint8Array {
  const marks = new Uint8Array(columns.count);
  const from = view.root ?? 0;
  const to = view.root === null ? columns.count : columns.end[from];
  const kept = view.only ? withAncestors(columns, view.only) : null;
  for (let i = from; i < to; ) {
    const isHidden = (columns.dur[i] < view.minUs && i !== from) || (kept !== null && !kept[i]);
    marks[i] = isHidden ? 0 : 1;
    i = isHidden ? columns.end[i] : i + 1;
  }
  return marks;
}

/** Lays out the rows. */
export function layout(columns: Columns, view: View): Rows {
  const { end, depth, run } = columns;
  const from = view.root ?? 0;
  const to = view.root === null ? columns.count : end[from];
  const base = view.root === null ? 0 : depth[from];
  const span = new Int32Array((to - from) * 2);
  const runs = new Int32Array((to - from) * 2);
  const level = new Int32Array((to - from) * 2);
  const kept = view.only ? withAncestors(columns, view.only) : null;
  // Runs that are open around the row; their members stand one level deeper.
  const around: number[] = [];
  let count = 0;
  const push = (i: number, members: number, extra: number) => {
    span[count] = i;
    runs[count] = members;
    level[count] = depth[i] - base + extra;
    count += 1;
  };
  for (let i = from; i < to; ) {
    while (around.length > 0 && i >= around[around.length - 1]) around.pop();
    const hidden = (view.minUs > 0 && columns.dur[i] < view.minUs && i !== from) ||
      (kept !== null && !kept[i]);
    const heads = view.fold && run[i] > 0 && i !== from && !kept &&
      (view.minUs === 0 || runSums(columns, i).max >= view.minUs);
    if (heads) {
      const stop = runEnd(columns, i);
      push(i, run[i], around.length);
      if (!view.open.has(i)) {
        i = stop;
        continue;
      }
      around.push(stop);
    }
    if (!hidden) push(i, 0, around.length);
    i = hidden || view.closed.has(i) ? end[i] : i + 1;
  }
  return {
    count, span: span.slice(0, count), run: runs.slice(0, count), level: level.slice(0, count),
  };
}

/** Returns where the run that begins with a span ends. */
export function runEnd(columns: Columns, first: number): number {
  let at = first;
  for (let i = 0; i < columns.run[first]; i += 1) at = columns.end[at];
  return at;
}

/** Returns total, mean and longest of a run. */
export function runSums(columns: Columns, first: number): { total: number; max: number } {
  let [at, total, max] = [first, 0, 0];
  for (let i = 0; i < columns.run[first]; i += 1) {
    total += columns.dur[at];
    max = Math.max(max, columns.dur[at]);
    at = columns.end[at];
  }
  return { total, max };
}

/** Returns the row of a span, or of the run or ancestor that hides it; -1 for none. */
export function rowOf(rows: Rows, columns: Columns, index: number): number {
  let [low, high] = [0, rows.count];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows.span[middle] < index || (rows.span[middle] === index && rows.run[middle] > 0)) {
      low = middle + 1;
    } else high = middle;
  }
  if (low < rows.count && rows.span[low] === index) return low;
  const above = low - 1;
  if (above < 0) return -1;
  const shown = rows.span[above];
  const reach = rows.run[above] > 0 ? runEnd(columns, shown) : columns.end[shown];
  return index < reach ? above : -1;
}

const failures = new WeakMap<Columns, Int32Array>();

/** Returns how many spans from `from` up to `to` failed. */
export function failedWithin(columns: Columns, from: number, to: number): number {
  let before = failures.get(columns);
  if (!before) {
    before = new Int32Array(columns.count + 1);
    for (let i = 0; i < columns.count; i += 1) {
      before[i + 1] = before[i] + (columns.flags[i] & FAILED ? 1 : 0);
    }
    failures.set(columns, before);
  }
  return before[to] - before[from];
}
