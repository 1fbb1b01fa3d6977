//! A selection in a chart by keys: a corner that stands and one that moves; and what a selection
//! holds, in words. How it is drawn is in plots.ts.

import { count, duration, moment } from '../core/format';
import { t } from '../core/i18n';
import type { Box } from './plots';
import { endsOf, type Overview } from './source';

/** A column, and a row from below. */
export interface Cell {
  x: number;
  y: number;
}

export interface Brush {
  from: Cell;
  to: Cell;
}

/** Columns and rows of a chart; one row where rows mean nothing. */
export interface Size {
  cols: number;
  rows: number;
}

const STEPS: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1],
  PageUp: [-10, 0], PageDown: [10, 0], Home: [-Infinity, 0], End: [Infinity, 0],
};

/** Returns the cell where keys begin: the newest with a trace. */
export function firstCell(overview: Overview): Cell {
  const newest = overview.cells.reduce<Cell | null>((best, [x, y]) =>
    (!best || x > best.x || (x === best.x && y > best.y) ? { x, y } : best), null);
  return newest ?? { x: overview.cols - 1, y: 0 };
}

/** Returns the selection after a key; null for keys that are none of its. */
export function moved(brush: Brush, key: string, isWiden: boolean, size: Size): Brush | null {
  const step = STEPS[key];
  if (!step || (step[1] !== 0 && size.rows === 1)) return null;
  const within = (value: number, most: number) => Math.max(0, Math.min(most - 1, value));
  const to = {
    x: within(brush.to.x + step[0], size.cols), y: within(brush.to.y + step[1], size.rows),
  };
  return { from: isWiden ? brush.from : to, to };
}

/** Returns the box between two cells; without rows that mean something it has all of them. */
export function boxOf({ from, to }: Brush, rows: number, hasRows: boolean): Box {
  return {
    left: Math.min(from.x, to.x), right: Math.max(from.x, to.x),
    low: hasRows ? Math.min(from.y, to.y) : 0, high: hasRows ? Math.max(from.y, to.y) : rows - 1,
  };
}

/** Says when and how long a box is, and what lies in it. */
export function boxText(overview: Overview, box: Box, hasRows: boolean): string {
  const cells = overview.cells.filter(([x, y]) =>
    x >= box.left && x <= box.right && y >= box.low && y <= box.high);
  const traces = cells.reduce((sum, one) => sum + one[2], 0);
  const errors = cells.reduce((sum, one) => sum + one[3], 0);
  const ends = endsOf(overview);
  const at = (col: number) => moment(overview.startMs + col * overview.stepMs, ends);
  const parts = [box.left === box.right ? at(box.left) : `${at(box.left)} – ${at(box.right + 1)}`];
  if (hasRows) {
    const [low, high] = [overview.edgesUs[box.low], overview.edgesUs[box.high + 1]];
    parts.push(`${duration(low)} – ${duration(high)}`);
  }
  parts.push(t('charts.traces', { n: traces, count: count(traces) }));
  if (errors > 0) parts.push(t('charts.failed', { n: errors, count: count(errors) }));
  return parts.join(' · ');
}
