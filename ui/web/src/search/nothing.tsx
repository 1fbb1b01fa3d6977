//! No results: why, and what to widen. No spans at all: how to send a first one, which then
//! appears by itself.

import { useEffect } from 'preact/hooks';
import { dateMinute } from '../core/format';
import { t, type Key } from '../core/i18n';
import { address, basePath } from '../core/route';
import { copy } from '../parts/toast';
import { Icon } from '../parts/icons';
import { Again, Empty } from '../parts/notice';
import { withTyped } from './bar';
import {
  isEmpty, lookbackText, rootText, termText, toAddress, windowOf, type Criteria,
} from './criteria';
import { isPlain, names, type Why } from './source';
import { emptyStore, reason, run, searchedAtMs } from './state';

const POLL_MS = 1500;

/** Returns the criteria without what a clause names. */
export function dropped(criteria: Criteria, drop: string): Criteria {
  if (drop.startsWith('tag:')) {
    const key = drop.slice(4);
    return { ...criteria, terms: criteria.terms.filter((term) => term.key !== key) };
  }
  const without: Record<string, Partial<Criteria>> = {
    serviceName: { service: '' },
    spanName: { operation: '' },
    remoteServiceName: { remote: '' },
    duration: { minUs: null, maxUs: null },
    traceDuration: { traceMinUs: null, traceMaxUs: null },
    edge: { parent: '', child: '', edgeErrors: false },
    root: { rootService: null, rootOperation: null },
    without: { without: [] },
  };
  return { ...criteria, ...without[drop] };
}

function clauseText(criteria: Criteria, drop: string): string {
  if (drop.startsWith('tag:')) return drop.slice(4);
  const texts: Record<string, string> = {
    serviceName: `${t('word.service')}: ${criteria.service}`,
    spanName: `${t('word.operation')}: ${criteria.operation}`,
    remoteServiceName: `${t('word.remote')}: ${criteria.remote}`,
    duration: t('form.spanDuration'),
    traceDuration: t('form.traceDuration'),
    edge: `${criteria.parent} → ${criteria.child}`,
    root: `${t('word.rootOperation')}: ${rootText(criteria)}`,
    without: criteria.without.map((term) => `≠ ${termText(term)}`).join(', '),
  };
  return texts[drop] ?? drop;
}

interface TimesProps {
  criteria: Criteria;
  lengthsMs: number[];
  /** Before when; null is now. */
  endMs: number | null;
}

/** Leads to the same search of other lengths of time, and to what is typed meanwhile. */
function Times({ criteria, lengthsMs, endMs }: TimesProps) {
  const now = withTyped(criteria);
  return lengthsMs.map((ms) => {
    const time = { kind: 'back' as const, ms, endMs };
    const key = endMs === null ? 'nothing.widen' : 'nothing.lastOf';
    return (
      <a class="button" key={ms} href={address('', toAddress({ ...now, time }))}>
        {t(key, { length: lookbackText(ms) })}
      </a>
    );
  });
}

/** A search that was cut short and has found nothing until then: that is no answer. */
export function Unfinished({ criteria }: { criteria: Criteria }) {
  const { startMs, endMs } = windowOf(criteria, searchedAtMs.value);
  const shorter = [900_000, 3_600_000, 21_600_000, 86_400_000].filter((ms) => ms < endMs - startMs);
  const isOfNow = criteria.time.kind === 'back' && criteria.time.endMs === null;
  return (
    <Empty title={t('nothing.unfinished')}>
      <p>{t('nothing.unfinishedHint')}</p>
      <p class="actions">
        <Again retry={() => void run(true)} />
        <Times criteria={criteria} lengthsMs={shorter} endMs={isOfNow ? null : endMs} />
      </p>
    </Empty>
  );
}

export function Nothing({ criteria }: { criteria: Criteria }) {
  if (emptyStore.value) return <FirstSpan />;
  const why = reason.value;
  const back = criteria.time.kind === 'back' ? criteria.time.ms : 0;
  const wider = [3_600_000, 86_400_000, 604_800_000].filter((ms) => ms > back);
  return (
    <Empty title={t('nothing.title')}>
      {why && <Reasons why={why} criteria={criteria} />}
      <p class="actions">
        <Times criteria={criteria} lengthsMs={wider} endMs={null} />
        {!isEmpty(criteria) && (
          <a class="button" href={address('', { lookback: '1d' })}>{t('nothing.clear')}</a>
        )}
      </p>
    </Empty>
  );
}

/** What is said of the nearest match, or that there is none, when all of it was looked at. */
export function nearest({ wider }: Why, criteria: Criteria, nowMs: number): Key {
  const { startMs } = windowOf(criteria, nowMs);
  if (wider) return wider.startMs < startMs ? 'nothing.before' : 'nothing.behind';
  const isOfNow = criteria.time.kind === 'back' && criteria.time.endMs === null;
  return isOfNow ? 'nothing.week' : 'nothing.around';
}

function Reasons({ why, criteria }: { why: Why; criteria: Criteria }) {
  const guilty = why.complete ? why.clauses.filter((clause) => clause.found) : [];
  const { store } = why;
  const wider = why.complete ? why.wider : null;
  const said = nearest(why, criteria, searchedAtMs.value);
  return (
    <ul class="reasons">
      {!why.complete && <li>{t('nothing.unknown')}</li>}
      {guilty.map((clause) => (
        <li key={clause.drop}>
          {t('nothing.without', { what: clauseText(criteria, clause.drop) })}{' '}
          <a href={address('', toAddress(dropped(withTyped(criteria), clause.drop)))}>
            {t('nothing.drop')}
          </a>
        </li>
      ))}
      {wider && (
        <li>
          {t(said, { when: dateMinute(wider.startMs) })}{' '}
          <a href={address(`traces/${wider.traceId}`)}>{t('nothing.open')}</a>
        </li>
      )}
      {why.complete && !wider && guilty.length === 0 && <li>{t(said)}</li>}
      {store.newestMs !== null && (
        <li class="muted">{t('nothing.newest', { when: dateMinute(store.newestMs) })}</li>
      )}
    </ul>
  );
}

/** Where the server is, behind whatever path a proxy has it. */
function serverUrl(): string {
  return location.origin + basePath.replace(/zipkin\/$/, '');
}

/** Returns a command that sends a span of this moment to this server. */
function firstSpan(): string {
  return `curl -X POST ${serverUrl()}api/v2/spans \\
  -H 'Content-Type: application/json' -d '[
  {"traceId":"5af7183fb1d4cf5f","id":"352bff9a74ca9ad2",
   "name":"get /","kind":"SERVER","duration":1500,
   "timestamp":'$(date +%s)'000000,
   "localEndpoint":{"serviceName":"first"}}]'`;
}

function FirstSpan() {
  useEffect(() => {
    const abort = new AbortController();
    const timer = setInterval(() => {
      if (document.hidden) return;
      names({ of: 'services' }, abort.signal).then(
        (found) => {
          if (found.length > 0 && !abort.signal.aborted) void run(true);
        },
        () => undefined,
      );
    }, POLL_MS);
    return () => {
      clearInterval(timer);
      abort.abort();
    };
  }, []);
  const command = firstSpan();
  return (
    <section class="first" aria-labelledby="first-title">
      <h2 id="first-title">{t('first.title')}</h2>
      <p>{t('first.text')}</p>
      <div class="code">
        <pre tabIndex={0} class="mono">{command}</pre>
        <button type="button" class="button" onClick={() => void copy(command)}>
          <Icon name="copy" />
          {t('copy')}
        </button>
      </div>
      <dl class="ways">
        <dt>Zipkin</dt>
        <dd class="mono">{serverUrl()}api/v2/spans</dd>
        {/* Taken on this port whatever others are open; a plain Zipkin takes none. */}
        {!isPlain() && (
          <>
            <dt>OpenTelemetry (OTLP/HTTP)</dt>
            <dd class="mono">{serverUrl()}v1/traces</dd>
            <dt>OpenTelemetry (OTLP/gRPC)</dt>
            <dd class="mono">{location.origin}</dd>
          </>
        )}
      </dl>
      <p class="listening" role="status">
        <span class="spinner" aria-hidden="true" />
        {t('first.listening')}
      </p>
    </section>
  );
}
