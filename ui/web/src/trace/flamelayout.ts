//! Lays out the flame graph: spans by time and depth, or merged by path and sorted by weight
//! ("left heavy"), so that what costs most stands on the left.

import type { Columns } from './model';

export interface Flames {
  count: number;
  /** Shares of the whole width. */
  from: Float64Array;
  to: Float64Array;
  level: Int32Array;
  /** The span, or the first of those that were merged. */
  span: Int32Array;
  /** How many were merged. */
  merged: Int32Array;
  /** Microseconds that the width stands for. */
  us: Float64Array;
  levels: number;
}

function empty(n: number): Flames {
  return {
    count: n, from: new Float64Array(n), to: new Float64Array(n), level: new Int32Array(n),
    span: new Int32Array(n), merged: new Int32Array(n).fill(1), us: new Float64Array(n), levels: 0,
  };
}

/** Levels looked at for a free place below a span; behind that others are covered. */
const LANES_MAX = 64;

/** Spans where they were in time: what ran side by side lies one below the other. */
export function byTime(columns: Columns): Flames {
  const flames = empty(columns.count);
  const { start, dur, parent, total } = columns;
  // Where the last one of each level ends, the rightmost.
  const ends: number[] = [];
  for (let i = 0; i < columns.count; i += 1) {
    const first = parent[i] < 0 ? 0 : flames.level[parent[i]] + 1;
    let level = first;
    while (start[i] < (ends[level] ?? 0) && level < first + LANES_MAX) level += 1;
    const end = start[i] + dur[i];
    ends[level] = Math.max(ends[level] ?? 0, end);
    flames.from[i] = start[i] / total;
    flames.to[i] = end / total;
    flames.level[i] = level;
    flames.span[i] = i;
    flames.us[i] = dur[i];
    flames.levels = Math.max(flames.levels, level + 1);
  }
  return flames;
}

interface Path {
  key: string;
  span: number;
  us: number;
  count: number;
  children: Map<string, Path>;
}

function pathOf(span: number, key: string): Path {
  return { key, span, us: 0, count: 0, children: new Map() };
}

/** Spans of one path (services and names from the root on) as one, by weight. */
export function byWeight(columns: Columns): Flames {
  const { parent, service, name, dur, count } = columns;
  const root = pathOf(-1, '');
  const paths: Path[] = [];
  for (let i = 0; i < count; i += 1) {
    const up = parent[i] < 0 ? root : paths[parent[i]];
    const key = `${service[i]} ${name[i]}`;
    let path = up.children.get(key);
    if (!path) up.children.set(key, (path = pathOf(i, key)));
    path.us += dur[i];
    path.count += 1;
    paths.push(path);
  }
  return spread(root, new Set(paths).size);
}

function spread(root: Path, size: number): Flames {
  const flames = empty(size);
  let at = 0;
  const sum = (path: Path) => [...path.children.values()].reduce((all, child) => all + child.us, 0);
  const stack: { path: Path; from: number; to: number; level: number }[] = [];
  const push = (path: Path, from: number, to: number, level: number) => {
    // Children that ran side by side may weigh more than their parent: they are scaled to fit.
    const weight = Math.max(path.us, sum(path), 1);
    let left = from;
    const row: typeof stack = [];
    for (const child of [...path.children.values()].sort((a, b) => b.us - a.us)) {
      const wide = ((to - from) * child.us) / weight;
      row.push({ path: child, from: left, to: left + wide, level });
      left += wide;
    }
    // The last one that is pushed comes first: each level goes from left to right.
    stack.push(...row.reverse());
  };
  push(root, 0, 1, 0);
  while (stack.length > 0) {
    const { path, from, to, level } = stack.pop() as (typeof stack)[number];
    flames.from[at] = from;
    flames.to[at] = to;
    flames.level[at] = level;
    flames.span[at] = path.span;
    flames.merged[at] = path.count;
    flames.us[at] = path.us;
    flames.levels = Math.max(flames.levels, level + 1);
    at += 1;
    push(path, from, to, level + 1);
  }
  return flames;
}

/** Returns the box that an arrow key leads to: the next of its level, the one above, the first
 * below; itself where there is none, null for other keys. */
export function beside(flames: Flames, k: number, key: string): number | null {
  switch (key) {
    case 'ArrowLeft': return aside(flames, k, -1);
    case 'ArrowRight': return aside(flames, k, 1);
    case 'ArrowUp': return above(flames, k);
    case 'ArrowDown': return beneath(flames, k);
    default: return null;
  }
}

/** Of one level, boxes follow each other by where they begin. */
function aside({ from, level, count }: Flames, k: number, way: 1 | -1): number {
  const far = (i: number) => way * (from[i] - from[k] || i - k);
  let best = k;
  for (let i = 0; i < count; i += 1) {
    if (level[i] === level[k] && far(i) > 0 && (best === k || far(i) < far(best))) best = i;
  }
  return best;
}

function above({ from, to, level, count }: Flames, k: number): number {
  const middle = (from[k] + to[k]) / 2;
  let best = k;
  for (let i = 0; i < count; i += 1) {
    const lies = level[i] < level[k] && from[i] <= middle && to[i] >= middle;
    if (lies && (best === k || level[i] > level[best])) best = i;
  }
  return best;
}

/** The first box of the nearest level that has one below this one, else the nearest of the next
 * level: what ran beside it may have pushed that aside. */
function beneath({ from, to, level, count }: Flames, k: number): number {
  let [best, near] = [k, k];
  for (let i = 0; i < count; i += 1) {
    if (level[i] <= level[k]) continue;
    const away = (box: number) => Math.abs(from[box] - from[k]);
    if (level[i] === level[k] + 1 && (near === k || away(i) < away(near))) near = i;
    if (from[i] < from[k] || from[i] > to[k]) continue;
    const isNearer = level[i] < level[best] || (level[i] === level[best] && from[i] < from[best]);
    if (best === k || isNearer) best = i;
  }
  return best === k ? near : best;
}
