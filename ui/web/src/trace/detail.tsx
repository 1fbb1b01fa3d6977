//! All there is to know about the selected span, with what one may do next per tag.

import { useEffect, useState } from 'preact/hooks';
import {
  brief, BRIEF_MAX, count, dateTime, dateTimeOr, duration, percent, timeOfDay, zoneName,
} from '../core/format';
import { palette } from '../core/colors';
import { config } from '../core/config';
import { t } from '../core/i18n';
import { address, lastSearch } from '../core/route';
import { Icon } from '../parts/icons';
import { copy } from '../parts/toast';
import { isListed, termText } from '../search/criteria';
import { shareOf } from './critical';
import { copyLink } from './keys';
import { timeAround } from './similar';
import {
  CYCLE, halfText, idText, KINDS, nameOf, NO_DURATION, NO_TIME, parentIdText, PLACEHOLDER,
  serviceOf, SHARED, SKEWED, type Annotation, type Columns, type Endpoint, type Span,
} from './model';
import {
  critical, detailShown, select, selected, slots, thread,
} from './state';
import { setRoot } from './zoom';

const VALUE_SHOWN = 4096;

export function Detail({ columns }: { columns: Columns }) {
  const at = selected.value;
  const name = at >= 0 && at < columns.count ? halfText(columns, at) : '';
  const [held, setHeld] = useState<{ name: string; span: Span | null } | null>(null);
  // Until a newer report of the same span is there, what is known of it stays.
  const span = held?.name === name ? held.span : null;
  useEffect(() => {
    let mine = true;
    if (name) {
      thread?.span(at).then(
        (found) => mine && setHeld({ name, span: found }),
        () => undefined,
      );
    }
    return () => {
      mine = false;
    };
  }, [at, columns]);
  if (at < 0 || at >= columns.count) return null;
  return (
    <aside class="detail" aria-label={t('detail.label')}>
      <Head columns={columns} at={at} />
      <div class="detail-body" tabIndex={0} role="region" aria-label={t('detail.label')}>
        <Times columns={columns} at={at} span={span} />
        {span?.tags && (
          <Tags tags={span.tags} service={serviceOf(columns, at)} time={timeOf(columns)} />
        )}
        {span?.annotations && span.annotations.length > 0 && (
          <Annotations list={span.annotations} columns={columns} at={at} />
        )}
        <Ends span={span} columns={columns} at={at} />
        {columns.flags[at] & PLACEHOLDER ? <p class="muted">{t('detail.placeholder')}</p> : null}
      </div>
    </aside>
  );
}

/** Returns when searches that begin at this trace look. */
function timeOf(columns: Columns): Record<string, string> {
  const { defaultLookback, queryLimit } = config.peek();
  const defaults = { lookbackMs: defaultLookback, limit: queryLimit };
  return timeAround(columns, lastSearch(), defaults, Date.now());
}

function Head({ columns, at }: { columns: Columns; at: number }) {
  const similar = new URLSearchParams(timeOf(columns));
  if (serviceOf(columns, at)) similar.set('serviceName', serviceOf(columns, at));
  if (nameOf(columns, at)) similar.set('spanName', nameOf(columns, at));
  return (
    <div class="detail-head">
      <div class="detail-title">
        <h2>
          <span
            class="dot" aria-hidden="true"
            style={{ background: palette()[slots.value[columns.service[at]]] }}
          />
          <span class="service">{brief(serviceOf(columns, at)) || t('trace.noService')}</span>{' '}
          <span class="operation">{brief(nameOf(columns, at)) || t('trace.unnamed')}</span>
        </h2>
        <button
          type="button" class="icon-button" aria-label={t('close')} title={`${t('close')} (Esc)`}
          onClick={() => (detailShown.value = false)}
        >
          <Icon name="close" />
        </button>
      </div>
      <div class="detail-actions">
        <a class="chip-button" href={address('', similar)}><Icon name="search" />{t('detail.similar')}</a>
        {columns.end[at] > at + 1 && (
          <button type="button" class="chip-button" onClick={() => setRoot(at)}>
            <Icon name="target" />{t('keys.root')}
          </button>
        )}
        <button type="button" class="chip-button" onClick={() => copyLink(at)}>
          <Icon name="link" />{t('keys.copyLink')}
        </button>
        {columns.parent[at] >= 0 && (
          <button
            type="button" class="chip-button" onClick={() => select(columns.parent[at])}
          >
            <Icon name="up" />{t('keys.parent')}
          </button>
        )}
      </div>
    </div>
  );
}

function Times({ columns, at, span }: { columns: Columns; at: number; span: Span | null }) {
  const flags = columns.flags[at];
  const startMs = (columns.t0 + columns.start[at]) / 1000;
  const share = critical.value ? shareOf(critical.value, at) : 0;
  const marks: string[] = [];
  if (flags & SKEWED && span?.timestamp) {
    const by = columns.t0 + columns.start[at] - span.timestamp;
    marks.push(t('detail.moved', { by: duration(by) }));
  }
  if (flags & NO_TIME) marks.push(t('trace.noTime'));
  if (flags & CYCLE) marks.push(t('trace.cycle'));
  if (flags & SHARED) marks.push(t('detail.shared'));
  if (span?.debug) marks.push(t('detail.debug'));
  return (
    <dl class="grid-facts">
      <dt>{t('word.duration')}</dt>
      <dd class="num strong">
        {flags & NO_DURATION ? t('trace.unfinished') : duration(columns.dur[at])}
      </dd>
      <dt>{t('word.start')}</dt>
      <dd class="num">
        {columns.t0 > 0 ? (
          <>
            +{duration(columns.start[at])}
            <span class="muted block">{dateTime(startMs)} {zoneName(startMs)}</span>
          </>
        ) : t('trace.timeless')}
      </dd>
      <dt>{t('word.self')}</dt>
      <dd class="num">
        {duration(columns.self[at])}
        {columns.dur[at] > 0 && ` (${percent(columns.self[at] / columns.dur[at])})`}
      </dd>
      {share > 0 && (
        <>
          <dt>{t('tool.critical')}</dt>
          <dd class="num">{percent(share)}</dd>
        </>
      )}
      {columns.kind[at] > 0 && (
        <>
          <dt>{t('word.kind')}</dt>
          <dd>{KINDS[columns.kind[at]]}</dd>
        </>
      )}
      {columns.end[at] > at + 1 && (
        <>
          <dt>{t('word.descendants')}</dt>
          <dd class="num">{count(columns.end[at] - at - 1)}</dd>
        </>
      )}
      {marks.map((mark) => <dd key={mark} class="wide note-text">{mark}</dd>)}
    </dl>
  );
}

interface TagsProps {
  tags: Record<string, string>;
  service: string;
  /** When searches for a tag look. */
  time: Record<string, string>;
}

function Tags({ tags, service, time }: TagsProps) {
  const [filter, setFilter] = useState('');
  const keys = Object.keys(tags).sort((a, b) =>
    // What went wrong comes first, the rest by name.
    Number(b === 'error') - Number(a === 'error') || (a < b ? -1 : 1));
  const low = filter.toLowerCase();
  const fits = keys.filter((key) =>
    !low || key.toLowerCase().includes(low) || tags[key].toLowerCase().includes(low));
  return (
    <section class="detail-part">
      <div class="part-head">
        <h3>{t('word.tags')} <span class="muted num">{keys.length}</span></h3>
        {keys.length > 6 && (
          <input
            type="text" class="small" aria-label={t('detail.filterTags')} value={filter}
            placeholder={t('detail.filterTags')}
            onInput={(event) => setFilter(event.currentTarget.value)}
          />
        )}
      </div>
      <dl class="tags">
        {fits.map((key) => (
          <Tag key={key} name={key} value={tags[key]} from={{ ...time, serviceName: service }} />
        ))}
      </dl>
    </section>
  );
}

/** Texts that are more than a line: JSON is laid out, the rest keeps its line breaks. */
export function laidOut(value: string): string | null {
  if (value.length <= 200_000 && /^\s*[[{]/.test(value)) {
    try {
      const json: unknown = JSON.parse(value);
      if (typeof json === 'object' && json !== null) return JSON.stringify(json, null, 2);
    } catch {
      // It only looks like JSON.
    }
  }
  return value.includes('\n') ? value : null;
}

interface TagProps {
  name: string;
  value: string;
  /** The search that a tag is added to. */
  from: Record<string, string>;
}

function Tag({ name, value, from }: TagProps) {
  const [all, setAll] = useState(false);
  const shape = laidOut(value);
  const text = shape ?? value;
  const shown = all ? text : text.slice(0, VALUE_SHOWN);
  const pair = `${name}=${value}`;
  const search = new URLSearchParams(from);
  // An empty value can't be searched for: then the key alone is.
  const term = { key: name, value: value || null };
  search.append(isListed(term) ? 'annotationQuery' : 'tag', termText(term));
  // From the search that one comes from, else from what this service does.
  const exclude = lastSearch() ?? new URLSearchParams(from);
  if (!exclude.getAll('without').includes(pair)) exclude.append('without', pair);
  return (
    <div class={name === 'error' ? 'tag failed' : 'tag'}>
      <dt>{name === 'error' && <Icon name="error" />}{name}</dt>
      <dd>
        {shape ? <pre tabIndex={0}>{shown}</pre> : <span class="value" dir="auto">{shown || '""'}</span>}
        {text.length > VALUE_SHOWN && (
          <span class="long">
            <span class="muted num">{t('detail.characters', { count: count(text.length) })}</span>
            <button type="button" class="chip-button" onClick={() => setAll(!all)}>
              {all ? t('detail.less') : t('detail.more')}
            </button>
          </span>
        )}
        <div class="tag-actions">
          {value.length < 500 && !name.includes('=') && (
            <>
              <a
                class="icon-button" href={address('', search)}
                aria-label={t('detail.searchTag', { tag: name })} title={t('detail.searchTag', { tag: name })}
              >
                <Icon name="search" />
              </a>
              <a
                class="icon-button" href={address('', exclude)}
                aria-label={t('detail.excludeTag', { tag: name })} title={t('detail.excludeTag', { tag: name })}
              >
                <Icon name="exclude" />
              </a>
            </>
          )}
          <button
            type="button" class="icon-button" aria-label={t('detail.copyTag', { tag: name })}
            title={t('detail.copyTag', { tag: name })} onClick={() => void copy(value, name)}
          >
            <Icon name="copy" />
          </button>
        </div>
      </dd>
    </div>
  );
}

interface AnnotationsProps {
  list: Annotation[];
  columns: Columns;
  at: number;
}

function Annotations({ list, columns, at }: AnnotationsProps) {
  const from = columns.annFrom[at];
  return (
    <section class="detail-part">
      <h3>{t('word.annotations')} <span class="muted num">{list.length}</span></h3>
      <ol class="annotations">
        {list.slice(0, 200).map((one, k) => {
          const us = columns.annAt[from + k];
          return (
            <li key={k}>
              <span class="num" title={dateTimeOr((columns.t0 + us) / 1000, '')}>
                {columns.t0 > 0 ? `+${duration(us - columns.start[at])}` : timeOfDay(us / 1000)}
              </span>
              <span class="value" dir="auto">{one.value.slice(0, VALUE_SHOWN)}</span>
            </li>
          );
        })}
      </ol>
      {list.length > 200 && <p class="muted">{t('detail.hidden', { count: count(list.length - 200) })}</p>}
    </section>
  );
}

function endpointText(end: Endpoint): string {
  const ip = end.ipv4 ?? (end.ipv6 ? `[${end.ipv6}]` : '');
  const port = end.port ? `:${end.port}` : '';
  return `${end.serviceName ?? ''} ${ip}${port}`.trim();
}

function Ends({ span, columns, at }: { span: Span | null; columns: Columns; at: number }) {
  const rows: [string, string][] = [];
  // What the head had to shorten stands here in full.
  const name = nameOf(columns, at);
  if (name.length > BRIEF_MAX) rows.push([t('word.operation'), name]);
  if (span?.localEndpoint) rows.push([t('detail.local'), endpointText(span.localEndpoint)]);
  if (span?.remoteEndpoint) rows.push([t('detail.remote'), endpointText(span.remoteEndpoint)]);
  rows.push(['Span ID', idText(columns, at)]);
  const parent = parentIdText(columns, at, span);
  if (parent) rows.push(['Parent ID', parent]);
  rows.push(['Trace ID', columns.traceId]);
  return (
    <section class="detail-part">
      <h3>{t('detail.identity')}</h3>
      <dl class="grid-facts ids">
        {rows.map(([name, value]) => (
          <>
            <dt>{name}</dt>
            <dd class="mono">
              <span>{value || '–'}</span>
              <button
                type="button" class="icon-button" aria-label={t('detail.copyTag', { tag: name })}
                onClick={() => void copy(value, name)}
              >
                <Icon name="copy" />
              </button>
            </dd>
          </>
        ))}
      </dl>
    </section>
  );
}
