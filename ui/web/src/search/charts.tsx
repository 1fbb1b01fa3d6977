//! The histogram over time and the latency heat map of the found traces. Dragging over either
//! narrows the search; the same figures are there as a table.

import { useEffect, useRef, useState } from 'preact/hooks';
import { count, dateTime, duration, timeOfDay } from '../core/format';
import { t } from '../core/i18n';
import { go } from '../core/route';
import { canvasColors } from '../core/colors';
import { Failure } from '../parts/notice';
import type { Criteria } from './criteria';
import { drawHeat, drawHistogram, PLOT_LEFT, type Box } from './plots';
import { isPlain, type Overview } from './source';
import { charts, chartsFailure, run, searchFor, stale } from './state';

export function Charts({ criteria }: { criteria: Criteria }) {
  // Where the rows are old too, they say so, and charts stay with them.
  if (chartsFailure.value && !(stale.value && charts.value)) {
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
              ` · ${t('charts.partial', { from: timeOfDay(overview.fromMs, false) })}`}
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

/** A column, and a row from below. */
interface Cell {
  x: number;
  y: number;
}

interface PlotProps {
  overview: Overview;
  criteria: Criteria;
  heat: boolean;
}

function Plot({ overview, criteria, heat }: PlotProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  const [box, setBox] = useState<Box | null>(null);
  const [hint, setHint] = useState('');
  const from = useRef<Cell | null>(null);
  const colors = canvasColors();
  const rows = overview.edgesUs.length - 1;

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
  }, [overview, colors, box, width]);

  /** Returns the column and row (from below) under the pointer. */
  const cell = (event: PointerEvent) => {
    const rect = canvas.current!.getBoundingClientRect();
    const across = (event.clientX - rect.left - PLOT_LEFT) / (rect.width - PLOT_LEFT);
    const down = (event.clientY - rect.top) / rect.height;
    const clamp = (value: number, size: number) =>
      Math.min(size - 1, Math.max(0, Math.floor(value * size)));
    return { x: clamp(across, overview.cols), y: clamp(1 - down, rows) };
  };
  const boxOf = (start: Cell, to: Cell): Box => ({
    left: Math.min(start.x, to.x), right: Math.max(start.x, to.x),
    low: heat ? Math.min(start.y, to.y) : 0, high: heat ? Math.max(start.y, to.y) : rows - 1,
  });
  const finish = (to: Cell) => {
    const start = from.current;
    from.current = null;
    setBox(null);
    if (!start) return;
    if (start.x === to.x && start.y === to.y) {
      const dot = overview.exemplars.find(([col, row]) => col === to.x && row === to.y);
      if (heat && dot) go(`traces/${dot[2]}`);
      return;
    }
    searchFor(within(criteria, overview, boxOf(start, to), heat));
  };
  const tell = (at: Cell) => {
    const cells = overview.cells.filter(([col, row]) => col === at.x && (!heat || row === at.y));
    const traces = cells.reduce((sum, one) => sum + one[2], 0);
    const errors = cells.reduce((sum, one) => sum + one[3], 0);
    const when = timeOfDay(overview.startMs + at.x * overview.stepMs, false);
    const lasts = heat
      ? ` · ${duration(overview.edgesUs[at.y])} – ${duration(overview.edgesUs[at.y + 1])}` : '';
    const failed = errors > 0 ? ` · ${t('charts.failed', { n: errors, count: count(errors) })}` : '';
    setHint(`${when}${lasts} · ${t('charts.traces', { n: traces, count: count(traces) })}${failed}`);
  };
  return (
    <div class="plot">
      <canvas
        ref={canvas} aria-hidden="true" data-plot={heat ? 'heat' : 'histogram'}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          from.current = cell(event);
        }}
        onPointerMove={(event) => {
          const at = cell(event);
          tell(at);
          if (from.current) setBox(boxOf(from.current, at));
        }}
        onPointerUp={(event) => finish(cell(event))}
        onPointerCancel={() => {
          from.current = null;
          setBox(null);
        }}
        onPointerLeave={() => setHint('')}
      />
      {hint && <output class="plot-hint">{hint}</output>}
    </div>
  );
}

/** Returns the search of what lies in a box. */
function within(criteria: Criteria, overview: Overview, box: Box, heat: boolean): Criteria {
  const startMs = Math.floor(overview.startMs + box.left * overview.stepMs);
  const endMs = Math.ceil(overview.startMs + (box.right + 1) * overview.stepMs);
  const next: Criteria = { ...criteria, time: { kind: 'range', startMs, endMs } };
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
