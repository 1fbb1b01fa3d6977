//! Builds the columns of a trace from its spans: who is whose child, in which order, since when.
//! Whatever is wrong with the spans is noted, never fatal, and nothing here recurses.

import { clean } from './clean';
import {
  CYCLE, FAILED, KINDS, NO_DURATION, NO_TIME, PLACEHOLDER, SHARED, SKEWED,
  type Columns, type Span,
} from './model';
import { selfTimes } from './self';
import { correctSkew } from './skew';

/** So many like siblings in a row can be folded into one row. */
export const RUN_MIN = 5;

/** The spans with their places in the tree, before they are put in order. */
export interface Nodes {
  spans: Span[];
  parent: Int32Array;
  /** Children of node i are `child[childFrom[i]..childFrom[i + 1]]`. */
  childFrom: Int32Array;
  child: Int32Array;
  roots: number[];
  /** Microseconds since the epoch, NaN where unknown. */
  start: Float64Array;
  flags: Uint8Array;
  placeholders: number;
}

/** Builds the columns; `raw` leaves the clocks of hosts as they are. */
export function build(input: Span[], raw = false): { columns: Columns; spans: Span[] } {
  const { spans, merged } = clean(input);
  const nodes = link(spans);
  const shifts = raw ? [] : correctSkew(nodes);
  sortChildren(nodes);
  const columns = order(nodes);
  columns.notes.merged = merged;
  columns.notes.shifts = shifts;
  selfTimes(columns);
  findRuns(columns);
  return { columns, spans: nodes.spans };
}

/** Finds each span's parent; parents that are not there get placeholders. */
export function link(spans: Span[]): Nodes {
  const byId = new Map<string, number[]>();
  spans.forEach((span, index) => {
    const list = byId.get(span.id);
    if (list) list.push(index);
    else byId.set(span.id, [index]);
  });
  const all = [...spans];
  const parents: number[] = [];
  const holders = new Map<string, number>();
  for (let i = 0; i < spans.length; i += 1) {
    parents.push(parentOf(spans, i, byId));
    if (parents[i] !== -2) continue;
    const id = spans[i].parentId ?? '';
    let holder = holders.get(id);
    if (holder === undefined) {
      holder = all.length;
      holders.set(id, holder);
      all.push({ traceId: spans[i].traceId, id });
    }
    parents[i] = holder;
  }
  for (let i = spans.length; i < all.length; i += 1) parents.push(-1);
  const flags = new Uint8Array(all.length);
  flags.fill(PLACEHOLDER, spans.length);
  const parent = Int32Array.from(parents);
  cutCycles(all, parent, flags);
  return withChildren(all, parent, flags, holders.size);
}

/** Returns the parent's index, -1 for roots, -2 where the parent is not there. */
function parentOf(spans: Span[], index: number, byId: Map<string, number[]>): number {
  const span = spans[index];
  const service = span.localEndpoint?.serviceName;
  const same = byId.get(span.id) ?? [];
  if (span.shared && same.length > 1) {
    const client = same.find((other) => other !== index && !spans[other].shared);
    if (client !== undefined) return client;
  }
  if (!span.parentId || span.parentId === span.id) return -1;
  const found = byId.get(span.parentId);
  if (!found) return -2;
  if (found.length === 1) return found[0];
  // Of two halves with this id, work goes on in the one of the same service, else in the server's.
  return found.find((other) => service && spans[other].localEndpoint?.serviceName === service) ??
    found.find((other) => spans[other].shared) ?? found[0];
}

/** A span that is its own ancestor becomes a root: the one of the circle that was met first. */
function cutCycles(spans: Span[], parent: Int32Array, flags: Uint8Array): void {
  const state = new Uint8Array(spans.length);
  const path: number[] = [];
  for (let i = 0; i < spans.length; i += 1) {
    let at = i;
    path.length = 0;
    while (at >= 0 && state[at] === 0) {
      state[at] = 1;
      path.push(at);
      at = parent[at];
    }
    if (at >= 0 && state[at] === 1) {
      parent[at] = -1;
      flags[at] |= CYCLE;
    }
    for (const one of path) state[one] = 2;
  }
}

function withChildren(
  spans: Span[], parent: Int32Array, flags: Uint8Array, placeholders: number,
): Nodes {
  const n = spans.length;
  const childFrom = new Int32Array(n + 1);
  for (let i = 0; i < n; i += 1) if (parent[i] >= 0) childFrom[parent[i] + 1] += 1;
  for (let i = 0; i < n; i += 1) childFrom[i + 1] += childFrom[i];
  const next = childFrom.slice(0, n);
  const child = new Int32Array(childFrom[n]);
  const start = new Float64Array(n);
  const roots: number[] = [];
  for (let i = 0; i < n; i += 1) {
    const span = spans[i];
    if (parent[i] >= 0) child[next[parent[i]]++] = i;
    else roots.push(i);
    start[i] = span.timestamp ? span.timestamp : Number.NaN;
    if (span.tags && 'error' in span.tags) flags[i] |= FAILED;
    if (span.shared) flags[i] |= SHARED;
    if (flags[i] & PLACEHOLDER) continue;
    if (!span.timestamp) flags[i] |= NO_TIME;
    if (!span.duration) flags[i] |= NO_DURATION;
  }
  return { spans, parent, childFrom, child, roots, start, flags, placeholders };
}

/** Children in the order of their starts; those without a time first, as their parent begins. */
function sortChildren(nodes: Nodes): void {
  const { start, child, childFrom, spans } = nodes;
  const key = (i: number) => (Number.isNaN(start[i]) ? Number.NEGATIVE_INFINITY : start[i]);
  const compare = (a: number, b: number) => {
    const [x, y] = [key(a), key(b)];
    return x < y ? -1 : x > y ? 1 : a - b;
  };
  for (let i = 0; i < spans.length; i += 1) {
    const [from, to] = [childFrom[i], childFrom[i + 1]];
    if (to - from > 1) child.subarray(from, to).sort(compare);
  }
  // A placeholder begins where the first of its children does.
  for (let i = 0; i < spans.length; i += 1) {
    if (!(nodes.flags[i] & PLACEHOLDER)) continue;
    for (let c = childFrom[i]; c < childFrom[i + 1]; c += 1) {
      if (Number.isNaN(start[i]) || start[child[c]] < start[i]) start[i] = start[child[c]];
    }
  }
  // The true root first, then what hangs in the air.
  nodes.roots.sort((a, b) =>
    (nodes.flags[a] & PLACEHOLDER) - (nodes.flags[b] & PLACEHOLDER) || compare(a, b));
}

function emptyColumns(n: number, traceId: string): Columns {
  return {
    traceId, count: n, t0: 0, total: 1,
    start: new Float64Array(n), dur: new Float64Array(n), parent: new Int32Array(n),
    end: new Int32Array(n), depth: new Int32Array(n), service: new Uint32Array(n),
    name: new Uint32Array(n), kind: new Uint8Array(n), flags: new Uint8Array(n),
    ids: new BigUint64Array(n), source: new Int32Array(n), services: [], names: [],
    remote: new Int32Array(n).fill(-1), remotes: [],
    annFrom: new Int32Array(n + 1), annAt: new Float64Array(0),
    selfFrom: new Int32Array(n + 1), selfAt: new Float64Array(0), self: new Float64Array(n),
    run: new Int32Array(n),
    notes: {
      roots: 0, missingParents: 0, shifts: [], noTime: 0, noDuration: 0, cycles: 0, merged: 0,
      errors: 0, depth: 0, rawTotal: 0,
    },
  };
}

/** Numbers texts in the order of their first appearance. */
class Words {
  readonly list: string[] = [];
  private readonly known = new Map<string, number>();

  of(text: string): number {
    let index = this.known.get(text);
    if (index === undefined) {
      index = this.list.length;
      this.known.set(text, index);
      this.list.push(text);
    }
    return index;
  }
}

/** Puts the nodes in depth-first order. */
function order(nodes: Nodes): Columns {
  const n = nodes.spans.length;
  const columns = emptyColumns(n, nodes.spans[0]?.traceId ?? '');
  const [services, names, remotes] = [new Words(), new Words(), new Words()];
  const stack = [...nodes.roots].reverse();
  const place = new Int32Array(n);
  const annotations: number[] = [];
  let t0 = Number.POSITIVE_INFINITY;
  for (const time of nodes.start) if (time < t0) t0 = time;
  columns.t0 = Number.isFinite(t0) ? t0 : 0;
  let at = 0;
  while (stack.length > 0) {
    const node = stack.pop() as number;
    place[node] = at;
    const up = nodes.parent[node];
    columns.parent[at] = up < 0 ? -1 : place[up];
    columns.depth[at] = up < 0 ? 0 : columns.depth[place[up]] + 1;
    columns.source[at] = nodes.flags[node] & PLACEHOLDER ? -1 : node;
    columns.flags[at] = nodes.flags[node];
    fillSpan(columns, at, nodes, node);
    const span = nodes.spans[node];
    columns.service[at] = services.of(span.localEndpoint?.serviceName ?? '');
    columns.name[at] = names.of(span.name ?? '');
    const remote = span.remoteEndpoint?.serviceName;
    if (remote) columns.remote[at] = remotes.of(remote);
    const shift = span.timestamp ? nodes.start[node] - span.timestamp : 0;
    for (const one of span.annotations ?? []) {
      annotations.push(one.timestamp + shift - columns.t0);
    }
    columns.annFrom[at + 1] = annotations.length;
    for (let c = nodes.childFrom[node + 1] - 1; c >= nodes.childFrom[node]; c -= 1) {
      stack.push(nodes.child[c]);
    }
    at += 1;
  }
  columns.services = services.list;
  columns.names = names.list;
  columns.remotes = remotes.list;
  columns.annAt = Float64Array.from(annotations);
  close(columns, nodes);
  return columns;
}

function fillSpan(columns: Columns, at: number, nodes: Nodes, node: number): void {
  const span = nodes.spans[node];
  const up = columns.parent[at];
  const known = nodes.start[node] - columns.t0;
  columns.start[at] = Number.isNaN(known) ? (up < 0 ? 0 : columns.start[up]) : known;
  columns.dur[at] = Math.max(0, span.duration ?? 0);
  columns.kind[at] = Math.max(0, KINDS.indexOf(span.kind ?? ''));
  columns.ids[at] = /^[0-9a-f]{1,16}$/i.test(span.id) ? BigInt(`0x${span.id}`) : 0n;
}

/** Ends of subtrees, lengths of placeholders, and the notes. */
function close(columns: Columns, nodes: Nodes): void {
  const { count, parent, end, start, dur, flags, notes } = columns;
  const reach = new Float64Array(count);
  for (let i = count - 1; i >= 0; i -= 1) {
    if (end[i] === 0) end[i] = i + 1;
    if (flags[i] & PLACEHOLDER) dur[i] = Math.max(0, reach[i] - start[i]);
    reach[i] = Math.max(reach[i], start[i] + dur[i]);
    const up = parent[i];
    if (up >= 0) {
      if (end[up] === 0) end[up] = end[i];
      end[up] = Math.max(end[up], end[i]);
      reach[up] = Math.max(reach[up], reach[i]);
    }
    if (flags[i] & FAILED) notes.errors += 1;
    if (flags[i] & NO_TIME) notes.noTime += 1;
    if (flags[i] & NO_DURATION) notes.noDuration += 1;
    if (flags[i] & CYCLE) notes.cycles += 1;
    columns.total = Math.max(columns.total, start[i] + dur[i]);
    notes.depth = Math.max(notes.depth, columns.depth[i] + 1);
  }
  notes.rawTotal = rawTotal(nodes.spans);
  notes.roots = nodes.roots.length;
  notes.missingParents = nodes.placeholders;
}

/** How long the trace takes by the clocks of its hosts. */
function rawTotal(spans: Span[]): number {
  let [first, last] = [Number.POSITIVE_INFINITY, 0];
  for (const { timestamp, duration } of spans) {
    if (!timestamp) continue;
    first = Math.min(first, timestamp);
    last = Math.max(last, timestamp + (duration ?? 0));
  }
  return Math.max(0, last - first);
}

/** Marks rows of like siblings: same service, same name, one after the other. */
function findRuns(columns: Columns): void {
  const { count, parent, end, service, name, run } = columns;
  const seen = new Uint8Array(count);
  for (let i = 0; i < count; i += 1) {
    if (seen[i] || parent[i] < 0) continue;
    const stop = end[parent[i]];
    let [at, size] = [i, 0];
    while (at < stop && service[at] === service[i] && name[at] === name[i]) {
      seen[at] = 1;
      size += 1;
      at = end[at];
    }
    run[i] = size >= RUN_MIN ? size : 0;
  }
}

export { SKEWED };
