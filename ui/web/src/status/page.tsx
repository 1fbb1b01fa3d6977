//! The status of the server: what comes in, what was refused and why, what is stored. It answers
//! "is it my application or the tracer?".

import '../kernel';
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { apiUrl, askJson, AskError } from '../core/api';
import { bytes, count, dateTime, duration } from '../core/format';
import { t } from '../core/i18n';
import { addShortcuts } from '../core/keys';
import { basePath } from '../core/route';
import { Icon } from '../parts/icons';
import { Failure, Waiting } from '../parts/notice';
import { useTitle } from '../parts/title';

interface Ingest {
  transport: string;
  messages: number;
  messagesDropped: number;
  bytes: number;
  received: number;
  stored: number;
  sampledOut: number;
  held: number;
  refused: Record<string, number>;
}

interface Status {
  version: string;
  nowMs: number;
  startedMs: number;
  health: { up: boolean; problems: { component: string; error: string }[] };
  ingest: Ingest[];
  queue: { requests: number; requestsMax: number; bytes: number; bytesMax: number };
  storage: {
    engine: string;
    spans: number | null;
    bytes: number | null;
    oldestMs: number | null;
    newestMs: number | null;
  };
  retention: { ageMs: number | null; bytes: number | null; spans: number | null };
  lag: { heldSpans: number };
  figures: Record<string, number>;
}

interface Plain {
  version: string;
  up: boolean;
}

const EVERY_MS = 5000;

async function ask(signal: AbortSignal): Promise<Status | Plain> {
  try {
    return await askJson<Status>(apiUrl('ui/v1/status'), signal);
  } catch (error) {
    if (!(error instanceof AskError) || error.status !== 404) throw error;
  }
  // A plain Zipkin tells its health and version alone.
  const root = basePath.replace(/zipkin\/$/, '');
  const [health, info] = await Promise.all([
    askJson<{ status: string }>(`${root}health`, signal),
    askJson<{ zipkin?: { version?: string } }>(`${root}info`, signal).catch(() => null),
  ]);
  return { up: health.status === 'UP', version: info?.zipkin?.version ?? '' };
}

export function StatusPage() {
  const [now, setNow] = useState<Status | Plain | null>(null);
  const before = useRef<Status | null>(null);
  const [failure, setFailure] = useState<unknown>(null);
  const [round, setRound] = useState(0);
  useTitle(t('title.status'));
  useEffect(() => addShortcuts({
    title: 'keys.status', list: [{ key: 'r', text: 'refresh', run: () => setRound((n) => n + 1) }],
  }), []);
  useEffect(() => {
    const abort = new AbortController();
    let timer = 0;
    const next = () => {
      timer = setTimeout(() => (document.hidden ? next() : setRound((n) => n + 1)), EVERY_MS);
    };
    ask(abort.signal).then(
      (found) => {
        setNow((old) => {
          before.current = old && 'ingest' in old ? old : null;
          return found;
        });
        setFailure(null);
        next();
      },
      (error: unknown) => {
        if (abort.signal.aborted) return;
        setFailure(error);
        next();
      },
    );
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [round]);
  return (
    <div class="status">
      <h1>{t('title.status')}</h1>
      {failure !== null && (
        <div class="card">
          <Failure
            error={failure} retry={() => setRound((n) => n + 1)}
            stillOfMs={now && 'nowMs' in now ? now.nowMs : undefined}
          />
        </div>
      )}
      {!now && failure === null && <Waiting />}
      {now && ('ingest' in now
        ? <Full status={now} before={before.current} />
        : <PlainStatus status={now} />)}
    </div>
  );
}

function PlainStatus({ status }: { status: Plain }) {
  return (
    <div class="tiles">
      <Health up={status.up} problems={[]} />
      <Tile name={t('status.version')} value={status.version || '–'} />
    </div>
  );
}

function Tile(props: { name: string; value: string; note?: ComponentChildren; bad?: boolean }) {
  return (
    <div class={props.bad ? 'tile bad' : 'tile'}>
      <h2>{props.name}</h2>
      <p class="tile-value num">{props.value}</p>
      {props.note && <p class="muted">{props.note}</p>}
    </div>
  );
}

function Health({ up, problems }: { up: boolean; problems: Status['health']['problems'] }) {
  return (
    <div class={up ? 'tile good' : 'tile bad'}>
      <h2>{t('status.health')}</h2>
      <p class="tile-value"><Icon name={up ? 'ok' : 'error'} />{up ? t('status.up') : t('status.down')}</p>
      {problems.map((one) => (
        <p key={one.component}><b>{one.component}</b>: {one.error}</p>
      ))}
      {up && <p class="muted">{t('status.upHint')}</p>}
    </div>
  );
}

/** Spans a second between two looks; null before there are two. */
function rate(status: Status, before: Status | null): number | null {
  const seconds = before ? (status.nowMs - before.nowMs) / 1000 : 0;
  if (!before || seconds <= 0) return null;
  const sum = (one: Status) => one.ingest.reduce((all, from) => all + from.received, 0);
  return Math.max(0, (sum(status) - sum(before)) / seconds);
}

/** How much is stored. What is fresh lies in the journal, whose files say nothing of spans. */
function stored({ bytes: size, spans }: Status['storage']): string {
  if (size === null) return '–';
  return size === 0 && spans ? t('status.journal') : bytes(size);
}

function Full({ status, before }: { status: Status; before: Status | null }) {
  const { storage, retention } = status;
  const perSecond = rate(status, before);
  const sum = (pick: (one: Ingest) => number) => status.ingest.reduce((all, one) => all + pick(one), 0);
  const refused = sum((one) => Object.values(one.refused).reduce((all, n) => all + n, 0));
  const kept: string[] = [];
  if (retention.ageMs) kept.push(duration(retention.ageMs * 1000));
  if (retention.bytes) kept.push(bytes(retention.bytes));
  if (retention.spans) kept.push(t('results.spans', { n: retention.spans, count: count(retention.spans) }));
  return (
    <>
      <div class="tiles">
        <Health up={status.health.up} problems={status.health.problems} />
        <Tile
          name={t('status.ingest')}
          value={perSecond === null ? '…' : t('status.rate', { count: count(Math.round(perSecond)) })}
          note={t('status.received', { count: count(sum((one) => one.received)) })}
        />
        <Tile
          name={t('status.refused')} value={count(refused)} bad={refused > 0}
          note={refused > 0 ? t('status.refusedHint') : t('status.noneRefused')}
        />
        <Tile
          name={t('status.lag')} value={count(status.lag.heldSpans)}
          note={t('status.queue', {
            count: count(status.queue.requests), max: count(status.queue.requestsMax),
          })}
        />
        <Tile
          name={t('status.storage')} value={stored(storage)}
          note={storage.spans === null
            ? storage.engine
            : `${t('results.spans', { n: storage.spans, count: count(storage.spans) })} · ${storage.engine}`}
        />
        <Tile
          name={t('status.kept')}
          value={storage.oldestMs === null || storage.newestMs === null
            ? '–' : duration((storage.newestMs - storage.oldestMs) * 1000)}
          note={storage.oldestMs === null || storage.newestMs === null ? t('status.empty')
            : `${dateTime(storage.oldestMs).slice(0, 19)} – ${dateTime(storage.newestMs).slice(0, 19)}`}
        />
        <Tile name={t('status.retention')} value={kept[0] ?? '–'} note={kept.slice(1).join(' · ')} />
        <Tile
          name={t('status.version')} value={status.version}
          note={t('status.since', { when: dateTime(status.startedMs).slice(0, 19) })}
        />
      </div>
      <Transports status={status} />
      <Figures figures={status.figures} />
    </>
  );
}

function Transports({ status }: { status: Status }) {
  const reasons = [...new Set(status.ingest.flatMap((one) => Object.keys(one.refused)))];
  const said = reasons.filter((reason) => status.ingest.some((one) => one.refused[reason] > 0));
  return (
    <section class="card">
      <h2>{t('status.byTransport')}</h2>
      <div class="scroll-x" tabIndex={0} role="region" aria-label={t('status.byTransport')}>
        <table class="data">
          <thead>
            <tr>
              <th scope="col">{t('status.transport')}</th>
              <th scope="col" class="right">{t('status.messages')}</th>
              <th scope="col" class="right">{t('status.bytes')}</th>
              <th scope="col" class="right">{t('status.receivedSpans')}</th>
              <th scope="col" class="right">{t('status.stored')}</th>
              <th scope="col" class="right">{t('status.sampledOut')}</th>
              <th scope="col" class="right">{t('status.refused')}</th>
            </tr>
          </thead>
          <tbody>
            {status.ingest.map((one) => {
              const refused = Object.values(one.refused).reduce((all, n) => all + n, 0);
              return (
                <tr key={one.transport}>
                  <th scope="row" class="mono">{one.transport}</th>
                  <td class="right num">{count(one.messages)}</td>
                  <td class="right num">{bytes(one.bytes)}</td>
                  <td class="right num">{count(one.received)}</td>
                  <td class="right num">{count(one.stored)}</td>
                  <td class="right num">{count(one.sampledOut)}</td>
                  <td class={refused > 0 ? 'right num error-text' : 'right num muted'}>
                    {refused > 0 && <Icon name="error" />}{count(refused)}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
      {said.length > 0 && (
        <>
          <h3>{t('status.reasons')}</h3>
          <dl class="grid-facts reasons-list">
            {said.map((reason) => (
              <>
                <dt class="mono">{reason}</dt>
                <dd class="num">
                  {count(status.ingest.reduce((all, one) => all + (one.refused[reason] ?? 0), 0))}
                </dd>
              </>
            ))}
          </dl>
        </>
      )}
    </section>
  );
}

function Figures({ figures }: { figures: Record<string, number> }) {
  const list = Object.entries(figures).sort(([a], [b]) => (a < b ? -1 : 1));
  if (list.length === 0) return null;
  return (
    <section class="card">
      <details>
        <summary>{t('status.figures')}</summary>
        <dl class="grid-facts figures">
          {list.map(([name, value]) => (
            <>
              <dt class="mono">{name}</dt>
              <dd class="num">{count(value)}</dd>
            </>
          ))}
        </dl>
      </details>
    </section>
  );
}
