//! What is the same in a trace before and after it was fetched anew.

import { halfText, halvesOf, type Columns } from './model';

/** Whether nothing came in between; a parent that came takes the place of its placeholder. */
export function sameTrace(a: Columns, b: Columns): boolean {
  return a.count === b.count && a.total === b.total && a.notes.merged === b.notes.merged &&
    a.notes.missingParents === b.notes.missingParents && a.notes.noDuration === b.notes.noDuration;
}

/** Returns where spans of a trace are in its newer columns. */
export function sameSpans(before: Columns, found: Columns, list: Iterable<number>): number[] {
  return halvesOf(found, Array.from(list, (i) => halfText(before, i)));
}
