//! All annotations of the trace in order of time.

import { useEffect, useState } from 'preact/hooks';
import { count, duration, timeOfDay } from '../core/format';
import { t } from '../core/i18n';
import { clock } from '../core/prefs';
import { Empty, Waiting } from '../parts/notice';
import { showInWaterfall } from './header';
import { nameOf, serviceOf } from './model';
import { columns, thread } from './state';
import type { Event } from './worker';

export function Events() {
  const all = columns.value;
  const [found, setFound] = useState<{ events: Event[]; more: number } | null>(null);
  useEffect(() => {
    let mine = true;
    thread?.events().then((list) => mine && setFound(list), () => undefined);
    return () => {
      mine = false;
    };
  }, [all]);
  if (!all || !found) return <Waiting />;
  if (found.events.length === 0) return <Empty title={t('events.none')} />;
  return (
    <div class="scroll-x fill" tabIndex={0} role="region" aria-label={t('tab.events')}>
      <table class="data events-table">
        <thead>
          <tr>
            <th scope="col" class="right">{t('word.time')}</th>
            <th scope="col">{t('word.event')}</th>
            <th scope="col">{t('word.span')}</th>
          </tr>
        </thead>
        <tbody>
          {found.events.slice(0, 1000).map((event, k) => (
            <tr key={k}>
              <td class="right num">
                {/* Without a start, an event's own time is all there is. */}
                {clock.value === 'absolute' || all.t0 === 0
                  ? timeOfDay((all.t0 + event.at) / 1000) : `+${duration(event.at)}`}
              </td>
              <td class="value" dir="auto">{event.value.slice(0, 500)}</td>
              <td>
                <button type="button" class="link" onClick={() => showInWaterfall(event.index)}>
                  <span class="service">{serviceOf(all, event.index)}</span>{' '}
                  <bdi>{nameOf(all, event.index) || t('trace.unnamed')}</bdi>
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {found.events.length + found.more > 1000 && (
        <p class="muted pad">
          {t('detail.hidden', { count: count(found.events.length + found.more - 1000) })}
        </p>
      )}
    </div>
  );
}
