//! The waterfall's place in the page: its two columns, the handle between them, and its keys.

import { useEffect, useRef } from 'preact/hooks';
import { t } from '../core/i18n';
import { rowOf } from './rows';
import {
  closed, closeBelow, columns, detailShown, openRuns, rows, select, selected, toggle, toggleRun,
} from './state';
import { Waterfall } from './waterfall';
import { Icon } from '../parts/icons';
import { Empty } from '../parts/notice';

let current: Waterfall | null = null;
let grid: HTMLElement | null = null;

/** Moves the selection in the waterfall, when it is shown. */
export function stepRows(by: number): void {
  grid?.focus({ preventScroll: true });
  current?.step(by);
}

/** Gives the focus to what shows the selected span: its row, or the view that is open. */
export function focusSpan(): void {
  if (selected.peek() >= 0) focusView();
}

/** Gives the focus to the view that is open: to the tree, the flame graph, or the view's tab. */
export function focusView(): void {
  const find = (name: string) => document.querySelector<HTMLElement>(name);
  (grid ?? find('.flame-scroll') ?? find('[role=tab][tabindex="0"]'))?.focus({ preventScroll: true });
}

const WIDTH_KEY = 'speargun.tree';
const WIDTH_MIN = 140;

function keptWidth(): number {
  try {
    return Number(localStorage.getItem(WIDTH_KEY)) || 0;
  } catch {
    return 0;
  }
}

export function WaterfallView() {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const find = <T extends Element>(name: string) => element.querySelector<T>(name) as T;
    grid = find<HTMLElement>('[role=treegrid]');
    current = new Waterfall({
      scroll: find('.wf-scroll'), space: find('.wf-space'), stage: find('.wf-stage'), grid,
      rows: find('.wf-rows'), bars: find('.wf-bars'), ruler: find('.wf-ruler canvas'),
    });
    const width = keptWidth();
    if (width) setWidth(element, width);
    return () => {
      current?.end();
      current = grid = null;
    };
  }, []);
  const shown = rows.value;
  return (
    <div class="waterfall" ref={box}>
      <div class="wf-head">
        <div class="wf-head-tree">
          <span>{t('trace.serviceOperation')}</span>
          <span class="wf-head-buttons">
            <button
              type="button" class="icon-button" aria-label={t('keys.openAll')}
              title={t('keys.openAll')} onClick={() => closeBelow(null)}
            >
              <Icon name="plus" />
            </button>
            <button
              type="button" class="icon-button" aria-label={t('keys.closeAll')}
              title={t('keys.closeAll')} onClick={() => closeBelow(1)}
            >
              <Icon name="minus" />
            </button>
          </span>
        </div>
        <Handle box={box} />
        <div class="wf-ruler"><canvas aria-hidden="true" /></div>
      </div>
      <div class="wf-scroll">
        <div class="wf-space">
          <div class="wf-stage">
            <div
              role="treegrid" tabIndex={0} class="wf-grid" aria-label={t('trace.waterfall')}
              aria-colcount={2} onKeyDown={onKey}
            >
              <div class="wf-rows" role="rowgroup" />
            </div>
            <canvas class="wf-bars" aria-hidden="true" />
          </div>
        </div>
      </div>
      {shown && shown.count === 0 && <Empty title={t('trace.noRows')} />}
    </div>
  );
}

function setWidth(box: HTMLElement, width: number): void {
  const most = Math.max(WIDTH_MIN, box.clientWidth - 200);
  const fits = Math.round(Math.max(WIDTH_MIN, Math.min(most, width)));
  box.style.setProperty('--tree', `${fits}px`);
  box.querySelector('[role=separator]')?.setAttribute('aria-valuenow', String(fits));
  try {
    localStorage.setItem(WIDTH_KEY, String(fits));
  } catch {
    // The width is then forgotten with the page.
  }
}

function Handle({ box }: { box: { current: HTMLDivElement | null } }) {
  const held = useRef(false);
  const width = () =>
    box.current?.querySelector('.wf-head-tree')?.getBoundingClientRect().width ?? WIDTH_MIN;
  return (
    <div
      class="wf-handle" role="separator" aria-orientation="vertical" tabIndex={0}
      aria-label={t('trace.width')} aria-valuenow={320} aria-valuemin={WIDTH_MIN} aria-valuemax={2000}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        held.current = true;
      }}
      onPointerMove={(event) => {
        if (!held.current || !box.current) return;
        setWidth(box.current, event.clientX - box.current.getBoundingClientRect().left);
      }}
      onPointerUp={() => {
        held.current = false;
      }}
      onKeyDown={(event) => {
        const by = event.key === 'ArrowLeft' ? -20 : event.key === 'ArrowRight' ? 20 : 0;
        if (by === 0 || !box.current) return;
        event.preventDefault();
        event.stopPropagation();
        setWidth(box.current, width() + by);
      }}
    />
  );
}

/** Returns whether a span is the first of a run that is one row. */
function isFoldedRun(at: number): boolean {
  const [all, shown] = [columns.peek(), rows.peek()];
  if (!all || !shown || at < 0) return false;
  const row = rowOf(shown, all, at);
  return row >= 0 && shown.run[row] > 0 && shown.span[row] === at;
}

function onKey(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const all = columns.peek();
  const at = selected.peek();
  const shown = rows.peek();
  if (!all || !shown || !current) return;
  const last = shown.count;
  switch (event.key) {
    case 'ArrowDown': current.step(1); break;
    case 'ArrowUp': current.step(-1); break;
    case 'PageDown': current.step(current.page); break;
    case 'PageUp': current.step(-current.page); break;
    case 'Home': current.step(-last); break;
    case 'End': current.step(last); break;
    case 'ArrowRight':
      if (isFoldedRun(at)) toggleRun(at);
      else if (at >= 0 && closed.peek().has(at)) toggle(at);
      else current.step(1);
      break;
    case 'ArrowLeft':
      if (openRuns.peek().has(at)) toggleRun(at);
      else if (isFoldedRun(at)) select(all.parent[at]);
      else if (at >= 0 && all.end[at] > at + 1 && !closed.peek().has(at)) toggle(at);
      else if (at >= 0 && all.parent[at] >= 0) select(all.parent[at]);
      break;
    case 'Enter':
    case ' ':
      if (isFoldedRun(at)) toggleRun(at);
      else if (at >= 0) detailShown.value = !detailShown.peek();
      break;
    default:
      return;
  }
  event.preventDefault();
  event.stopPropagation();
}
