//! The critical path: the chain of pieces of spans that decided how long the trace took. Walked
//! back from the end of the root, always into the child that ended last.

import type { Columns } from './model';

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
}

interface Frame {
  span: number;
  /** Up to where this span's time is not yet explained. */
  cursor: number;
  /** Children, those that end last first, and how many of them were looked at. */
  children: number[];
  next: number;
}

function frameOf(columns: Columns, span: number, cursor: number): Frame {
  const { start, dur, end } = columns;
  const children: number[] = [];
  for (let c = span + 1; c < end[span]; c = end[c]) if (dur[c] > 0) children.push(c);
  const stop = Math.min(cursor, start[span] + dur[span]);
  const ends = (c: number) => Math.min(start[c] + dur[c], stop);
  children.sort((a, b) => ends(b) - ends(a) || start[a] - start[b]);
  return { span, cursor: stop, children, next: 0 };
}

/** Returns the critical path below a span. */
export function criticalPath(columns: Columns, root = 0): CriticalPath {
  const { start, dur, count } = columns;
  const pieces: [number, number, number][] = [];
  const add = (span: number, from: number, to: number) => {
    if (to > from) pieces.push([span, from, to]);
  };
  const stack: Frame[] = [];
  if (count > 0) stack.push(frameOf(columns, root, start[root] + dur[root]));
  while (stack.length > 0) {
    const frame = stack[stack.length - 1];
    const begin = start[frame.span];
    const bound = stack.length === 1 ? begin : Math.max(begin, start[root]);
    const c = frame.children[frame.next];
    if (c === undefined || frame.cursor <= bound) {
      add(frame.span, bound, frame.cursor);
      stack.pop();
      continue;
    }
    frame.next += 1;
    // What overlaps with the piece that is already explained did not hold anything up.
    const stop = Math.min(start[c] + dur[c], start[frame.span] + dur[frame.span]);
    if (stop > frame.cursor || start[c] >= stop) continue;
    add(frame.span, Math.max(stop, bound), frame.cursor);
    frame.cursor = Math.max(bound, start[c]);
    if (stop > bound) stack.push(frameOf(columns, c, stop));
  }
  pieces.reverse();
  return indexed(pieces, count);
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
    on, first, piece,
    span: Int32Array.from(pieces, (one) => one[0]),
    from: Float64Array.from(pieces, (one) => one[1]),
    to: Float64Array.from(pieces, (one) => one[2]),
  };
}
