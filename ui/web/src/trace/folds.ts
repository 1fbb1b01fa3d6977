//! Which spans are folded, as an address says it: everything below a level, and by their ids those
//! that differ from that. So an address stays short however many spans are folded at once.

import { halfText, halvesOf, type Columns } from './model';

/** Spans that are named at most, of each kind; what is folded by hand beyond is not kept. */
export const LISTED_MAX = 64;

/** Returns the spans that are folded when everything below a level is. */
export function below(columns: Columns, level: number | null): Set<number> {
  const found = new Set<number>();
  if (level === null) return found;
  for (let i = 0; i < columns.count; i += 1) {
    if (columns.depth[i] >= level && columns.end[i] > i + 1) found.add(i);
  }
  return found;
}

/** Returns the first ids of spans, as addresses have them. */
export function listed(columns: Columns, spans: Iterable<number>): string {
  const ids: string[] = [];
  for (const i of spans) {
    if (ids.length === LISTED_MAX) break;
    ids.push(halfText(columns, i));
  }
  return ids.join('.');
}

/** Returns the spans with the ids of such a list. */
export function unlisted(columns: Columns, text: string): number[] {
  return halvesOf(columns, text.split('.').slice(0, LISTED_MAX));
}

/** What an address says of folding. */
export interface Folds {
  level: string;
  closed: string;
  opened: string;
}

/** Writes what is folded. */
export function foldsOf(
  columns: Columns, closed: ReadonlySet<number>, level: number | null,
): Folds {
  const base = below(columns, level);
  const without = (list: Iterable<number>, others: ReadonlySet<number>) =>
    listed(columns, [...list].filter((i) => !others.has(i)));
  return {
    level: level === null ? '' : String(level),
    closed: without(closed, base), opened: without(base, closed),
  };
}

/** Reads it again. */
export function closedOf(columns: Columns, { level, closed, opened }: Folds): Set<number> {
  const found = below(columns, levelOf(level));
  for (const i of unlisted(columns, closed)) found.add(i);
  for (const i of unlisted(columns, opened)) found.delete(i);
  return found;
}

/** Returns the level that a text names. */
export function levelOf(text: string): number | null {
  return /^\d{1,6}$/.test(text) ? Number(text) : null;
}
