//! The time range: a lookback or a range of two moments, with the zone that they are in.

import { useState } from 'preact/hooks';
import { fromInputTime, inputTime, zoneName } from '../core/format';
import { t } from '../core/i18n';
import { zone } from '../core/prefs';
import { LOOKBACKS, lookbackMs, lookbackText, windowOf, type Criteria } from './criteria';
import { searchFor } from './state';

export function TimePicker({ criteria }: { criteria: Criteria }) {
  const { time } = criteria;
  const isRange = time.kind === 'range' || time.endMs !== null;
  const [custom, setCustom] = useState(false);
  const current = isRange || custom ? 'range' : lookbackText(time.ms);
  const options = LOOKBACKS.includes(current) || current === 'range'
    ? LOOKBACKS
    : [...LOOKBACKS, current];
  return (
    <div class="time">
      <label class="sr" for="lookback">{t('time.label')}</label>
      <select
        id="lookback"
        value={current}
        onChange={(event) => {
          const text = event.currentTarget.value;
          setCustom(text === 'range');
          const ms = lookbackMs(text);
          if (ms) searchFor({ ...criteria, time: { kind: 'back', ms, endMs: null } });
        }}
      >
        {options.map((text) => (
          <option key={text} value={text}>{t('time.last', { length: text })}</option>
        ))}
        <option value="range">{t('time.range')}</option>
      </select>
      {(isRange || custom) && <Range key={JSON.stringify(time)} criteria={criteria} />}
    </div>
  );
}

function Range({ criteria }: { criteria: Criteria }) {
  const window = windowOf(criteria, Date.now());
  const [start, setStart] = useState(inputTime(window.startMs));
  const [end, setEnd] = useState(inputTime(window.endMs));
  const [wrong, setWrong] = useState(false);
  const apply = () => {
    const [startMs, endMs] = [fromInputTime(start), fromInputTime(end)];
    const good = endMs > startMs;
    setWrong(!good);
    if (good) searchFor({ ...criteria, time: { kind: 'range', startMs, endMs } });
  };
  const name = zone.value === 'local' ? zoneName(window.endMs) : zone.value;
  return (
    <span class="range" role="group" aria-label={t('time.range')}>
      <input
        type="datetime-local" step="1" aria-label={t('time.from')} aria-invalid={wrong}
        value={start} onInput={(event) => setStart(event.currentTarget.value)}
      />
      <span aria-hidden="true">–</span>
      <input
        type="datetime-local" step="1" aria-label={t('time.to')} aria-invalid={wrong}
        value={end} onInput={(event) => setEnd(event.currentTarget.value)}
      />
      <span class="muted zone">{name}</span>
      <button type="button" class="button" onClick={apply}>{t('time.apply')}</button>
      {wrong && <span class="line-error" role="alert">{t('time.wrong')}</span>}
    </span>
  );
}
