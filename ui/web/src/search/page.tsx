//! The search page: the line, the form, charts, and the found traces.

import { useEffect, useState } from 'preact/hooks';
import { count } from '../core/format';
import { t } from '../core/i18n';
import { config } from '../core/config';
import { addShortcuts } from '../core/keys';
import { address as addressOf, place, scrolledTo } from '../core/route';
import { Boundary } from '../parts/boundary';
import { Failure, Waiting, Empty } from '../parts/notice';
import { Icon } from '../parts/icons';
import { useTitle } from '../parts/title';
import { QueryBar, searchWith } from './bar';
import { Charts } from './charts';
import type { Criteria, Sort } from './criteria';
import { Chips, SearchForm } from './form';
import { Groups } from './groups';
import { crossed, misread } from './misread';
import { Nothing, Unfinished } from './nothing';
import { Results } from './results';
import { totalOf } from './total';
import { isPlain } from './source';
import {
  charts, criteria, emptyStore, end, failedBelow, failure, phase, isUnfinished, retry, rows, run,
  searchedAtMs, stale, stop,
} from './state';

const SORTS: Sort[] = ['start', 'duration', 'spans', 'errors'];

export function SearchPage() {
  const [formShown, setFormShown] = useState(innerWidth >= 900);
  const address = place.value.params.toString();
  useTitle(t('title.search'));
  useEffect(() => {
    if (config.peek().searchEnabled) void run();
    if (place.peek().backFrom !== null) lookAgain(place.peek().backFrom);
  }, [address]);
  useEffect(() => stop, []);
  useEffect(() => addShortcuts({
    title: 'keys.search',
    list: [
      { key: 'j', text: 'keys.down', run: () => stepLinks(1) },
      { key: 'k', text: 'keys.up', run: () => stepLinks(-1) },
      { key: 'o', text: 'keys.openTab', run: openTab },
      { key: 'r', text: 'refresh', run: () => void run(true) },
    ],
  }), []);
  const asked = criteria();
  if (!config.value.searchEnabled) return <Empty title={t('search.off')} />;
  return (
    <>
      <h1 class="sr">{t('title.search')}</h1>
      <div class="card query-card">
        <QueryBar
          criteria={asked} formShown={formShown} toggleForm={() => setFormShown(!formShown)}
        />
        <Misread />
        {formShown && <SearchForm asked={asked} />}
        <Chips criteria={asked} />
      </div>
      <Found asked={asked} />
    </>
  );
}

/** What the address says and nobody understands: it is not a part of the search. */
function Misread() {
  const { params } = place.value;
  const [unread, never] = [misread(params), crossed(params)];
  return (
    <>
      {unread.length > 0 && (
        <p class="line-error" role="status">
          <Icon name="error" />{t('search.misread', { what: unread.join(', ') })}
        </p>
      )}
      {never.length > 0 && (
        <p class="line-error" role="status">
          <Icon name="error" />{t('search.crossed', { what: never.join(', ') })}
        </p>
      )}
    </>
  );
}

/** After the way back: as far down as before, with the focus on the trace that was looked at. */
function lookAgain(from: string | null): void {
  const top = scrolledTo();
  requestAnimationFrame(() => {
    scrollTo(0, top);
    if (document.activeElement !== document.body || !from) return;
    const path = addressOf(from);
    const links = [...document.querySelectorAll<HTMLAnchorElement>('[data-row]')];
    links.find((link) => link.pathname === path)?.focus({ preventScroll: true });
  });
}

/** Moves the focus among the found traces; Enter then opens, as with any link. */
function stepLinks(by: 1 | -1): void {
  const links = [...document.querySelectorAll<HTMLElement>('[data-row]')];
  const at = links.indexOf(document.activeElement as HTMLElement);
  const next = at < 0 ? (by === 1 ? 0 : links.length - 1) : at + by;
  links[next]?.focus();
}

function openTab(): void {
  const link = document.activeElement;
  if (link instanceof HTMLAnchorElement && link.hasAttribute('data-row')) open(link.href, '_blank');
}

function Found({ asked }: { asked: Criteria }) {
  const nothing = phase.value === 'done' && rows.value.length === 0 && !isUnfinished();
  if (nothing) {
    return <div class="card">{emptyStore.value === null ? <Waiting /> : <Nothing criteria={asked} />}</div>;
  }
  return (
    <>
      <Boundary of={[charts.value]}><Charts criteria={asked} /></Boundary>
      <div
        class={stale.value ? 'card results-card stale' : 'card results-card'}
        aria-busy={phase.value === 'running'}
      >
        <Bar asked={asked} />
        {phase.value === 'failed' && !failedBelow.value && (
          <Failure
            error={failure.value} retry={retry}
            stillOfMs={stale.value ? searchedAtMs.value : undefined}
          />
        )}
        {phase.value === 'running' && rows.value.length === 0 && <Waiting />}
        {isUnfinished() && <Unfinished criteria={asked} />}
        <Boundary of={[rows.value, charts.value, asked.group]}>
          {asked.group && !isPlain() ? <Groups criteria={asked} /> : (
            rows.value.length > 0 && <Results criteria={asked} />
          )}
        </Boundary>
      </div>
    </>
  );
}

function Bar({ asked }: { asked: Criteria }) {
  const shown = rows.value.length;
  const total = totalOf(charts.value, shown, end.value?.cursor ?? null);
  return (
    <div class="results-bar">
      <h2 class="found"><span role="status">
        {total
          ? t('results.of', { shown: count(shown), total })
          : t('results.count', { n: shown, count: count(shown) })}</span>
        <Cost />
      </h2>
      <div class="controls">
        {!isPlain() && (
          <div class="segmented" role="group" aria-label={t('results.view')}>
            <button
              type="button" aria-pressed={!asked.group}
              onClick={() => searchWith(asked, () => ({ group: false }))}
            >
              {t('results.list')}
            </button>
            <button
              type="button" aria-pressed={asked.group}
              onClick={() => searchWith(asked, () => ({ group: true }))}
            >
              {t('results.groups')}
            </button>
          </div>
        )}
        <label class="sr" for="sort">{t('results.sort')}</label>
        <select
          id="sort" value={asked.sort} disabled={asked.group}
          onChange={(event) => {
            const sort = event.currentTarget.value as Sort;
            searchWith(asked, () => ({ sort }));
          }}
        >
          {SORTS.map((sort) => <option key={sort} value={sort}>{t(`sort.${sort}`)}</option>)}
        </select>
        <Limit asked={asked} />
        <button
          type="button" class="icon-button" aria-label={t('refresh')} title={t('refresh')}
          onClick={() => void run(true)}
        >
          <Icon name="refresh" />
        </button>
      </div>
    </div>
  );
}

function Limit({ asked }: { asked: Criteria }) {
  const options = [10, 20, 50, 100, 200, 500, 1000];
  if (!options.includes(asked.limit)) options.push(asked.limit);
  return (
    <>
      <label class="sr" for="limit">{t('form.limit')}</label>
      <select
        id="limit" value={String(asked.limit)} title={t('form.limit')} disabled={asked.group}
        onChange={(event) => {
          const limit = Number(event.currentTarget.value);
          searchWith(asked, () => ({ limit }));
        }}
      >
        {options.sort((a, b) => a - b).map((n) => (
          <option key={n} value={n}>{t('form.rows', { count: n })}</option>
        ))}
      </select>
    </>
  );
}

function Cost() {
  if (phase.value === 'running') return <span class="spinner" aria-hidden="true" />;
  const ended = end.value;
  if (!ended) return null;
  const parts: string[] = [];
  if (ended.tookMs !== null) parts.push(`${count(Math.round(ended.tookMs))} ms`);
  if (ended.scannedSpans !== null) {
    parts.push(t('results.scanned', { n: ended.scannedSpans, count: count(ended.scannedSpans) }));
  }
  if (!ended.complete) parts.push(t(ended.reason === 'time' ? 'results.outOfTime' : 'results.bound'));
  return <span class="muted cost">{parts.join(' · ')}</span>;
}
