//! The found traces, newest first, as a table; on narrow screens its rows become cards.

import { memo } from '../parts/memo';
import { brief, count, dateTimeOr, duration, timeOfDay, dateMinute } from '../core/format';
import { palette, slotOf } from '../core/colors';
import { t } from '../core/i18n';
import { address } from '../core/route';
import { Icon } from '../parts/icons';
import { Failure } from '../parts/notice';
import { searchWith } from './bar';
import type { Criteria, Sort } from './criteria';
import type { Summary } from './source';
import { charts, end, failedBelow, failure, more, phase, retry, rows } from './state';
import { totalOf } from './total';

const CHIPS_MAX = 6;
/** Traces that a search gives at most at once. */
const LIMIT_MAX = 1000;

export function Results({ criteria }: { criteria: Criteria }) {
  const list = rows.value;
  const longest = list.reduce((max, row) => Math.max(max, row.durUs), 1);
  return (
    <>
      <table class="results" role="table">
        <caption class="sr">{t('results.caption')}</caption>
        <thead role="rowgroup">
          <tr role="row">
            <Head sort="start" criteria={criteria} text={t('word.start')} />
            <th role="columnheader" scope="col">{t('word.trace')}</th>
            <Head sort="duration" criteria={criteria} text={t('word.duration')} />
            <Head sort="spans" criteria={criteria} text={t('word.spans')} />
            <Head sort="errors" criteria={criteria} text={t('word.errors')} />
          </tr>
        </thead>
        <tbody role="rowgroup">
          {list.map((row) => <Row key={row.id} row={row} longest={longest} />)}
        </tbody>
      </table>
      <Top criteria={criteria} />
      {failedBelow.value && <Failure error={failure.value} retry={retry} />}
      {end.value?.cursor && !failedBelow.value && (
        <div class="more">
          <button
            type="button" class="button" disabled={phase.value === 'running'}
            onClick={() => void more()}
          >
            {t('results.more')}
          </button>
        </div>
      )}
    </>
  );
}

/** In another order than newest first there are no pages: what is not shown, and how to see more. */
function Top({ criteria }: { criteria: Criteria }) {
  const shown = rows.value.length;
  const total = totalOf(charts.value, shown, end.value?.cursor ?? null);
  if (criteria.sort === 'start' || phase.value !== 'done' || !total) return null;
  const limit = Math.min(LIMIT_MAX, Math.max(100, shown * 2));
  return (
    <div class="more">
      <p class="muted">{t('results.top', { shown: count(shown), total })}</p>
      {shown < LIMIT_MAX && (
        <button
          type="button" class="button" onClick={() => searchWith(criteria, () => ({ limit }))}
        >
          {t('results.show', { count: count(limit) })}
        </button>
      )}
    </div>
  );
}

function Head({ sort, criteria, text }: { sort: Sort; criteria: Criteria; text: string }) {
  const sorted = criteria.sort === sort;
  return (
    <th
      role="columnheader" scope="col" class={`col-${sort}`}
      aria-sort={sorted ? 'descending' : undefined}
    >
      <button
        type="button" class={sorted ? 'sort sorted' : 'sort'}
        title={sort === 'duration' ? `${t('sort.duration')} · ${t('results.asSent')}` : t(`sort.${sort}`)}
        onClick={() => searchWith(criteria, () => ({ sort }))}
      >
        {text}
        <Icon name="down" />
      </button>
    </th>
  );
}

const Row = memo(function Row({ row, longest }: { row: Summary; longest: number }) {
  const startMs = row.startUs / 1000;
  const name = row.root.name || t('trace.unnamed');
  const service = row.root.svc || t('trace.noService');
  return (
    <tr role="row" class={row.errors > 0 ? 'result failed' : 'result'}>
      <td role="cell" class="col-start num" title={dateTimeOr(startMs, t('trace.timeless'))}>
        <span class="time">{startMs > 0 ? timeOfDay(startMs) : t('trace.timeless')}</span>
        {startMs > 0 && <span class="muted date">{dateMinute(startMs).slice(0, 10)}</span>}
      </td>
      <td role="cell" class="col-trace">
        <a class="result-link" href={address(`traces/${row.id}`)} data-row>
          <span class="service">{brief(service)}</span>
          <span class="operation" title={name}>{brief(name)}</span>
        </a>
        {row.missingRoot && (
          <span class="badge warn" title={t('trace.missingRootHint')}>{t('trace.missingRoot')}</span>
        )}
        <Services row={row} />
      </td>
      <td role="cell" class="col-duration">
        <Bar us={row.durUs} longest={longest} />
      </td>
      <td role="cell" class="col-spans num">
        <span class="wide-only">{count(row.spans)}</span>
        <span class="narrow-only">{t('results.spans', { n: row.spans, count: count(row.spans) })}</span>
      </td>
      <td role="cell" class="col-errors num">
        {row.errors > 0 && (
          <span class="error-mark">
            <Icon name="error" />
            <span class="wide-only">{count(row.errors)}</span>
            <span class="narrow-only">
              {t('results.errors', { n: row.errors, count: count(row.errors) })}
            </span>
          </span>
        )}
      </td>
    </tr>
  );
});

function Bar({ us, longest }: { us: number; longest: number }) {
  return (
    <div class="bar">
      <span class="num">{duration(us)}</span>
      <span class="bar-track" aria-hidden="true">
        <span class="bar-fill" style={{ width: `${Math.max(0.5, (us / longest) * 100)}%` }} />
      </span>
    </div>
  );
}

function Services({ row }: { row: Summary }) {
  const colors = palette();
  const hidden = row.services.length - CHIPS_MAX + row.moreServices;
  return (
    <ul class="services" aria-label={t('word.services')}>
      {row.services.slice(0, CHIPS_MAX).map(([name, spans, errors]) => (
        <li key={name} class={errors > 0 ? 'service-chip failed' : 'service-chip'}>
          <span
            class="dot" aria-hidden="true" style={{ background: colors[slotOf(name)] }}
          />
          <span class="clip">{name}</span>
          <span class="muted num">{count(spans)}</span>
          {errors > 0 && <span class="sr">{t('results.errors', { n: errors, count: errors })}</span>}
        </li>
      ))}
      {hidden > 0 && <li class="muted">+{hidden}</li>}
    </ul>
  );
}
