//! Durations, times, counts and sizes as people read them. Units stay the same in all languages.

import { language, zone } from './prefs';

/** Returns a duration of so many microseconds with three or four digits: `812.4 ms`. */
export function duration(us: number): string {
  if (!Number.isFinite(us)) return '–';
  const sign = us < 0 ? '−' : '';
  const size = Math.abs(us);
  if (size < 1000) return `${sign}${Math.round(size)} µs`;
  if (size < 999_950) return `${sign}${digits(size / 1000)} ms`;
  if (size < 59_995_000) return `${sign}${digits(size / 1e6)} s`;
  const seconds = Math.round(size / 1e6);
  if (seconds < 3600) return `${sign}${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (seconds < 86_400) {
    return `${sign}${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  }
  return `${sign}${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`;
}

function digits(value: number): string {
  const places = value < 10 ? 2 : value < 100 ? 1 : value < 1000 ? 1 : 0;
  return value.toFixed(places).replace(/\.0+$/, '');
}

/** Letters of a name that are shown where there is a line or two for it. */
export const BRIEF_MAX = 120;

/** Returns a name that has room: of a longer one the beginning and the end. */
export function brief(name: string, max = BRIEF_MAX): string {
  if (name.length <= max) return name;
  const end = Math.floor(max / 4);
  return `${name.slice(0, max - end - 1)}…${name.slice(-end)}`;
}

/**
 * Returns a name for the middle of a text: where letters run from right to left, marked so that
 * they do not take their neighbours along.
 */
export function isolated(name: string): string {
  return /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]/.test(name) ? `\u2068${name}\u2069` : name;
}

const numbers = new Map<string, Intl.NumberFormat>();

/** Returns a whole number with separators. */
export function count(value: number): string {
  const key = language.value;
  let format = numbers.get(key);
  if (!format) numbers.set(key, (format = new Intl.NumberFormat(key)));
  return format.format(value);
}

/** Returns a share of one as percent. */
export function percent(share: number): string {
  if (!Number.isFinite(share)) return '–';
  const value = share * 100;
  if (value === 0) return '0%';
  if (value < 0.1) return '<0.1%';
  return `${value < 10 ? value.toFixed(1).replace(/\.0$/, '') : Math.round(value)}%`;
}

/** Returns a size in bytes with binary units. */
export function bytes(size: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  let value = size;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}

const clocks = new Map<string, Intl.DateTimeFormat>();

function parts(ms: number, timeZone: string): Record<string, string> {
  let format = clocks.get(timeZone);
  if (!format) {
    const zoned = timeZone === 'local' ? {} : { timeZone };
    format = new Intl.DateTimeFormat('en-CA', {
      ...zoned,
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      fractionalSecondDigits: 3,
      hourCycle: 'h23',
      timeZoneName: 'shortOffset',
    });
    clocks.set(timeZone, format);
  }
  const found: Record<string, string> = {};
  for (const part of format.formatToParts(ms)) found[part.type] = part.value;
  return found;
}

/** Returns `2026-11-02 12:03:01.200`. */
export function dateTime(ms: number): string {
  const p = parts(ms, zone.value);
  return `${p.year}-${p.month}-${p.day} ${p.hour}:${p.minute}:${p.second}.${p.fractionalSecond}`;
}

/** Returns the same of a time that may be unknown, which is 0: then the words for that. */
export function dateTimeOr(ms: number, unknown: string): string {
  return ms > 0 ? dateTime(ms) : unknown;
}

/** Returns the date and the time to the minute. */
export function dateMinute(ms: number): string {
  return dateTime(ms).slice(0, 16);
}

/** Returns `12:03:01.200`, or without the fraction. */
export function timeOfDay(ms: number, fraction = true): string {
  return dateTime(ms).slice(11, fraction ? 23 : 19);
}

/**
 * Returns a time of day, with its date unless that is today; of several times that stand side by
 * side, all that are `beside` are of today or all have dates.
 */
export function moment(ms: number, beside: readonly number[] = [ms], nowMs = Date.now()): string {
  const day = (at: number) => dateTime(at).slice(0, 10);
  if (beside.every((at) => day(at) === day(nowMs))) return timeOfDay(ms, false);
  const isThisYear = beside.every((at) => day(at).slice(0, 4) === day(nowMs).slice(0, 4));
  return dateTime(ms).slice(isThisYear ? 5 : 0, 19);
}

/** Returns the name of the zone that times are shown in: `UTC+8`. */
export function zoneName(ms: number): string {
  return (parts(ms, zone.value).timeZoneName ?? '').replace('GMT', 'UTC').replace('UTC+0', 'UTC').replace('−', '-');
}

/** Returns the value of `<input type=datetime-local>` for an instant, in the chosen zone. */
export function inputTime(ms: number): string {
  return dateTime(ms).slice(0, 19).replace(' ', 'T');
}

/** Returns the instant that such a value names in the chosen zone. */
export function fromInputTime(text: string): number {
  const asUtc = Date.parse(`${text}Z`);
  if (!Number.isFinite(asUtc)) return Number.NaN;
  // The offset is looked up at the guess, and once more in case a change of clocks lies between.
  let guess = asUtc;
  for (let i = 0; i < 2; i += 1) {
    const shown = Date.parse(`${inputTime(guess)}Z`);
    guess += asUtc - shown;
  }
  return guess;
}
