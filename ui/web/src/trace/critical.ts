//! The critical path: the chain of pieces of spans that decided how long the trace took. Walked
//! back from the end of the root, always into the child that ended last. Several roots are walked
//! as children of one that was not received; time in which none of them ran is nobody's.

import { NO_DURATION, type Columns } from './model';
import type { Part } from './state';

export interface CriticalPath {
  /** Per span, whether it has a piece. */
  on: Uint8Array;
  /** Pieces in order of time. */
  span: Int32Array;
  from: Float64Array;
  to: Float64Array;
  /** Pieces of span i are `piece[first[i]..first[i + 1]]`. */
  first: Int32Array;
  piece: Int32Array;
  /** How long all pieces are: what shares of the path are of, wherever they are shown. */
  length: number;
}

interface Frame {
  span: number;
  /** Where its part of the path begins: what a span did before its caller began held up nobody. */
  begin: number;
  /** Where its part of the path ends: what lasts longer was not waited for any more. */
  stop: number;
  /** Up to where this span's time is not yet explained. */
  cursor: number;
  /** Children, those that end last first, and how many of them were looked at. */
  children: number[];
  next: number;
}

/** Above all roots. */
const ALL = -1;

/** When spans end: one without a duration lasts at least as long as what is below it. */
function endsOf({ start, dur, flags, parent, count }: Columns): Float64Array {
  const ends = new Float64Array(count);
  // Children stand behind their parents, so that theirs are known first.
  for (let i = count - 1; i >= 0; i -= 1) {
    ends[i] = flags[i] & NO_DURATION ? Math.max(ends[i], start[i]) : start[i] + dur[i];
    const up = parent[i];
    if (up >= 0) ends[up] = Math.max(ends[up], ends[i]);
  }
  return ends;
}

function frameOf(columns: Columns, ends: Float64Array, span: number, within: Part): Frame {
  const { start, end, count } = columns;
  const children: number[] = [];
  const last = span === ALL ? count : end[span];
  for (let c = span + 1; c < last; c = end[c]) if (ends[c] > start[c]) children.push(c);
  const begin = span === ALL ? within.from : Math.max(within.from, start[span]);
  const stop = span === ALL ? within.to : Math.min(within.to, ends[span]);
  const seen = (c: number) => Math.min(ends[c], stop);
  children.sort((a, b) => seen(b) - seen(a) || start[a] - start[b]);
  return { span, begin, stop, cursor: stop, children, next: 0 };
}

/** Returns the critical path below a span, or of the whole trace. */
export function criticalPath(columns: Columns, below: number | null = null): CriticalPath {
  const { start, count, total } = columns;
  const root = below ?? (count > 0 && columns.end[0] < count ? ALL : 0);
  const pieces: [number, number, number][] = [];
  const add = (span: number, from: number, to: number) => {
    if (span !== ALL && to > from) pieces.push([span, from, to]);
  };
  const ends = endsOf(columns);
  const stack: Frame[] = [];
  const whole = root === ALL ? { from: 0, to: total } : { from: start[root], to: ends[root] };
  if (count > 0) stack.push(frameOf(columns, ends, root, whole));
  while (stack.length > 0) {
    const frame = stack[stack.length - 1];
    const { begin } = frame;
    const c = frame.children[frame.next];
    if (c === undefined || frame.cursor <= begin) {
      add(frame.span, begin, frame.cursor);
      stack.pop();
      continue;
    }
    frame.next += 1;
    // What overlaps with the piece that is already explained did not hold anything up.
    const stop = Math.min(ends[c], frame.stop);
    if (stop > frame.cursor || start[c] >= stop) continue;
    add(frame.span, Math.max(stop, begin), frame.cursor);
    frame.cursor = Math.max(begin, start[c]);
    if (stop > begin) stack.push(frameOf(columns, ends, c, { from: begin, to: stop }));
  }
  pieces.reverse();
  return indexed(pieces, count);
}

/** Returns how long each span is on the path. */
export function timesOn(path: CriticalPath, count: number): Float64Array {
  const times = new Float64Array(count);
  path.span.forEach((span, k) => {
    times[span] += path.to[k] - path.from[k];
  });
  return times;
}

/** Returns which share of the path a span has. */
export function shareOf(path: CriticalPath, span: number): number {
  let sum = 0;
  for (let k = path.first[span]; k < path.first[span + 1]; k += 1) {
    sum += path.to[path.piece[k]] - path.from[path.piece[k]];
  }
  return path.length > 0 ? sum / path.length : 0;
}

function indexed(pieces: [number, number, number][], count: number): CriticalPath {
  pieces.sort((a, b) => a[1] - b[1]);
  const on = new Uint8Array(count);
  const first = new Int32Array(count + 1);
  for (const [span] of pieces) {
    on[span] = 1;
    first[span + 1] += 1;
  }
  for (let i = 0; i < count; i += 1) first[i + 1] += first[i];
  const next = first.slice(0, count);
  const piece = new Int32Array(pieces.length);
  pieces.forEach(([span], index) => {
    piece[next[span]++] = index;
  });
  return {
    on, first, piece, length: pieces.reduce((sum, [, from, to]) => sum + to - from, 0),
    span: Int32Array.from(pieces, (one) => one[0]),
    from: Float64Array.from(pieces, (one) => one[1]),
    to: Float64Array.from(pieces, (one) => one[2]),
  };
}
