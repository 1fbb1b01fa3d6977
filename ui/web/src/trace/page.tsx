//! The page of one trace, and the page that shows a file as one.

import '../kernel';
import { signal } from '@preact/signals';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { AskError } from '../core/api';
import { isolated } from '../core/format';
import { t } from '../core/i18n';
import { addShortcuts } from '../core/keys';
import { address, place, rewrite } from '../core/route';
import { Boundary } from '../parts/boundary';
import { isLost, useChange } from '../parts/focus';
import { Icon } from '../parts/icons';
import { Failure, failureText, PartError, Waiting } from '../parts/notice';
import { useTitle } from '../parts/title';
import { Detail } from './detail';
import { Events } from './events';
import { Flame } from './flame';
import { mayGrow, whenSeen } from './fresh';
import { Header, Notices, Tabs, Tools, topOf } from './header';
import { JsonView } from './json';
import { traceShortcuts } from './keys';
import { Minimap } from './minimap';
import { nameOf, serviceOf, type Columns } from './model';
import { ServiceGraph } from './services';
import {
  columns, detailShown, fetchedAtMs, loadFailure, open, refetch, refreshFailure, selected, shut,
  tab,
} from './state';
import { Table } from './table';
import { focusSpan, focusView, WaterfallView } from './view';

const REFETCH_MS = 3000;

/** Returns the id in a path, as it stands when it is not encoded as it should be. */
function traceIdIn(path: string): string {
  const id = path.replace(/^traces?\//, '');
  try {
    return decodeURIComponent(id);
  } catch {
    return id;
  }
}

export function TracePage() {
  const id = traceIdIn(place.value.path);
  useTitle(columns.value ? '' : t('title.trace', { id }));
  useEffect(() => {
    void open({ id });
    return shut;
  }, [id]);
  const changedMs = useMemo(() => Date.now(), [columns.value]);
  useEffect(() => {
    const all = columns.value;
    // Once more spans may come, they are asked for; an old trace is left alone.
    if (!all || !mayGrow((all.t0 + all.total) / 1000, changedMs, Date.now())) return;
    return whenSeen(REFETCH_MS, () => void refetch(id));
  }, [fetchedAtMs.value, columns.value, id]);
  const failed = loadFailure.value;
  if (failed) {
    const missing = failed instanceof AskError && failed.status === 404;
    return (
      <div class="card failed-trace">
        <h1>{missing ? t('trace.notFound') : t('trace.failed')}</h1>
        {missing && <p>{t('trace.notFoundHint', { id })}</p>}
        <Failure error={failed} retry={() => void open({ id })} />
        <p><a href={address('')}>{t('missing.back')}</a></p>
      </div>
    );
  }
  return <Opened id={id} />;
}

/** What a trace is called: as its top is, else by its id. */
function titleOf(all: Columns): string {
  const top = topOf(all);
  return `${isolated(serviceOf(all, top))} ${isolated(nameOf(all, top))}`.trim() || all.traceId;
}

interface OpenedProps {
  /** One of a file has none that could be asked for again. */
  id?: string;
  /** Leads to another file. */
  another?: () => void;
}

function Opened({ id, another }: OpenedProps) {
  const all = columns.value;
  const refresh = id === undefined ? undefined : () => void refetch(id);
  useTitle(all ? t('title.traceOf', { title: titleOf(all) }) : '');
  // It stays from one trace to the next: the keys are about the one that is open.
  useEffect(() => addShortcuts({ title: 'keys.trace', list: traceShortcuts(refresh) }), [id]);
  useEffect(() => {
    // Whoever came from another page waited at the page as a whole; at its first load nobody did.
    if (all && document.activeElement?.id === 'main') focusView();
  }, [all !== null]);
  useChange(tab.value, () => {
    if (isLost()) focusView();
  });
  useEffect(() => {
    // A panel that is closed takes the focus with it: then it goes back to the row.
    if (!detailShown.value && document.activeElement === document.body) focusSpan();
  }, [detailShown.value]);
  if (!all) return <Waiting text={t('trace.opening')} />;
  const stale = refreshFailure.value !== null;
  return (
    <div class={`trace${detailShown.value ? ' with-detail' : ''}${stale ? ' stale' : ''}`}>
      <Header columns={all} refresh={refresh} another={another} />
      {stale && (
        <Failure error={refreshFailure.value} retry={refresh} stillOfMs={fetchedAtMs.value} />
      )}
      <Notices columns={all} />
      <Minimap />
      <div class="trace-bar">
        <Tabs />
        <Tools />
      </div>
      <div class="trace-body">
        <div class="trace-main" role="tabpanel" id="tabpanel" aria-label={t(`tab.${tab.value}`)}>
          <Boundary of={[tab.value, all]}><TabBody /></Boundary>
        </div>
        {detailShown.value && (
          <Boundary of={[selected.value, all]}><Detail columns={all} /></Boundary>
        )}
      </div>
    </div>
  );
}

function TabBody() {
  switch (tab.value) {
    case 'waterfall':
      return <WaterfallView />;
    case 'flame':
      return <Flame />;
    case 'graph':
      return <ServiceGraph />;
    case 'table':
      return <Table />;
    case 'events':
      return <Events />;
    case 'json':
      return <JsonView />;
  }
}

const uploaded = signal<string | null>(null);

/** Shows a file; nothing of it leaves the browser. */
export function UploadPage() {
  const [failure, setFailure] = useState<unknown>(null);
  const [over, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  useTitle(uploaded.value && columns.value ? '' : t('title.upload'));
  useEffect(() => () => {
    shut();
    uploaded.value = null;
  }, []);
  const show = async (file: Blob | undefined) => {
    if (!file) return;
    setFailure(null);
    await open({ text: await file.text() });
    if (loadFailure.peek()) setFailure(loadFailure.peek());
    else uploaded.value = 'shown';
  };
  const another = () => {
    shut();
    uploaded.value = null;
    // How the first one was looked at is nothing of the next; a frame stays one all the same.
    rewrite(new URLSearchParams());
    // What was pressed is gone with the trace.
    requestAnimationFrame(() => input.current?.focus());
  };
  if (uploaded.value && columns.value) return <Opened another={another} />;
  return (
    <div
      class={over ? 'card drop over' : 'card drop'}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        void show(event.dataTransfer?.files[0]);
      }}
      onPaste={(event) => {
        const text = event.clipboardData?.getData('text');
        if (text) void show(new Blob([text]));
      }}
    >
      <h1>{t('title.upload')}</h1>
      <p>{t('upload.text')}</p>
      <input
        ref={input} type="file" accept=".json,application/json" aria-label={t('upload.choose')}
        onChange={(event) => void show(event.currentTarget.files?.[0])}
      />
      {failure !== null && (
        <div class="notice failure" role="alert">
          <Icon name="error" />
          <p>{failure instanceof PartError ? failureText(failure) : t('upload.failed')}</p>
        </div>
      )}
    </div>
  );
}
