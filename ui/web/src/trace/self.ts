//! The time in which a span ran and none of its children did.

import type { Columns } from './model';

/** Fills in `selfFrom`, `selfAt` and `self`. Children are sorted by start, so one pass is enough. */
export function selfTimes(columns: Columns): void {
  const { count, start, dur, end, self, selfFrom } = columns;
  const pieces: number[] = [];
  for (let i = 0; i < count; i += 1) {
    const stop = start[i] + dur[i];
    let at = start[i];
    let sum = 0;
    const piece = (to: number) => {
      if (to <= at) return;
      pieces.push(at, to);
      sum += to - at;
    };
    for (let c = i + 1; c < end[i] && at < stop; c = end[c]) {
      piece(Math.min(start[c], stop));
      at = Math.max(at, Math.min(start[c] + dur[c], stop));
    }
    piece(stop);
    self[i] = sum;
    selfFrom[i + 1] = pieces.length / 2;
  }
  columns.selfAt = Float64Array.from(pieces);
}
