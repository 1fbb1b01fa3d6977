//! Draws the bars of the rows in view and the ruler above them.

import type { CanvasColors } from '../core/colors';
import { duration, timeOfDay } from '../core/format';
import { t } from '../core/i18n';
import type { CriticalPath } from './critical';
import { FAILED, NO_DURATION, PLACEHOLDER, type Columns } from './model';
import type { Looks } from './rowpool';
import { stepOf, ticksOf, tickText, type Scale } from './ticks';
import { ROW_PX } from './rowpool';
import { failedWithin, runEnd, runSums } from './rows';

const FONT = '11px system-ui, "Noto Sans CJK SC", sans-serif';
const PAD = 12;
const BAR_TOP = 7;
const BAR_HEIGHT = 12;
/** What is left of a bar behind a label on it. */
const BAR_END_PX = 28;
const PIECES_MAX = 400;
/** How much is left of bars that do not match; their words stay readable. */
const FADED = 0.35;
/** Spans below a folded row whose critical path is drawn on it. */
const BELOW_MAX = 2_000;

export function xOf(scale: Scale, us: number): number {
  const { from, to, width } = scale;
  return PAD + ((us - from) / (to - from)) * (width - 2 * PAD);
}

/** Returns the time under a pixel. */
export function timeAt(scale: Scale, x: number): number {
  const { from, to, width } = scale;
  return from + ((x - PAD) / Math.max(1, width - 2 * PAD)) * (to - from);
}


export function drawRuler(
  ink: CanvasRenderingContext2D, scale: Scale, height: number,
  look: { colors: CanvasColors; t0: number; absolute: boolean },
): void {
  ink.font = FONT;
  ink.textBaseline = 'middle';
  const step = stepOf(scale);
  for (const at of ticksOf(scale)) {
    const x = Math.round(xOf(scale, at)) + 0.5;
    ink.fillStyle = look.colors.line;
    ink.fillRect(x, height - 7, 1, 7);
    ink.fillStyle = look.colors.text;
    const text = look.absolute && look.t0 > 0 ? timeOfDay((look.t0 + at) / 1000) : tickText(at, step);
    const wide = ink.measureText(text).width;
    ink.textAlign = 'left';
    ink.fillText(text, Math.min(scale.width - wide - 2, Math.max(2, x - wide / 2)), height / 2 - 2);
  }
}

interface Sheet {
  ink: CanvasRenderingContext2D;
  scale: Scale;
  colors: CanvasColors;
  looks: Looks;
  critical: CriticalPath | null;
}

/** Draws rows from `first` on, `top` pixels down. */
export function drawBars(sheet: Sheet, first: number, top: number, height: number): void {
  const { ink, scale, colors, looks } = sheet;
  ink.fillStyle = colors.line;
  for (const at of ticksOf(scale)) ink.fillRect(Math.round(xOf(scale, at)), 0, 1, height);
  ink.font = FONT;
  ink.textBaseline = 'middle';
  for (let at = first, y = top; at < looks.rows.count && y < height; at += 1, y += ROW_PX) {
    const index = looks.rows.span[at];
    ink.globalAlpha = looks.match && !looks.match[index] ? FADED : 1;
    if (looks.rows.run[at] > 0) drawRun(sheet, at, y);
    else drawSpan(sheet, index, y);
  }
  ink.globalAlpha = 1;
}

function edges(scale: Scale, from: number, to: number): [number, number] | null {
  if (to < scale.from || from > scale.to) return null;
  const left = xOf(scale, Math.max(from, scale.from));
  const right = xOf(scale, Math.min(to, scale.to));
  return [left, Math.max(right, left + 2)];
}

function drawSpan(sheet: Sheet, index: number, y: number): void {
  const { ink, scale, colors, looks, critical } = sheet;
  const { columns } = looks;
  const [start, end] = [columns.start[index], columns.start[index] + columns.dur[index]];
  const flags = columns.flags[index];
  const place = edges(scale, start, end);
  if (!place) return offView(sheet, start > scale.to, y);
  const [left, right] = place;
  const alpha = ink.globalAlpha;
  const color = flags & PLACEHOLDER ? colors.missing : looks.colors[looks.slots[columns.service[index]]];
  ink.fillStyle = color;
  if (flags & NO_DURATION && !(flags & PLACEHOLDER)) {
    // A moment: it has a beginning and no end.
    ink.fillRect(left - 1, y + BAR_TOP - 2, 2, BAR_HEIGHT + 4);
  } else {
    // Work of its own is solid, time in which its children ran is lighter.
    ink.globalAlpha = alpha * (flags & PLACEHOLDER ? 0.25 : 0.38);
    ink.fillRect(left, y + BAR_TOP, right - left, BAR_HEIGHT);
    ink.globalAlpha = alpha;
    if (!(flags & PLACEHOLDER)) drawSelf(sheet, index, y);
  }
  if (looks.closed.has(index)) drawCriticalBelow(sheet, index, columns.end[index], y);
  else if (critical?.on[index]) drawCritical(sheet, index, y);
  drawAnnotations(sheet, index, y);
  if (flags & FAILED) drawFailed(sheet, place, y);
  label(sheet, [left, right], y, labelOf(columns, index));
}

function labelOf(columns: Columns, index: number): string {
  const flags = columns.flags[index];
  if (flags & PLACEHOLDER) return t('trace.notSeen');
  return flags & NO_DURATION ? t('trace.unfinished') : duration(columns.dur[index]);
}

function drawSelf({ ink, scale, looks: { columns } }: Sheet, index: number, y: number): void {
  const [from, to] = [columns.selfFrom[index], columns.selfFrom[index + 1]];
  const stop = Math.min(to, from + PIECES_MAX);
  for (let k = from; k < stop; k += 1) {
    const place = edges(scale, columns.selfAt[2 * k], columns.selfAt[2 * k + 1]);
    if (place) ink.fillRect(place[0], y + BAR_TOP, place[1] - place[0], BAR_HEIGHT);
  }
}

function drawCritical({ ink, scale, colors, critical }: Sheet, index: number, y: number): void {
  if (!critical) return;
  ink.fillStyle = colors.critical;
  const [from, to] = [critical.first[index], critical.first[index + 1]];
  const stop = Math.min(to, from + PIECES_MAX);
  for (let k = from; k < stop; k += 1) {
    const piece = critical.piece[k];
    const place = edges(scale, critical.from[piece], critical.to[piece]);
    if (place) ink.fillRect(place[0], y + BAR_TOP + BAR_HEIGHT + 1, place[1] - place[0], 3);
  }
}

function drawAnnotations({ ink, scale, colors, looks: { columns } }: Sheet, index: number, y: number): void {
  const [from, to] = [columns.annFrom[index], columns.annFrom[index + 1]];
  const stop = Math.min(to, from + PIECES_MAX);
  for (let k = from; k < stop; k += 1) {
    const at = columns.annAt[k];
    if (at < scale.from || at > scale.to) continue;
    const x = xOf(scale, at);
    ink.fillStyle = colors.ground;
    ink.fillRect(x - 1.5, y + BAR_TOP, 3, BAR_HEIGHT);
    ink.fillStyle = colors.strong;
    ink.fillRect(x - 0.5, y + BAR_TOP, 1, BAR_HEIGHT);
  }
}

function drawRun(sheet: Sheet, at: number, y: number): void {
  const { ink, scale, looks } = sheet;
  const { columns, rows } = looks;
  const first = rows.span[at];
  const run = rows.run[at];
  ink.fillStyle = looks.colors[looks.slots[columns.service[first]]];
  let [member, last] = [first, Number.NEGATIVE_INFINITY];
  let [low, high] = [Number.POSITIVE_INFINITY, 0];
  for (let k = 0; k < run; k += 1) {
    const place = edges(scale, columns.start[member], columns.start[member] + columns.dur[member]);
    low = Math.min(low, columns.start[member]);
    high = Math.max(high, columns.start[member] + columns.dur[member]);
    // Thousands of members fall on the same pixels; one is enough.
    if (place && place[1] > last + 0.5) {
      const from = Math.max(place[0], last + 0.5);
      ink.fillRect(from, y + BAR_TOP + 1, Math.max(1.5, place[1] - from), BAR_HEIGHT - 2);
      last = place[1];
    }
    member = columns.end[member];
  }
  const place = edges(scale, low, high);
  if (!place) return offView(sheet, low > scale.to, y);
  // What is folded away must not hide why the trace took so long.
  const end = runEnd(columns, first);
  drawCriticalBelow(sheet, first, end, y);
  if (failedWithin(columns, first, end) > 0) drawFailed(sheet, place, y);
  const { total, max } = runSums(columns, first);
  label(sheet, place, y, t('trace.runLabel', {
    avg: duration(total / run), max: duration(max), total: duration(total),
  }));
}

/** Draws the critical path of spans that have no row of their own. */
function drawCriticalBelow(sheet: Sheet, from: number, to: number, y: number): void {
  const { critical } = sheet;
  if (!critical) return;
  const stop = Math.min(to, from + BELOW_MAX);
  for (let i = from; i < stop; i += 1) if (critical.on[i]) drawCritical(sheet, i, y);
}

function drawFailed({ ink, colors }: Sheet, [left, right]: [number, number], y: number): void {
  ink.fillStyle = colors.error;
  ink.fillRect(left, y + BAR_TOP - 3, Math.max(3, right - left), 2);
}

/** Says at the edge that the bar lies beyond it. */
function offView({ ink, scale, colors }: Sheet, after: boolean, y: number): void {
  ink.fillStyle = colors.missing;
  const x = after ? scale.width - 4 : 4;
  const way = after ? -5 : 5;
  ink.beginPath();
  ink.moveTo(x, y + ROW_PX / 2);
  ink.lineTo(x + way, y + ROW_PX / 2 - 4);
  ink.lineTo(x + way, y + ROW_PX / 2 + 4);
  ink.fill();
}

function label({ ink, scale, colors }: Sheet, [left, right]: [number, number], y: number, text: string): void {
  const wide = ink.measureText(text).width;
  const fits = right + 6 + wide < scale.width - 2;
  ink.textAlign = 'left';
  ink.globalAlpha = 1;
  const before = left - 6 - wide;
  let x = fits ? right + 6 : before;
  if (!fits && before < 2) {
    // Neither side has room: on the bar, over a ground of its own so that it can be read, and before
    // its end, or the bar would seem to end there.
    x = Math.max(4, Math.min(right, scale.width) - wide - BAR_END_PX);
    ink.fillStyle = colors.ground;
    ink.fillRect(x - 4, y + 5, wide + 8, 16);
  }
  ink.fillStyle = colors.text;
  ink.fillText(text, x, y + ROW_PX / 2 + 0.5);
}
