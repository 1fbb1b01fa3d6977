//! The flame graph on a canvas: by time or by weight; a click selects, a double click zooms, and
//! arrow keys walk through it.

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { canvasColors, palette } from '../core/colors';
import { count, duration, isolated, percent } from '../core/format';
import { t } from '../core/i18n';
import { addShortcuts, atFocus } from '../core/keys';
import { sheetOf } from '../search/plots';
import { beside, byTime, byWeight, type Flames } from './flamelayout';
import { FAILED, nameOf, PLACEHOLDER, serviceOf, type Columns } from './model';
import {
  columns, detailShown, heavy, heavyPart, match, select, selected, slots, view, type Part,
} from './state';
import { zoomAll, zoomTo } from './zoom';
import { Empty } from '../parts/notice';

const ROW_PX = 20;
const FONT = '11px system-ui, "Noto Sans CJK SC", sans-serif';
const TEXT_MIN_PX = 36;
const WHOLE: Part = { from: 0, to: 1 };
/** Browsers lose precision in taller elements; levels below are said not to be shown. */
const LEVELS_MAX = 100_000;

/** The keys of the flame graph when it has the focus. */
const KEYS = {
  title: 'keys.flame' as const, isLocal: true,
  list: [
    { key: 'ArrowLeft ArrowRight', text: 'keys.flameAside' as const, run: atFocus },
    { key: 'ArrowUp ArrowDown', text: 'keys.flameLevel' as const, run: atFocus },
    { key: 'Enter', text: 'keys.flameZoom' as const, run: atFocus },
    { key: 'Escape', text: 'keys.fitAll' as const, run: atFocus },
  ],
};

/** Returns what is shown, in shares of the whole width. */
function shownPart(all: Columns): Part {
  if (heavy.value) return heavyPart.value;
  const { from, to } = view.value;
  return { from: from / all.total, to: to / all.total };
}

/** Shows a part of the width, which is a time unless it is sorted by weight. */
function zoomPart(all: Columns, { from, to }: Part): void {
  const scale = heavy.peek() ? 1 : all.total;
  zoomTo(from * scale, to * scale);
}

export function Flame() {
  const all = columns.value;
  const canvas = useRef<HTMLCanvasElement>(null);
  const [hint, setHint] = useState('');
  /** The canvas is as large as what can be seen, and stands still while that scrolls by. */
  const [seen, setSeen] = useState({ width: 0, height: 0 });
  const [top, setTop] = useState(0);
  /** Where keys are, and in which flames: the span does not tell, of those that were merged. */
  const [walked, setWalked] = useState<{ flames: Flames; k: number } | null>(null);
  const flames = useMemo(
    () => all && (heavy.value ? byWeight(all) : byTime(all)), [all, heavy.value],
  );
  const colors = canvasColors();
  const part = all ? shownPart(all) : WHOLE;
  useEffect(() => addShortcuts(KEYS), []);
  useEffect(() => {
    const box = canvas.current?.closest('.flame-scroll');
    if (!box) return;
    const watch = new ResizeObserver(() => {
      setSeen({ width: box.clientWidth, height: box.clientHeight });
    });
    watch.observe(box);
    return () => watch.disconnect();
  }, []);
  // Before the browser paints: what scrolled by a frame ago would be drawn over what is there now.
  useLayoutEffect(() => {
    if (canvas.current && flames && all) draw(canvas.current, flames, all, part);
  }, [flames, part.from, part.to, seen, top, colors, selected.value, match.value]);
  if (!all || !flames) return null;
  if (all.count === 0) return <Empty title={t('trace.noRows')} />;
  const under = (event: MouseEvent) =>
    hit(event, canvas.current as HTMLCanvasElement, flames, part);
  const at = walked?.flames === flames ? walked.k : -1;
  const setAt = (k: number) => setWalked({ flames, k });
  const zoomed = part.from > 0 || part.to < 1;
  const tall = Math.min(LEVELS_MAX, flames.levels) * ROW_PX + 8;
  const goTo = (k: number) => {
    setAt(k);
    setHint(hintOf(all, flames, k));
    select(flames.span[k]);
    inView(canvas.current, flames.level[k]);
    const [from, to] = [flames.from[k], flames.to[k]];
    const half = (part.to - part.from) / 2;
    const middle = (from + to) / 2;
    if (to < part.from || from > part.to) zoomPart(all, { from: middle - half, to: middle + half });
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const here = at >= 0 ? at : Math.max(0, flames.span.indexOf(selected.peek()));
    const next = beside(flames, here, event.key);
    // The first key only shows where one is.
    if (next !== null) goTo(at < 0 ? here : next);
    else if (event.key === 'Enter') zoomPart(all, partOf(flames, here));
    else if (event.key === ' ') select(flames.span[here], !detailShown.peek());
    else if (event.key === 'Escape' && zoomed) zoomAll();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class="flame">
      <div class="sub-bar">
        <div class="segmented" role="group" aria-label={t('flame.order')}>
          <button type="button" aria-pressed={!heavy.value} onClick={() => (heavy.value = false)}>
            {t('flame.time')}
          </button>
          <button type="button" aria-pressed={heavy.value} onClick={() => (heavy.value = true)}>
            {t('flame.weight')}
          </button>
        </div>
        {zoomed && (
          <button type="button" class="button" onClick={zoomAll}>
            {t('keys.fitAll')}
          </button>
        )}
        <output class="muted clip">{hint || t('flame.hint')}</output>
        {flames.levels > LEVELS_MAX && (
          <span class="note-text">
            {t('flame.deeper', { count: count(flames.levels - LEVELS_MAX) })}
          </span>
        )}
      </div>
      <div
        class="flame-scroll" tabIndex={0} role="application" onKeyDown={onKey}
        aria-label={`${t('tab.flame')}. ${t('flame.byKeys')}`}
        onScroll={(event) => setTop(event.currentTarget.scrollTop)}
      >
        <div style={{ height: `${tall}px` }}>
          <canvas
            ref={canvas} aria-hidden="true"
            style={{ height: `${Math.min(tall, seen.height)}px` }}
            onPointerMove={(event) => {
              const k = under(event);
              setHint(k < 0 ? '' : hintOf(all, flames, k));
            }}
            onPointerLeave={() => setHint('')}
            onClick={(event) => {
              const k = under(event);
              if (k < 0) return;
              setAt(k);
              select(flames.span[k], true);
            }}
            onDblClick={(event) => {
              const k = under(event);
              if (k < 0) zoomAll();
              else zoomPart(all, partOf(flames, k));
            }}
          />
        </div>
      </div>
    </div>
  );
}

function partOf(flames: Flames, k: number): Part {
  return { from: flames.from[k], to: Math.max(flames.to[k], flames.from[k] + 1e-9) };
}

/** Returns how far down the graph its canvas stands. */
function offsetOf(canvas: HTMLCanvasElement): number {
  const space = canvas.parentElement?.getBoundingClientRect();
  return canvas.getBoundingClientRect().top - (space?.top ?? 0);
}

/** Scrolls so that a level can be seen. */
function inView(canvas: HTMLCanvasElement | null, level: number): void {
  const box = canvas?.closest('.flame-scroll');
  if (!box) return;
  const top = level * ROW_PX;
  if (top < box.scrollTop) box.scrollTop = top;
  else if (top + 2 * ROW_PX > box.scrollTop + box.clientHeight) {
    box.scrollTop = top + 2 * ROW_PX - box.clientHeight;
  }
}

function hintOf(all: Columns, flames: Flames, k: number): string {
  const i = flames.span[k];
  const merged = flames.merged[k] > 1 ? ` ×${count(flames.merged[k])}` : '';
  const name = `${isolated(serviceOf(all, i))} ${isolated(nameOf(all, i))}${merged}`;
  return `${name} · ${duration(flames.us[k])} (${percent(flames.us[k] / all.total)})`;
}

function hit(event: MouseEvent, canvas: HTMLCanvasElement, flames: Flames, shown: Part): number {
  const rect = canvas.getBoundingClientRect();
  const x = shown.from + ((event.clientX - rect.left) / rect.width) * (shown.to - shown.from);
  const level = Math.floor((event.clientY - rect.top + offsetOf(canvas)) / ROW_PX);
  const pixel = (shown.to - shown.from) / rect.width;
  // The first one, which is the one that is drawn.
  for (let k = 0; k < flames.count; k += 1) {
    if (flames.level[k] !== level || flames.from[k] > x) continue;
    if (Math.max(flames.to[k], flames.from[k] + pixel) >= x) return k;
  }
  return -1;
}

function draw(canvas: HTMLCanvasElement, flames: Flames, all: Columns, shown: Part): void {
  const sheet = sheetOf(canvas);
  if (!sheet || sheet.width === 0) return;
  const { ink, width, height } = sheet;
  const above = offsetOf(canvas);
  const [colors, services, places] = [canvasColors(), palette(), slots.peek()];
  const marks = match.peek();
  const scale = width / (shown.to - shown.from);
  // Of the spans that fall on the same pixel of a level, the first one stands for all.
  const drawn = new Float64Array(flames.levels).fill(-1);
  ink.font = FONT;
  ink.textBaseline = 'middle';
  for (let k = 0; k < flames.count; k += 1) {
    const left = (flames.from[k] - shown.from) * scale;
    const right = Math.max(left + 1, (flames.to[k] - shown.from) * scale);
    if (right < 0 || left > width) continue;
    const level = flames.level[k];
    const y = level * ROW_PX - above;
    if (y + ROW_PX < 0 || y > height) continue;
    if (right <= drawn[level]) continue;
    const i = flames.span[k];
    const from = Math.max(0, left, drawn[level]);
    const wide = Math.min(width, right) - from;
    drawn[level] = right;
    ink.globalAlpha = marks && !marks[i] ? 0.25 : 0.9;
    ink.fillStyle = all.flags[i] & PLACEHOLDER ? colors.missing : services[places[all.service[i]]];
    ink.fillRect(from, y, Math.max(0.75, wide - 1), ROW_PX - 1);
    ink.globalAlpha = 1;
    if (all.flags[i] & FAILED) {
      ink.fillStyle = colors.error;
      ink.fillRect(from, y + ROW_PX - 4, Math.max(1, wide - 1), 3);
    }
    if (i === selected.peek()) {
      ink.strokeStyle = colors.strong;
      ink.lineWidth = 2;
      ink.strokeRect(from + 1, y + 1, Math.max(2, wide - 3), ROW_PX - 3);
    }
    if (wide >= TEXT_MIN_PX) name(ink, all, flames, { k, from, wide, y });
  }
}

function name(
  ink: CanvasRenderingContext2D, all: Columns, flames: Flames,
  place: { k: number; from: number; wide: number; y: number },
): void {
  const { k, from, wide, y } = place;
  const i = flames.span[k];
  const merged = flames.merged[k] > 1 ? ` ×${flames.merged[k]}` : '';
  const text = `${isolated(serviceOf(all, i))} ${isolated(nameOf(all, i))}${merged}`;
  const fits = Math.floor((wide - 10) / 6);
  ink.fillStyle = canvasColors().tick;
  ink.fillText(
    text.length > fits ? `${text.slice(0, Math.max(1, fits - 1))}…` : text,
    from + 5, y + ROW_PX / 2,
  );
}
