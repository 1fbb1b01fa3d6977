//! The time that dependencies are of: as an address names it, and as it is picked.

import { useEffect, useState } from 'preact/hooks';
import { t } from '../core/i18n';
import { rewriteSome } from '../core/route';
import { Moments } from '../parts/moments';
import { LOOKBACKS, lookbackMs, lookbackText } from '../search/criteria';
import { crossed, misread } from '../search/misread';

export const DEFAULT_MS = 86_400_000;

/** What of an address names a time. */
export const TIME_KEYS = ['lookback', 'endTs', 'startTs', 'startTime', 'endTime'];

/** The window that an address names: ours, Lens's (startTime, endTime) or the classic page's. */
export function windowOf(params: URLSearchParams, nowMs: number, defaultMs: number) {
  const number = (...keys: string[]) => {
    for (const key of keys) {
      const value = Number(params.get(key) || Number.NaN);
      if (Number.isFinite(value) && value > 0) return value;
    }
    return null;
  };
  const endMs = number('endTime', 'endTs');
  const startMs = number('startTime', 'startTs');
  if (startMs !== null) return { endMs: endMs ?? nowMs, startMs, ranged: true };
  const back = lookbackMs(params.get('lookback') ?? '') ?? defaultMs;
  return { endMs: endMs ?? nowMs, startMs: (endMs ?? nowMs) - back, ranged: endMs !== null };
}

export function TimeBar({ params }: { params: URLSearchParams }) {
  const window = windowOf(params, Date.now(), DEFAULT_MS);
  const key = TIME_KEYS.map((name) => params.get(name) ?? '').join(' ');
  const [custom, setCustom] = useState(false);
  useEffect(() => setCustom(false), [key]);
  const ranged = window.ranged || custom;
  const [unread, never] = [misread(params), crossed(params)];
  const clear = { endTs: null, startTs: null, startTime: null, endTime: null };
  const current = ranged ? 'range' : lookbackText(window.endMs - window.startMs);
  const options = LOOKBACKS.includes(current) || ranged ? LOOKBACKS : [...LOOKBACKS, current];
  const apply = (startMs: number, endMs: number) => rewriteSome({
    ...clear, lookback: null, startTime: String(startMs), endTime: String(endMs),
  });
  return (
    <div class="field time-field">
      <label for="graph-lookback">{t('time.label')}</label>
      <span class="range">
        <select
          id="graph-lookback" value={current}
          onChange={(event) => {
            const text = event.currentTarget.value;
            setCustom(text === 'range');
            if (text !== 'range') rewriteSome({ ...clear, lookback: text });
          }}
        >
          {options.map((text) => <option key={text} value={text}>{t('time.last', { length: text })}</option>)}
          <option value="range">{t('time.range')}</option>
        </select>
        {ranged && (
          <Moments key={key} startMs={window.startMs} endMs={window.endMs} apply={apply} />
        )}
      </span>
      {unread.length > 0 && (
        <p class="line-error" role="status">
          {t('search.misread', { what: unread.join(', ') })}
        </p>
      )}
      {never.length > 0 && (
        <p class="line-error" role="status">
          {t('search.crossed', { what: never.join(', ') })}
        </p>
      )}
    </div>
  );
}
