//! What a trace is, in a line: root, time, counts; what is odd about it; tabs and tools.

import { useEffect, useRef } from 'preact/hooks';
import { brief, count, dateTime, duration, percent, zoneName } from '../core/format';
import { palette } from '../core/colors';
import { config, traceLink } from '../core/config';
import { t } from '../core/i18n';
import { clock } from '../core/prefs';
import { Icon } from '../parts/icons';
import { copy } from '../parts/toast';
import { timesOn } from './critical';
import { nameOf, NO_DURATION, PLACEHOLDER, serviceOf, type Columns } from './model';
import {
  critical, detailShown, failed, findText, fold, match, matches, minUs, onlyMatches, raw, root, runFind,
  select, selected, setRaw, showCritical, slots, step, tab, TABS, type Tab,
} from './state';
import { setRoot } from './zoom';

/** The span that a trace is named after: the first that was received. */
export function topOf(columns: Columns): number {
  return columns.count > 1 && columns.flags[0] & PLACEHOLDER ? 1 : 0;
}

function rootsOf({ notes }: Columns): number {
  return notes.roots - notes.missingParents;
}

/** How long the trace took; without any time or duration that is not known. */
function totalText({ notes, count: all, total }: Columns): string {
  const isKnown = total > 1 || notes.noDuration < all - notes.missingParents;
  return isKnown ? duration(total) : t('trace.unfinished');
}

interface HeaderProps {
  columns: Columns;
  refresh?: () => void;
  /** Leads to another file, where the trace is one. */
  another?: () => void;
}

export function Header({ columns, refresh, another }: HeaderProps) {
  const { notes } = columns;
  const top = topOf(columns);
  const roots = rootsOf(columns);
  const link = (template: string | null) => traceLink(template, columns.traceId);
  const logs = link(config.value.logsUrl);
  const archive = link(config.value.archiveUrl);
  const spans = columns.count - notes.missingParents;
  const services = columns.services.filter(Boolean).length;
  return (
    <header class="trace-head">
      <div class="trace-title">
        <h1>
          <span class="service">{brief(serviceOf(columns, top)) || t('trace.noService')}</span>{' '}
          <span class="operation" title={nameOf(columns, top)}>
            {brief(nameOf(columns, top)) || t('trace.unnamed')}
          </span>
          {roots > 1 && ' '}
          {roots > 1 && (
            <span class="badge warn">{t('trace.moreRoots', { n: roots - 1, count: count(roots - 1) })}</span>
          )}
        </h1>
        <dl class="facts">
          <Fact name={t('word.duration')} text={totalText(columns)} strong />
          <Fact name={t('word.spans')} text={count(spans)} />
          <Fact name={t('word.services')} text={count(services)} />
          <Fact name={t('word.errors')} text={count(notes.errors)} bad={notes.errors > 0} />
          <Fact name={t('word.depth')} text={count(notes.depth)} />
          <Fact
            name={t('word.start')}
            text={columns.t0 > 0
              ? `${dateTime(columns.t0 / 1000)} ${zoneName(columns.t0 / 1000)}`
              : t('trace.timeless')}
          />
        </dl>
      </div>
      <div class="trace-actions">
        <button
          type="button" class="button mono id" title={t('trace.copyId')}
          onClick={() => void copy(columns.traceId, 'Trace ID')}
        >
          <Icon name="copy" />
          <span class="clip">{columns.traceId}</span>
        </button>
        {logs && <a class="button" href={logs} target="_blank" rel="noreferrer">{t('trace.logs')}</a>}
        {archive && (
          <a class="button" href={archive} target="_blank" rel="noreferrer">{t('trace.archive')}</a>
        )}
        <button
          type="button" class="button" onClick={() => {
            clock.value = clock.value === 'relative' ? 'absolute' : 'relative';
          }}
          aria-pressed={clock.value === 'absolute'} title={t('keys.clock')}
        >
          <Icon name="clock" />
          <span class="wide-only">{t('trace.absolute')}</span>
          <span class="narrow-only sr">{t('trace.absolute')}</span>
        </button>
        {another && (
          <button type="button" class="button" onClick={another}>
            <Icon name="upload" />{t('upload.another')}
          </button>
        )}
        {refresh && (
          <button
            type="button" class="icon-button" aria-label={t('refresh')} title={t('refresh')}
            onClick={refresh}
          >
            <Icon name="refresh" />
          </button>
        )}
      </div>
      <Shares columns={columns} />
    </header>
  );
}

function Fact(props: { name: string; text: string; bad?: boolean; strong?: boolean }) {
  return (
    <div class={props.bad ? 'fact error-text' : 'fact'}>
      <dt>{props.name}</dt>
      <dd class={props.strong ? 'num strong' : 'num'}>
        {props.bad && <Icon name="error" />}
        {props.text}
      </dd>
    </div>
  );
}

const SHARES_MAX = 8;

/** The share of each service in the critical path, as one bar with a legend. */
function Shares({ columns }: { columns: Columns }) {
  const path = critical.value;
  if (!path || columns.services.length < 2) return null;
  const sums = new Float64Array(columns.services.length);
  timesOn(path, columns.count).forEach((us, span) => {
    sums[columns.service[span]] += us;
  });
  const all = path.length;
  if (all === 0) return null;
  const colors = palette();
  const list = [...sums]
    .map((us, index) => ({ us, name: columns.services[index], color: colors[slots.value[index]] }))
    .filter((one) => one.us > 0)
    .sort((a, b) => b.us - a.us);
  const rest = list.slice(SHARES_MAX).reduce((sum, one) => sum + one.us, 0);
  return (
    <div class="shares" title={t('trace.sharesHint')}>
      <div class="share-bar" aria-hidden="true">
        {list.slice(0, SHARES_MAX).map((one) => (
          <span
            key={one.name} style={{ width: `${(one.us / all) * 100}%`, background: one.color }}
          />
        ))}
      </div>
      <ul aria-label={t('trace.shares')}>
        {list.slice(0, SHARES_MAX).map((one) => (
          <li key={one.name}>
            <span class="dot" aria-hidden="true" style={{ background: one.color }} />
            <bdi>{brief(one.name) || t('trace.noService')}</bdi>
            <span class="muted num">{percent(one.us / all)}</span>
          </li>
        ))}
        {rest > 0 && <li class="muted">{t('trace.others')} {percent(rest / all)}</li>}
      </ul>
    </div>
  );
}

/** What is odd about the trace, in words. */
export function Notices({ columns }: { columns: Columns }) {
  const { notes } = columns;
  const said: string[] = [];
  if (notes.missingParents > 0) {
    said.push(t('note.missing', { n: notes.missingParents, count: count(notes.missingParents) }));
  }
  const roots = rootsOf(columns);
  if (roots > 1) said.push(t('note.roots', { count: count(roots) }));
  const top = topOf(columns);
  if (columns.flags[top] & NO_DURATION && columns.end[top] > top + 1) said.push(t('note.openRoot'));
  if (notes.noTime > 0) said.push(t('note.noTime', { n: notes.noTime, count: count(notes.noTime) }));
  if (notes.cycles > 0) said.push(t('note.cycles'));
  const [shift] = notes.shifts;
  if (shift) {
    said.push(t('note.skew', {
      service: shift.service || t('trace.noService'), by: duration(shift.us),
      more: notes.shifts.length > 1 ? ` +${notes.shifts.length - 1}` : '',
    }));
    if (notes.rawTotal !== columns.total) {
      said.push(t('note.rawTotal', { raw: duration(notes.rawTotal) }));
    }
  }
  const skewed = shift !== undefined || raw.value;
  if (said.length === 0 && !skewed && root.value === null) return null;
  return (
    <div class="notes" role="status">
      {said.map((text) => <p key={text} class="note"><Icon name="error" />{text}</p>)}
      {skewed && (
        <label class="check">
          <input
            type="checkbox" checked={raw.value}
            onChange={(event) => void setRaw(event.currentTarget.checked)}
          />
          {t('note.raw')}
        </label>
      )}
      {root.value !== null && (
        <button type="button" class="chip-button" onClick={() => setRoot(null)}>
          {t('note.root', {
            what: `${serviceOf(columns, root.value)} ${nameOf(columns, root.value)}`,
          })}
          <Icon name="close" />
        </button>
      )}
    </div>
  );
}

export function Tabs() {
  const move = (event: KeyboardEvent) => {
    const at = TABS.indexOf(tab.value);
    const by = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (by === 0) return;
    event.preventDefault();
    event.stopPropagation();
    tab.value = TABS[(at + by + TABS.length) % TABS.length];
    document.getElementById(`tab-${tab.value}`)?.focus();
  };
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // On a narrow screen the tab that is open may lie beyond the edge.
    const open = document.getElementById(`tab-${tab.value}`);
    const [box, all] = [open?.getBoundingClientRect(), list.current?.getBoundingClientRect()];
    if (!box || !all || !list.current) return;
    if (box.right > all.right) list.current.scrollLeft += box.right - all.right;
    else if (box.left < all.left) list.current.scrollLeft -= all.left - box.left;
  }, [tab.value]);
  return (
    <div ref={list} class="tabs" role="tablist" aria-label={t('trace.views')} onKeyDown={move}>
      {TABS.map((name: Tab) => (
        <button
          key={name} id={`tab-${name}`} type="button" role="tab" aria-selected={tab.value === name}
          aria-controls="tabpanel" tabIndex={tab.value === name ? 0 : -1}
          onClick={() => {
            tab.value = name;
          }}
        >
          {t(`tab.${name}`)}
        </button>
      ))}
    </div>
  );
}

export function Tools() {
  return (
    <div class="tools">
      <Toggle on={showCritical.value} text={t('tool.critical')} set={(on) => (showCritical.value = on)} />
      <Toggle on={fold.value} text={t('tool.fold')} set={(on) => (fold.value = on)} />
      <label class="sr" for="min">{t('tool.min')}</label>
      <select
        id="min" value={String(minUs.value)} title={t('tool.min')}
        onChange={(event) => {
          minUs.value = Number(event.currentTarget.value);
        }}
      >
        {minOptions(minUs.value).map((us) => (
          <option key={us} value={us}>{us === 0 ? t('tool.all') : `≥ ${duration(us)}`}</option>
        ))}
      </select>
      <Errors />
      <Find />
    </div>
  );
}

function minOptions(current: number): number[] {
  const list = [0, 100, 1000, 10_000, 100_000, 1_000_000];
  return list.includes(current) ? list : [...list, current].sort((a, b) => a - b);
}

function Toggle(props: { on: boolean; text: string; set: (on: boolean) => void }) {
  return (
    <button
      type="button" class="button" aria-pressed={props.on} onClick={() => props.set(!props.on)}
    >
      {props.text}
    </button>
  );
}

function Errors() {
  const list = failed.value;
  if (list.length === 0) return null;
  return (
    <span class="stepper" role="group" aria-label={t('word.errors')}>
      <button
        type="button" class="button error-text" title={t('keys.nextError')}
        onClick={() => {
          step(list, 1);
          detailShown.value = true;
        }}
      >
        <Icon name="error" />
        {t('results.errors', { n: list.length, count: count(list.length) })}
        <Icon name="down" />
      </button>
    </span>
  );
}

function Find() {
  const found = matches.value;
  const at = found.indexOf(selected.value);
  return (
    <search class="find">
      <Icon name="search" />
      <label class="sr" for="find">{t('find.label')}</label>
      <input
        id="find" type="text" value={findText.value} placeholder={t('find.placeholder')}
        autocomplete="off" spellcheck={false}
        onInput={(event) => {
          findText.value = event.currentTarget.value;
          void runFind();
        }}
        onKeyDown={(event) => {
          if (event.key === 'Enter') step(found, event.shiftKey ? -1 : 1);
          else if (event.key === 'Escape' && findText.value) {
            findText.value = '';
            void runFind();
          } else return;
          event.preventDefault();
          event.stopPropagation();
        }}
      />
      <output class="muted num" aria-live="polite">
        {match.value && t('find.count', {
          at: at < 0 ? '–' : count(at + 1), count: count(found.length),
        })}
      </output>
      {match.value && (
        <>
          <button
            type="button" class="icon-button" aria-label={t('keys.previousMatch')}
            onClick={() => step(found, -1)} disabled={found.length === 0}
          >
            <Icon name="up" />
          </button>
          <button
            type="button" class="icon-button" aria-label={t('keys.nextMatch')}
            onClick={() => step(found, 1)} disabled={found.length === 0}
          >
            <Icon name="down" />
          </button>
          <Toggle
            on={onlyMatches.value} text={t('find.only')} set={(on) => (onlyMatches.value = on)}
          />
        </>
      )}
    </search>
  );
}

/** Selects a span and shows it in the waterfall, from any other view. */
export function showInWaterfall(index: number): void {
  tab.value = 'waterfall';
  select(index, true);
}
