//! Which time there is to be shown of a trace, before anything is zoomed in on.

import type { Columns } from './model';
import type { Part } from './state';

/** Returns the time of the whole trace, or of what is below a span. */
export function wholeView(all: Columns, at: number | null): Part {
  if (at === null) return { from: 0, to: all.total };
  let to = all.start[at] + Math.max(1, all.dur[at]);
  for (let i = at; i < all.end[at]; i += 1) to = Math.max(to, all.start[i] + all.dur[i]);
  return { from: all.start[at], to };
}

/** Returns the part of it that an address names, as far as it lies within; where none does, all. */
export function viewIn(whole: Part, params: URLSearchParams): Part {
  const moment = (key: string) => Number(params.get(key)) || 0;
  const part = {
    from: Math.max(whole.from, moment('from')), to: Math.min(whole.to, moment('to')),
  };
  return part.to > part.from ? part : whole;
}
