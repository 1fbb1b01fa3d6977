//! Which part of the trace is shown: of its time, or of the flame graph's width where that is sorted
//! by weight. Kept within the whole.

import { batch, type Signal } from '@preact/signals';
import {
  columns, heavy, heavyPart, PART_DIGITS, root, tab, view, type Part,
} from './state';
import { wholeView } from './whole';

const VIEW_MIN_US = 2;
const PART_MIN = 1e-6;

function within(whole: Part, part: Part, least: number): Part {
  const length = Math.min(whole.to - whole.from, Math.max(least, part.to - part.from));
  const from = Math.max(whole.from, Math.min(part.from, whole.to - length));
  return { from, to: from + length };
}

/** A share with as many digits as its address has, so that what is read back is the same. */
function asWritten(share: number): number {
  return Number(share.toFixed(PART_DIGITS));
}

/** Whether widths are weights, not times. */
function isHeavy(): boolean {
  return tab.peek() === 'flame' && heavy.peek();
}

function shown(): Signal<Part> {
  return isHeavy() ? heavyPart : view;
}

/** Shows a part of the trace's time. */
export function zoomTime(from: number, to: number): void {
  const all = columns.peek();
  if (all) view.value = within(wholeView(all, root.peek()), { from, to }, VIEW_MIN_US);
}

/** Shows a part of what is shown: of the time, or of the weights. */
export function zoomTo(from: number, to: number): void {
  if (!isHeavy()) return zoomTime(from, to);
  const part = within({ from: 0, to: 1 }, { from, to }, PART_MIN);
  heavyPart.value = { from: asWritten(part.from), to: asWritten(part.to) };
}

export function zoomAll(): void {
  const all = columns.peek();
  if (isHeavy()) heavyPart.value = { from: 0, to: 1 };
  else if (all) view.value = wholeView(all, root.peek());
}

/** Zooms by a factor around a point (a share of the view). */
export function zoomBy(factor: number, around = 0.5): void {
  const { from, to } = shown().peek();
  const point = from + (to - from) * around;
  zoomTo(point - (point - from) * factor, point + (to - point) * factor);
}

export function pan(share: number): void {
  const { from, to } = shown().peek();
  const by = (to - from) * share;
  zoomTo(from + by, to + by);
}

/** Makes a span the top of what is shown, or shows all again. */
export function setRoot(index: number | null): void {
  const all = columns.peek();
  if (!all) return;
  batch(() => {
    root.value = index;
    view.value = wholeView(all, index);
  });
}
