//! Draws the histogram and the heat map. Pixels only: what they mean is in charts.tsx.

import { duration, moment } from '../core/format';
import type { CanvasColors } from '../core/colors';
import { endsOf, type Overview } from './source';

/** Room for the labels of the vertical axis. */
const PLOT_LEFT = 76;
/** Room for the times below. */
const PLOT_BOTTOM = 16;
const FONT = '11px system-ui, "Noto Sans CJK SC", sans-serif';

/** A selection, in columns and rows, both ends included. */
export interface Box {
  left: number;
  right: number;
  low: number;
  high: number;
}

interface Sheet {
  ink: CanvasRenderingContext2D;
  width: number;
  height: number;
}

/** Sizes a canvas for its place and the screen, and clears it. */
export function sheetOf(canvas: HTMLCanvasElement): Sheet | null {
  const ratio = Math.min(3, devicePixelRatio || 1);
  const { clientWidth: width, clientHeight: height } = canvas;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
  }
  const ink = canvas.getContext('2d');
  if (!ink) return null;
  ink.setTransform(ratio, 0, 0, ratio, 0, 0);
  ink.clearRect(0, 0, width, height);
  return { ink, width, height };
}

function timeAxis(sheet: Sheet, overview: Overview, colors: CanvasColors): void {
  const { ink, width, height } = sheet;
  ink.font = FONT;
  ink.fillStyle = colors.text;
  ink.textBaseline = 'bottom';
  const ends = endsOf(overview);
  const span = ends[1] - ends[0];
  // With dates they take more room.
  const room = ink.measureText(moment(ends[0], ends)).width + 40;
  const marks = Math.max(1, Math.min(6, Math.floor((width - PLOT_LEFT) / room)));
  for (let i = 0; i <= marks; i += 1) {
    const x = PLOT_LEFT + ((width - PLOT_LEFT) * i) / marks;
    ink.textAlign = i === 0 ? 'left' : i === marks ? 'right' : 'center';
    ink.fillText(moment(ends[0] + (span * i) / marks, ends), x, height);
  }
}

function brush(sheet: Sheet, overview: Overview, colors: CanvasColors, box: Box | null): void {
  if (!box) return;
  const { ink, width, height } = sheet;
  const rows = overview.edgesUs.length - 1;
  const [w, h] = [(width - PLOT_LEFT) / overview.cols, (height - PLOT_BOTTOM) / rows];
  const x = PLOT_LEFT + box.left * w;
  const y = height - PLOT_BOTTOM - (box.high + 1) * h;
  ink.fillStyle = colors.shade;
  ink.strokeStyle = colors.accent;
  ink.lineWidth = 1.5;
  const size: [number, number] = [(box.right - box.left + 1) * w, (box.high - box.low + 1) * h];
  ink.fillRect(x, y, ...size);
  ink.strokeRect(x, y, ...size);
}

/** Returns the cell that lies under a point of a canvas of this size, the nearest one beside it. */
export function cellAt(
  at: { x: number; y: number }, size: { width: number; height: number }, overview: Overview,
): { x: number; y: number } {
  const within = (share: number, cells: number) =>
    Math.min(cells - 1, Math.max(0, Math.floor(share * cells)));
  const floor = size.height - PLOT_BOTTOM;
  return {
    x: within((at.x - PLOT_LEFT) / (size.width - PLOT_LEFT), overview.cols),
    y: within((floor - at.y) / floor, overview.edgesUs.length - 1),
  };
}

/** Draws traces a column, those with errors stacked on top of the rest. */
export function drawHistogram(
  canvas: HTMLCanvasElement, overview: Overview, colors: CanvasColors, box: Box | null,
): void {
  const sheet = sheetOf(canvas);
  if (!sheet) return;
  const { ink, width, height } = sheet;
  const good = new Float64Array(overview.cols);
  const bad = new Float64Array(overview.cols);
  for (const [col, , traces, errors] of overview.cells) {
    good[col] += traces - errors;
    bad[col] += errors;
  }
  const most = good.reduce((max, value, i) => Math.max(max, value + bad[i]), 1);
  const floor = height - PLOT_BOTTOM;
  const step = (width - PLOT_LEFT) / overview.cols;
  const scale = (floor - 8) / most;
  ink.fillStyle = colors.line;
  for (const share of [0.5, 1]) {
    ink.fillRect(PLOT_LEFT, Math.round(floor - most * share * scale), width - PLOT_LEFT, 1);
  }
  for (let col = 0; col < overview.cols; col += 1) {
    const x = PLOT_LEFT + col * step;
    const wide = Math.max(1, step - 1);
    ink.fillStyle = colors.bar;
    ink.fillRect(x, floor - good[col] * scale, wide, good[col] * scale);
    if (bad[col] === 0) continue;
    const tall = Math.max(2, bad[col] * scale);
    ink.fillStyle = colors.error;
    ink.fillRect(x, floor - good[col] * scale - tall, wide, tall);
  }
  ink.fillStyle = colors.line;
  ink.fillRect(PLOT_LEFT, floor, width - PLOT_LEFT, 1);
  ink.font = FONT;
  ink.fillStyle = colors.text;
  ink.textAlign = 'right';
  ink.textBaseline = 'middle';
  ink.fillText(String(most), PLOT_LEFT - 6, floor - most * scale + 2);
  ink.fillText('0', PLOT_LEFT - 6, floor - 4);
  timeAxis(sheet, overview, colors);
  brush(sheet, overview, colors, box);
}

/** Draws how many traces lasted how long, when; cells with errors have another scale. */
export function drawHeat(
  canvas: HTMLCanvasElement, overview: Overview, colors: CanvasColors, box: Box | null,
): void {
  const sheet = sheetOf(canvas);
  if (!sheet) return;
  const { ink, width, height } = sheet;
  const rows = overview.edgesUs.length - 1;
  const floor = height - PLOT_BOTTOM;
  const [w, h] = [(width - PLOT_LEFT) / overview.cols, floor / rows];
  const most = overview.cells.reduce((max, cell) => Math.max(max, cell[2]), 1);
  for (const [col, row, traces, errors] of overview.cells) {
    // The root brings out the few beside the many.
    const level = Math.min(4, Math.floor(Math.sqrt(traces / Math.max(most, 8)) * 5));
    ink.fillStyle = errors > 0 ? colors.hot[level] : colors.heat[level];
    const y = floor - (row + 1) * h;
    ink.fillRect(PLOT_LEFT + col * w, y, Math.max(1.5, w - 0.5), Math.max(1.5, h - 0.5));
  }
  ink.fillStyle = colors.line;
  ink.fillRect(PLOT_LEFT, floor, width - PLOT_LEFT, 1);
  ink.font = FONT;
  ink.fillStyle = colors.text;
  ink.textAlign = 'right';
  const marks = Math.max(1, Math.min(4, Math.floor(floor / 28)));
  for (let i = 0; i <= marks; i += 1) {
    const row = Math.round((rows * i) / marks);
    ink.textBaseline = i === 0 ? 'bottom' : i === marks ? 'top' : 'middle';
    ink.fillText(duration(overview.edgesUs[row]), PLOT_LEFT - 6, floor - row * h);
  }
  timeAxis(sheet, overview, colors);
  brush(sheet, overview, colors, box);
}
