//! The histogram over time and the latency heat map of the found traces. Dragging over either
//! narrows the search; the same figures are there as a table.

import { useEffect, useRef, useState } from 'preact/hooks';
import { count, dateTime, duration, moment } from '../core/format';
import { t } from '../core/i18n';
import { addShortcuts, atFocus } from '../core/keys';
import { language, zone } from '../core/prefs';
import { go } from '../core/route';
import { canvasColors } from '../core/colors';
import { Failure } from '../parts/notice';
import { searchWith } from './bar';
import type { Criteria } from './criteria';
import { boxOf, boxText, firstCell, moved, type Brush, type Cell } from './brush';
import { cellAt, drawHeat, drawHistogram, type Box } from './plots';
import { isPlain, type Overview } from './source';
import { charts, chartsFailure, phase, run, stale } from './state';

/** The keys of a chart that has the focus. */
const KEYS = {
  title: 'keys.charts' as const, isLocal: true,
  list: [
    { key: 'ArrowLeft ArrowRight', text: 'keys.chartTime' as const, run: atFocus },
    { key: 'ArrowUp ArrowDown', text: 'keys.chartLength' as const, run: atFocus },
    { key: 'shift+Arrow', text: 'keys.chartWiden' as const, run: atFocus },
    { key: 'Enter', text: 'keys.chartApply' as const, run: atFocus },
    { key: 'Escape', text: 'keys.chartClear' as const, run: atFocus },
  ],
};

export function Charts({ criteria }: { criteria: Criteria }) {
  useEffect(() => addShortcuts(KEYS), []);
  // Where the rows failed too, they say so; charts that are there stay with the rows that are.
  if (chartsFailure.value && phase.value === 'failed' && !charts.value) return null;
  if (chartsFailure.value && !stale.value) {
    return <Failure error={chartsFailure.value} retry={() => void run(true)} />;
  }
  const overview = charts.value;
  if (isPlain()) return null;
  if (!overview) return <Expected />;
  if (overview.traces === 0) return null;
  return (
    <section class="charts" aria-label={t('charts.label')}>
      <figure>
        <figcaption>
          {t('charts.histogram')}
          <span class="muted">
            {t('charts.traces', { n: overview.traces, count: count(overview.traces) })}
            {overview.errors > 0 && ` · ${t('charts.failed', { n: overview.errors, count: count(overview.errors) })}`}
            {!overview.complete && overview.fromMs !== undefined &&
              ` · ${t('charts.partial', { from: moment(overview.fromMs) })}`}
          </span>
        </figcaption>
        <Plot overview={overview} criteria={criteria} heat={false} />
      </figure>
      <figure>
        <figcaption>
          {t('charts.heat')}
          <span class="muted">{t('charts.drag')}</span>
        </figcaption>
        <Plot overview={overview} criteria={criteria} heat />
      </figure>
      <Twin overview={overview} />
    </section>
  );
}

/** What is being counted, at the place and in the size that it will have. */
function Expected() {
  return (
    <div class="charts" aria-hidden="true">
      {(['charts.histogram', 'charts.heat'] as const).map((key) => (
        <figure key={key}>
          <figcaption>{t(key)}<span class="muted">{t('waiting')}</span></figcaption>
          <div class="plot expected" />
        </figure>
      ))}
      <div class="twin expected-line" />
    </div>
  );
}

interface PlotProps {
  overview: Overview;
  criteria: Criteria;
  heat: boolean;
}

/** The chart whose keys narrowed the search; the one that takes its place gets the focus. */
let waiting: 'heat' | 'histogram' | null = null;

function Plot({ overview, criteria, heat }: PlotProps) {
  const plot = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  const [box, setBox] = useState<Box | null>(null);
  const [hint, setHint] = useState('');
  const from = useRef<Cell | null>(null);
  const [brush, setBrush] = useState<Brush | null>(null);
  const colors = canvasColors();
  const rows = overview.edgesUs.length - 1;
  const name = heat ? 'heat' : 'histogram';
  useEffect(() => {
    if (waiting !== name) return;
    waiting = null;
    if (document.activeElement === document.body) plot.current?.focus({ preventScroll: true });
  }, []);
  const show = (next: Brush | null) => {
    const shown = next && boxOf(next, rows, heat);
    setBrush(next);
    setBox(shown);
    setHint(shown ? boxText(overview, shown, heat) : '');
  };

  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const watch = new ResizeObserver(() => setWidth(element.clientWidth));
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  useEffect(() => {
    const element = canvas.current;
    if (!element || width === 0) return;
    if (heat) drawHeat(element, overview, colors, box);
    else drawHistogram(element, overview, colors, box);
    // The canvas says when, in a zone and a language.
  }, [overview, colors, box, width, zone.value, language.value]);

  /** Returns the column and row (from below) under the pointer. */
  const cell = (event: PointerEvent) => {
    const rect = canvas.current!.getBoundingClientRect();
    return cellAt({ x: event.clientX - rect.left, y: event.clientY - rect.top }, rect, overview);
  };
  const apply = ({ from: start, to }: Brush, isClick: boolean) => {
    show(null);
    if (start.x === to.x && start.y === to.y && (heat || isClick)) {
      const dot = overview.exemplars.find(([col, row]) => col === to.x && row === to.y);
      if (heat && dot) return go(`traces/${dot[2]}`);
      if (isClick) return;
    }
    const chosen = boxOf({ from: start, to }, rows, heat);
    searchWith(criteria, () => within(overview, chosen, heat));
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const first = firstCell(overview);
    const size = { cols: overview.cols, rows: heat ? rows : 1 };
    const next = brush ? moved(brush, event.key, event.shiftKey, size)
      : moved({ from: first, to: first }, event.key, event.shiftKey, size) &&
        { from: first, to: first };
    if (next) show(next);
    else if (event.key === 'Enter' && brush) {
      waiting = name;
      apply(brush, false);
    } else if (event.key === 'Escape' && brush) show(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div
      ref={plot} class="plot" tabIndex={0} role="application" aria-roledescription={t('charts.chart')}
      aria-label={`${t(heat ? 'charts.heat' : 'charts.histogram')}. ${t('charts.byKeys')}`}
      onKeyDown={onKey} onBlur={() => show(null)}
    >
      <canvas
        ref={canvas} aria-hidden="true" data-plot={name}
        onPointerDown={(event) => {
          if (event.button !== 0) return;
          event.currentTarget.setPointerCapture(event.pointerId);
          from.current = cell(event);
        }}
        onPointerMove={(event) => {
          const at = cell(event);
          const shown = boxOf({ from: from.current ?? at, to: at }, rows, heat);
          setHint(boxText(overview, shown, heat));
          if (from.current) setBox(shown);
        }}
        onPointerUp={(event) => {
          const start = from.current;
          from.current = null;
          if (start) apply({ from: start, to: cell(event) }, true);
        }}
        onPointerCancel={() => {
          from.current = null;
          show(null);
        }}
        onPointerLeave={() => !from.current && !brush && setHint('')}
      />
      <output class="plot-hint">{hint}</output>
    </div>
  );
}

/** Returns what a search of what lies in a box has of its own. */
function within(overview: Overview, box: Box, heat: boolean): Partial<Criteria> {
  const startMs = Math.floor(overview.startMs + box.left * overview.stepMs);
  const endMs = Math.ceil(overview.startMs + (box.right + 1) * overview.stepMs);
  const next: Partial<Criteria> = { time: { kind: 'range', startMs, endMs } };
  if (!heat) return next;
  const rows = overview.edgesUs.length - 1;
  // The lowest row holds everything below it too, the highest everything above.
  if (box.low > 0) next.traceMinUs = Math.ceil(overview.edgesUs[box.low]);
  if (box.high < rows - 1) next.traceMaxUs = Math.ceil(overview.edgesUs[box.high + 1]) - 1;
  return next;
}

function Twin({ overview }: { overview: Overview }) {
  const columns = new Map<number, { traces: number; errors: number; low: number; high: number }>();
  for (const [col, row, traces, errors] of overview.cells) {
    const sum = columns.get(col) ?? { traces: 0, errors: 0, low: row, high: row };
    sum.traces += traces;
    sum.errors += errors;
    sum.low = Math.min(sum.low, row);
    sum.high = Math.max(sum.high, row);
    columns.set(col, sum);
  }
  const [open, setOpen] = useState(false);
  return (
    <details class="twin" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t('charts.table')}</summary>
      {open && (
        <table class="data">
          <thead>
            <tr>
              <th scope="col">{t('word.start')}</th>
              <th scope="col" class="right">{t('word.traces')}</th>
              <th scope="col" class="right">{t('word.errors')}</th>
              <th scope="col">{t('word.duration')}</th>
            </tr>
          </thead>
          <tbody>
            {[...columns].map(([col, sum]) => (
              <tr key={col}>
                <th scope="row" class="num">
                  {dateTime(overview.startMs + col * overview.stepMs).slice(0, 19)}
                </th>
                <td class="right num">{count(sum.traces)}</td>
                <td class="right num">{count(sum.errors)}</td>
                <td class="num">
                  {duration(overview.edgesUs[sum.low])} – {duration(overview.edgesUs[sum.high + 1])}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </details>
  );
}
