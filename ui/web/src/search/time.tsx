//! The time range: a lookback or a range of two moments, with the zone that they are in.

import { useEffect, useState } from 'preact/hooks';
import { t } from '../core/i18n';
import { Moments } from '../parts/moments';
import { LOOKBACKS, lookbackMs, lookbackText, windowOf, type Criteria } from './criteria';
import { searchFor } from './state';

export function TimePicker({ criteria }: { criteria: Criteria }) {
  const { time } = criteria;
  const isRange = time.kind === 'range' || time.endMs !== null;
  const key = JSON.stringify(time);
  const [custom, setCustom] = useState(false);
  // Another time of the address, as the way back brings, is not what was being typed.
  useEffect(() => setCustom(false), [key]);
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
      {(isRange || custom) && (
        <Moments
          key={key} {...windowOf(criteria, Date.now())}
          apply={(startMs, endMs) => {
            searchFor({ ...criteria, time: { kind: 'range', startMs, endMs } });
          }}
        />
      )}
    </div>
  );
}
