//! The waterfall: pooled rows and a canvas of bars that stand still while what they show scrolls
//! by. It draws once a frame at most, and only when something changed.

import { effect } from '@preact/signals';
import { canvasColors, palette } from '../core/colors';
import { clock, language, zone } from '../core/prefs';
import { sheetOf } from '../search/plots';
import { drawBars, drawRuler, timeAt, xOf } from './bars';
import { idText } from './model';
import { rowElementId, RowPool, ROW_PX, type Looks } from './rowpool';
import { rowOf } from './rows';
import {
  closed, columns, critical, match, openRuns, rows, select, selected, showCritical, slots, toggle,
  toggleRun, view,
} from './state';
import type { Scale } from './ticks';
import { pan, zoomBy, zoomTo } from './zoom';

/** Browsers lose precision in taller elements; beyond this, scrolling is scaled. */
const SPACE_MAX_PX = 8_000_000;

interface Parts {
  scroll: HTMLElement;
  space: HTMLElement;
  stage: HTMLElement;
  grid: HTMLElement;
  rows: HTMLElement;
  bars: HTMLCanvasElement;
  ruler: HTMLCanvasElement;
}

/** Lets tests find bars by span instead of by pixel. */
interface Hook {
  rects: () => { id: string; x: number; y: number; width: number; height: number }[];
}

export class Waterfall {
  private readonly pool: RowPool;
  private frame = 0;
  private stamp = 0;
  private dragFrom: number | null = null;
  private readonly ends: (() => void)[] = [];
  /** Whether the selection moved since rows were last drawn, so that it is to be shown. */
  private follow = -1;

  constructor(private readonly parts: Parts) {
    this.pool = new RowPool(parts.rows);
    parts.scroll.addEventListener('scroll', this.schedule, { passive: true });
    const watch = new ResizeObserver(() => this.restamp());
    watch.observe(parts.scroll);
    watch.observe(parts.bars);
    this.ends.push(() => watch.disconnect());
    this.ends.push(effect(() => {
      // Reading them is what subscribes to them.
      void [rows.value, selected.value, view.value, match.value, showCritical.value, slots.value,
        clock.value, language.value, zone.value, palette(), canvasColors()];
      this.restamp();
    }));
    parts.rows.addEventListener('click', this.onRowClick);
    parts.bars.addEventListener('pointerdown', this.onDown);
    parts.bars.addEventListener('pointermove', this.onMove);
    parts.bars.addEventListener('pointerup', this.onUp);
    parts.scroll.addEventListener('wheel', this.onWheel, { passive: false });
    (window as unknown as { __ui?: Hook }).__ui = { rects: () => this.rects() };
  }

  end(): void {
    cancelAnimationFrame(this.frame);
    for (const end of this.ends) end();
    this.pool.clear();
  }

  private restamp(): void {
    this.stamp += 1;
    this.schedule();
  }

  private readonly schedule = (): void => {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  };

  private get ratio(): number {
    const all = (rows.peek()?.count ?? 0) * ROW_PX;
    const seen = this.parts.scroll.clientHeight;
    if (all <= SPACE_MAX_PX) return 1;
    return (all - seen) / (SPACE_MAX_PX - seen);
  }

  private looks(): Looks | null {
    const [all, shown] = [columns.peek(), rows.peek()];
    if (!all || !shown) return null;
    return {
      columns: all, rows: shown, colors: palette(), slots: slots.peek(), selected: selected.peek(),
      match: match.peek(), on: showCritical.peek() ? (critical.peek()?.on ?? null) : null,
      closed: closed.peek(), open: openRuns.peek(),
    };
  }

  private scale(): Scale {
    return { ...view.peek(), width: this.parts.bars.clientWidth };
  }

  private draw(): void {
    const looks = this.looks();
    if (!looks) return;
    const { scroll, space, stage, grid } = this.parts;
    const height = scroll.clientHeight;
    const all = looks.rows.count * ROW_PX;
    const wanted = `${Math.max(height, Math.min(SPACE_MAX_PX, all))}px`;
    if (space.style.height !== wanted) space.style.height = wanted;
    if (stage.style.height !== `${height}px`) stage.style.height = `${height}px`;
    this.showSelected(looks, height);
    const top = scroll.scrollTop * this.ratio;
    const first = Math.floor(top / ROW_PX);
    const size = Math.ceil(height / ROW_PX) + 1;
    this.pool.show(looks, first, size, this.stamp);
    this.pool.scroll(top);
    grid.setAttribute('aria-rowcount', String(looks.rows.count));
    const row = rowOf(looks.rows, looks.columns, looks.selected);
    if (row >= first && row < first + size) {
      grid.setAttribute('aria-activedescendant', rowElementId(row));
    } else grid.removeAttribute('aria-activedescendant');
    this.drawCanvases(looks, first, first * ROW_PX - top);
  }

  private drawCanvases(looks: Looks, first: number, top: number): void {
    const scale = this.scale();
    const colors = canvasColors();
    const sheet = sheetOf(this.parts.bars);
    if (!sheet) return;
    drawBars(
      { ink: sheet.ink, scale, colors, looks, critical: showCritical.peek() ? critical.peek() : null },
      first, top, sheet.height,
    );
    if (this.dragFrom !== null && this.dragTo !== null) {
      const [a, b] = [this.dragFrom, this.dragTo].map((us) => xOf(scale, us));
      sheet.ink.fillStyle = colors.shade;
      sheet.ink.fillRect(Math.min(a, b), 0, Math.abs(b - a), sheet.height);
    }
    const ruler = sheetOf(this.parts.ruler);
    if (!ruler) return;
    const absolute = clock.peek() === 'absolute';
    drawRuler(ruler.ink, scale, ruler.height, {
      colors, t0: looks.columns.t0, absolute,
    });
  }

  /** Brings the selected row into view when the selection has moved. */
  private showSelected(looks: Looks, height: number): void {
    if (looks.selected === this.follow) return;
    this.follow = looks.selected;
    const row = rowOf(looks.rows, looks.columns, looks.selected);
    if (row < 0) return;
    const { scroll } = this.parts;
    const top = scroll.scrollTop * this.ratio;
    const at = row * ROW_PX;
    if (at < top) scroll.scrollTop = (at - ROW_PX) / this.ratio;
    else if (at + ROW_PX > top + height) {
      const far = at > top + 2 * height;
      scroll.scrollTop = (at - (far ? height / 2 : height - 2 * ROW_PX)) / this.ratio;
    }
  }

  /** Moves the selection by rows. */
  step(by: number): void {
    const looks = this.looks();
    if (!looks || looks.rows.count === 0) return;
    const at = rowOf(looks.rows, looks.columns, looks.selected);
    const next = Math.max(0, Math.min(looks.rows.count - 1, at + by));
    // The head of an open run is walked over: its members have rows of their own.
    const way = by < 0 ? -1 : 1;
    for (let row = next; row >= 0 && row < looks.rows.count; row += way) {
      if (looks.rows.run[row] === 0 || !looks.open.has(looks.rows.span[row])) {
        selected.value = looks.rows.span[row];
        return;
      }
    }
  }

  /** How many rows are in view. */
  get page(): number {
    return Math.max(1, Math.floor(this.parts.scroll.clientHeight / ROW_PX) - 1);
  }

  private rowAt(clientY: number): number {
    const rect = this.parts.scroll.getBoundingClientRect();
    const top = this.parts.scroll.scrollTop * this.ratio;
    return Math.floor((clientY - rect.top + top) / ROW_PX);
  }

  private clickRow(row: number, onTwisty: boolean): void {
    const shown = rows.peek();
    if (!shown || row < 0 || row >= shown.count) return;
    const index = shown.span[row];
    if (shown.run[row] > 0) toggleRun(index);
    else if (onTwisty) toggle(index);
    else {
      this.follow = index;
      select(index, true);
    }
  }

  private readonly onRowClick = (event: MouseEvent): void => {
    const target = event.target as HTMLElement;
    this.clickRow(this.rowAt(event.clientY), target.classList.contains('wf-twisty'));
    this.parts.grid.focus({ preventScroll: true });
  };

  private dragTo: number | null = null;

  private timeOf(event: PointerEvent): number {
    const rect = this.parts.bars.getBoundingClientRect();
    return timeAt(this.scale(), event.clientX - rect.left);
  }

  private readonly onDown = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    this.parts.bars.setPointerCapture(event.pointerId);
    this.dragFrom = this.timeOf(event);
    this.dragTo = null;
  };

  private readonly onMove = (event: PointerEvent): void => {
    if (this.dragFrom === null) return;
    const to = this.timeOf(event);
    const scale = this.scale();
    if (Math.abs(xOf(scale, to) - xOf(scale, this.dragFrom)) < 5 && this.dragTo === null) return;
    this.dragTo = to;
    this.schedule();
  };

  private readonly onUp = (event: PointerEvent): void => {
    const [from, to] = [this.dragFrom, this.dragTo];
    this.dragFrom = this.dragTo = null;
    if (from === null) return;
    if (to === null) {
      this.clickRow(this.rowAt(event.clientY), false);
      this.parts.grid.focus({ preventScroll: true });
    } else zoomTo(Math.min(from, to), Math.max(from, to));
  };

  private readonly onWheel = (event: WheelEvent): void => {
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      const rect = this.parts.bars.getBoundingClientRect();
      const around = Math.max(0, Math.min(1, (event.clientX - rect.left) / rect.width));
      zoomBy(event.deltaY > 0 ? 1.25 : 0.8, around);
    } else if (event.deltaX !== 0 && Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      pan(event.deltaX / Math.max(200, this.parts.bars.clientWidth));
    }
  };

  private rects() {
    const looks = this.looks();
    if (!looks) return [];
    const { scroll, bars } = this.parts;
    const box = bars.getBoundingClientRect();
    const scale = this.scale();
    const top = scroll.scrollTop * this.ratio;
    const found = [];
    for (let row = Math.floor(top / ROW_PX); row < looks.rows.count; row += 1) {
      const y = row * ROW_PX - top;
      if (y > scroll.clientHeight) break;
      if (looks.rows.run[row] > 0) continue;
      const i = looks.rows.span[row];
      const { start, dur } = looks.columns;
      const [left, right] = [xOf(scale, start[i]), xOf(scale, start[i] + dur[i])];
      found.push({
        id: idText(looks.columns, i), x: box.left + left, y: box.top + y,
        width: right - left, height: ROW_PX,
      });
    }
    return found;
  }
}
