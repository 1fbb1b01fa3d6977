//! Fields for two moments. What they hold are the moments, not their texts: in another zone they
//! show the same ones, and what nobody edits keeps its milliseconds.

import { useState } from 'preact/hooks';
import { fromInputTime, inputTime, zoneName } from '../core/format';
import { t } from '../core/i18n';
import { zone } from '../core/prefs';

export interface Moment {
  ms: number;
  /** What is typed, which browsers want back letter for letter, and the zone that it is in. */
  typed: { text: string; zone: string } | null;
}

/** Returns what a field holds after something was typed into it. */
export function momentOf(text: string): Moment {
  return { ms: fromInputTime(text), typed: { text, zone: zone.value } };
}

/** Returns what a field shows in the zone that is chosen. */
export function momentText({ ms, typed }: Moment): string {
  if (typed?.zone === zone.value) return typed.text;
  return Number.isFinite(ms) ? inputTime(ms) : '';
}

interface Props {
  startMs: number;
  endMs: number;
  apply: (startMs: number, endMs: number) => void;
}

/** Whoever shows it gives it a key, so that other moments begin anew. */
export function Moments({ startMs, endMs, apply }: Props) {
  const [start, setStart] = useState<Moment>({ ms: startMs, typed: null });
  const [end, setEnd] = useState<Moment>({ ms: endMs, typed: null });
  const [wrong, setWrong] = useState(false);
  const settle = () => {
    const good = end.ms > start.ms;
    setWrong(!good);
    if (good) apply(start.ms, end.ms);
  };
  const field = (label: string, moment: Moment, set: (moment: Moment) => void) => (
    <input
      type="datetime-local" step="1" aria-label={label} aria-invalid={wrong}
      value={momentText(moment)} onInput={(event) => set(momentOf(event.currentTarget.value))}
    />
  );
  const name = zone.value === 'local' ? zoneName(end.ms || Date.now()) : zone.value;
  return (
    <span class="range" role="group" aria-label={t('time.range')}>
      {field(t('time.from'), start, setStart)}
      <span aria-hidden="true">–</span>
      {field(t('time.to'), end, setEnd)}
      <span class="muted zone">{name}</span>
      <button type="button" class="button" onClick={settle}>{t('time.apply')}</button>
      {wrong && <span class="line-error" role="alert">{t('time.wrong')}</span>}
    </span>
  );
}
