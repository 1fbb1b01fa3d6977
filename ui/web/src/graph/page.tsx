//! The dependencies: who calls whom, how often, how often it failed; as a graph and as a table.

import '../kernel';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { apiUrl, askJson } from '../core/api';
import { config } from '../core/config';
import { count, dateMinute, isolated, percent } from '../core/format';
import { t } from '../core/i18n';
import { addShortcuts } from '../core/keys';
import { address, place, rewriteSome } from '../core/route';
import { Combobox } from '../parts/combobox';
import { focusPage, useChange } from '../parts/focus';
import { Icon } from '../parts/icons';
import { Empty, Failure, Waiting } from '../parts/notice';
import { useTitle } from '../parts/title';
import {
  filtered, isPicture, sameEdge, servicesOf, sumsOf, type Filter, type Link,
} from './links';
import { DEFAULT_MS, TIME_KEYS, TimeBar, windowOf } from './time';
import { GraphView, type Picked } from './view';

interface State {
  links: Link[] | null;
  failure: unknown;
  startMs: number;
  endMs: number;
  /** What was asked for; a refresh keeps what was found for the same. */
  key: string;
  foundAtMs: number;
}

function useLinks(key: string): [State, () => void] {
  const none = { links: null, failure: null, startMs: 0, endMs: 0, key, foundAtMs: 0 };
  const [state, setState] = useState<State>(none);
  const [round, setRound] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    const window = windowOf(new URLSearchParams(key), Date.now(), DEFAULT_MS);
    const { startMs, endMs } = window;
    setState((now) => (now.key === key ? { ...now, failure: null } : none));
    const params = new URLSearchParams({
      endTs: String(Math.ceil(endMs)), lookback: String(Math.max(1, Math.ceil(endMs - startMs))),
    });
    askJson<Link[]>(apiUrl('v2/dependencies', params), abort.signal).then(
      (links) => setState({
        links, failure: null, startMs, endMs, key, foundAtMs: Date.now(),
      }),
      (failure: unknown) => {
        if (!abort.signal.aborted) setState((now) => ({ ...now, failure }));
      },
    );
    return () => abort.abort();
  }, [key, round]);
  return [state, () => setRound((n) => n + 1)];
}

function filterOf(params: URLSearchParams): Filter {
  return {
    focus: params.get('focus') ?? '',
    depth: Math.max(1, Number(params.get('depth')) || 1),
    minCalls: Math.max(0, Number(params.get('min')) || 0),
    errorsOnly: params.get('errors') === '1',
  };
}

export function DependencyPage() {
  const { params } = place.value;
  const timeKey = new URLSearchParams(
    TIME_KEYS.flatMap((key) => (params.get(key) ? [[key, params.get(key) as string]] : [])),
  ).toString();
  const [state, reload] = useLinks(timeKey);
  useTitle(t('title.dependency'));
  useChange(params.get('view'), focusPage);
  useEffect(() => addShortcuts({
    title: 'keys.dependency',
    list: [
      { key: 'r', text: 'refresh', run: reload },
      { key: 'v', text: 'graph.switch', run: switchView },
    ],
  }), []);
  return (
    <div class={state.failure && state.links ? 'dependency stale' : 'dependency'}>
      <h1 class="sr">{t('title.dependency')}</h1>
      <Bar state={state} reload={reload} />
      {state.failure !== null && state.links && (
        <Failure error={state.failure} retry={reload} stillOfMs={state.foundAtMs} />
      )}
      <Body state={state} reload={reload} />
    </div>
  );
}

function switchView(): void {
  rewriteSome({ view: place.peek().params.get('view') === 'table' ? null : 'table' });
}

function Body({ state, reload }: { state: State; reload: () => void }) {
  const { params } = place.value;
  const key = params.toString();
  const shown = useMemo(
    () => (state.links ? filtered(state.links, filterOf(params)) : []), [state.links, key],
  );
  if (state.failure && !state.links) {
    return <div class="card"><Failure error={state.failure} retry={reload} /></div>;
  }
  if (!state.links) return <div class="card"><Waiting /></div>;
  if (state.links.length === 0) {
    return <div class="card"><Empty title={t('graph.none')}><p>{t('graph.noneHint')}</p></Empty></div>;
  }
  if (shown.length === 0) {
    return <div class="card"><Empty title={t('graph.filtered')} /></div>;
  }
  if (params.get('view') === 'table') return <LinkTable links={shown} state={state} />;
  if (!isPicture(shown)) {
    return (
      <>
        <div class="card"><Empty title={tooMany(shown)} /></div>
        <LinkTable links={shown} state={state} />
      </>
    );
  }
  return <Picture links={shown} all={state.links} state={state} />;
}

function tooMany(links: Link[]): string {
  const counts = { services: count(servicesOf(links).length), calls: count(links.length) };
  const table = links.length > ROWS_MAX
    ? t('graph.tableFirst', { count: count(ROWS_MAX) }) : t('graph.tableAll');
  return `${t('graph.tooMany', counts)} ${table}`;
}

/** Returns what was picked as it is now, unless the filters have taken it away. */
function stillThere(picked: Picked, links: Link[]): Picked {
  if (!picked) return null;
  if ('node' in picked) {
    const { node } = picked;
    return links.some((link) => link.parent === node || link.child === node) ? picked : null;
  }
  const edge = links.find((link) => sameEdge(link, picked.edge));
  return edge ? { edge } : null;
}

interface PictureProps {
  links: Link[];
  /** Those that the filters hide, too: what a service does, it does whatever is shown. */
  all: Link[];
  state: State;
}

function Picture({ links, all, state }: PictureProps) {
  const [last, setPicked] = useState<Picked>(null);
  const picked = stillThere(last, links);
  return (
    <div class={picked ? 'picture with-side' : 'picture'}>
      <GraphView
        links={links} all={all} label={t('graph.label')} picked={picked} pick={setPicked}
        lowErrorRate={config.value.dependency.lowErrorRate}
      />
      {picked && <Side picked={picked} links={all} state={state} close={() => setPicked(null)} />}
    </div>
  );
}

function edgeSearch(link: Link, state: State, errors: boolean): string {
  return address('', {
    parent: link.parent, child: link.child, ...(errors ? { edgeErrors: 'true' } : {}),
    lookback: 'range', startTs: String(Math.floor(state.startMs)), endTs: String(Math.ceil(state.endMs)),
  });
}

interface SideProps {
  picked: NonNullable<Picked>;
  links: Link[];
  state: State;
  close: () => void;
}

function Side({ picked, links, state, close }: SideProps) {
  const names = 'node' in picked ? [picked.node] : [picked.edge.parent, picked.edge.child];
  const title = names.map(isolated).join(' → ');
  return (
    <aside class="side" aria-label={title}>
      <div class="detail-title">
        <h2>{title}</h2>
        <button type="button" class="icon-button" aria-label={t('close')} onClick={close}>
          <Icon name="close" />
        </button>
      </div>
      {'node' in picked
        ? <NodeSide name={picked.node} links={links} state={state} />
        : <EdgeSide link={picked.edge} state={state} />}
    </aside>
  );
}

function EdgeSide({ link, state }: { link: Link; state: State }) {
  const failed = link.errorCount ?? 0;
  return (
    <>
      <dl class="grid-facts">
        <dt>{t('word.calls')}</dt><dd class="num strong">{count(link.callCount)}</dd>
        <dt>{t('word.errors')}</dt>
        <dd class={failed > 0 ? 'num error-text' : 'num'}>
          {count(failed)} ({percent(failed / Math.max(1, link.callCount))})
        </dd>
      </dl>
      <p class="actions">
        <a class="button" href={edgeSearch(link, state, false)}>{t('graph.traces')}</a>
        {failed > 0 && (
          <a class="button" href={edgeSearch(link, state, true)}>{t('graph.failedTraces')}</a>
        )}
      </p>
    </>
  );
}

function NodeSide({ name, links, state }: { name: string; links: Link[]; state: State }) {
  const sum = sumsOf(links).get(name);
  const lists: ['graph.callers' | 'graph.callees', Link[]][] = [
    ['graph.callers', links.filter((link) => link.child === name)],
    ['graph.callees', links.filter((link) => link.parent === name)],
  ];
  return (
    <>
      <dl class="grid-facts">
        <dt>{t('graph.callsIn')}</dt><dd class="num strong">{count(sum?.calls ?? 0)}</dd>
        <dt>{t('word.errors')}</dt>
        <dd class={sum && sum.errors > 0 ? 'num error-text' : 'num'}>
          {count(sum?.errors ?? 0)} ({percent((sum?.errors ?? 0) / Math.max(1, sum?.calls ?? 0))})
        </dd>
        <dt>{t('graph.callsOut')}</dt><dd class="num">{count(sum?.out ?? 0)}</dd>
      </dl>
      <p class="actions">
        <a
          class="button"
          href={address('', {
            serviceName: name, lookback: 'range', startTs: String(Math.floor(state.startMs)),
            endTs: String(Math.ceil(state.endMs)),
          })}
        >
          {t('graph.traces')}
        </a>
        <button type="button" class="button" onClick={() => rewriteSome({ focus: name })}>
          <Icon name="target" />{t('graph.focus')}
        </button>
      </p>
      {lists.map(([title, list]) => list.length > 0 && (
        <section key={title} class="detail-part">
          <h3>{t(title)}</h3>
          <ul class="plain-list">
            {list.map((link) => (
              <li key={`${link.parent} ${link.child}`}>
                <a href={edgeSearch(link, state, false)} class="clip">
                  {title === 'graph.callers' ? link.parent : link.child}
                </a>
                <span class="num muted">{count(link.callCount)}</span>
              </li>
            ))}
          </ul>
        </section>
      ))}
    </>
  );
}

/** Rows of the table, those that come first in its order. */
const ROWS_MAX = 2000;

function LinkTable({ links, state }: { links: Link[]; state: State }) {
  const [by, setBy] = useState<'calls' | 'errors' | 'rate'>('calls');
  const weight = (link: Link) =>
    by === 'calls' ? link.callCount
    : by === 'errors' ? (link.errorCount ?? 0)
    : (link.errorCount ?? 0) / Math.max(1, link.callCount);
  const sorted = [...links].sort((a, b) => weight(b) - weight(a) || (a.parent < b.parent ? -1 : 1));
  const heads: ['calls' | 'errors' | 'rate', string][] = [
    ['calls', t('word.calls')], ['errors', t('word.errors')], ['rate', t('word.errorRate')],
  ];
  return (
    <div class="card scroll-x fill" tabIndex={0} role="region" aria-label={t('graph.tableLabel')}>
      <table class="data">
        <thead>
          <tr>
            <th scope="col">{t('graph.caller')}</th>
            <th scope="col">{t('graph.callee')}</th>
            {heads.map(([name, text]) => (
              <th key={name} scope="col" class="right" aria-sort={by === name ? 'descending' : undefined}>
                <button type="button" class={by === name ? 'sort sorted' : 'sort'} onClick={() => setBy(name)}>
                  {text}<Icon name="down" />
                </button>
              </th>
            ))}
            <th scope="col">{t('groups.open')}</th>
          </tr>
        </thead>
        <tbody>
          {sorted.slice(0, ROWS_MAX).map((link) => {
            const failed = link.errorCount ?? 0;
            return (
              <tr key={`${link.parent}\n${link.child}`}>
                <th scope="row" class="service">{link.parent}</th>
                <td class="service">{link.child}</td>
                <td class="right num">{count(link.callCount)}</td>
                <td class={failed > 0 ? 'right num error-text' : 'right num muted'}>
                  {failed > 0 && <Icon name="error" />}{count(failed)}
                </td>
                <td class={failed > 0 ? 'right num error-text' : 'right num muted'}>
                  {percent(failed / Math.max(1, link.callCount))}
                </td>
                <td class="links">
                  <a href={edgeSearch(link, state, false)}>{t('graph.traces')}</a>
                  {failed > 0 && <a href={edgeSearch(link, state, true)}>{t('graph.failedTraces')}</a>}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {sorted.length > ROWS_MAX && (
        <p class="muted pad">{t('detail.hidden', { count: count(sorted.length - ROWS_MAX) })}</p>
      )}
    </div>
  );
}

function Bar({ state, reload }: { state: State; reload: () => void }) {
  const { params } = place.value;
  const filter = filterOf(params);
  const table = params.get('view') === 'table';
  const names = state.links ? servicesOf(state.links) : [];
  const suggest = (text: string) => Promise.resolve(
    names.filter((name) => name.includes(text.toLowerCase()))
      .slice(0, 50).map((name): [string, number | null] => [name, null]),
  );
  return (
    <div class="card graph-bar">
      <TimeBar params={params} />
      <Combobox
        label={t('graph.focusOn')} value={filter.focus} placeholder={t('form.any')}
        suggest={suggest} onValue={(focus) => rewriteSome({ focus })}
      />
      <div class="field small-field">
        <label for="depth">{t('word.depth')}</label>
        <select
          id="depth" value={String(filter.depth)} disabled={!filter.focus}
          onChange={(event) => rewriteSome({ depth: event.currentTarget.value })}
        >
          {[1, 2, 3, 4, 5].map((n) => <option key={n} value={n}>{n}</option>)}
        </select>
      </div>
      <div class="field small-field">
        <label for="min-calls">{t('graph.minCalls')}</label>
        <input
          id="min-calls" type="number" min="0" value={filter.minCalls || ''} placeholder="0"
          onChange={(event) => rewriteSome({ min: event.currentTarget.value })}
        />
      </div>
      <label class="check">
        <input
          type="checkbox" checked={filter.errorsOnly}
          onChange={(event) => rewriteSome({ errors: event.currentTarget.checked ? '1' : null })}
        />
        {t('form.errorsOnly')}
      </label>
      <div class="controls">
        <div class="segmented" role="group" aria-label={t('results.view')}>
          <button type="button" aria-pressed={!table} onClick={() => rewriteSome({ view: null })}>
            {t('graph.graph')}
          </button>
          <button type="button" aria-pressed={table} onClick={() => rewriteSome({ view: 'table' })}>
            {t('graph.table')}
          </button>
        </div>
        <button type="button" class="icon-button" aria-label={t('refresh')} title={t('refresh')} onClick={reload}>
          <Icon name="refresh" />
        </button>
      </div>
      {state.links && (
        <p class="muted found-line" role="status">
          {t('graph.counts', { services: count(names.length), calls: count(state.links.length) })}
          {' · '}{dateMinute(state.startMs)} – {dateMinute(state.endMs)}
        </p>
      )}
    </div>
  );
}
