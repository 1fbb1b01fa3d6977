//! What of an address is not understood, so that it can be said instead of being left out unseen.

import { durationUs, inForce, lookbackMs, termsIn, termText } from './criteria';

const LENGTHS = [
  ['minDuration', 'maxDuration'], ['minTraceDuration', 'maxTraceDuration'],
] as const;
/** Words that a lookback may be besides a length. */
const RANGES = ['range', 'custom', 'millis'];
const STARTS = ['startTs', 'startTime'];
const ENDS = ['endTs', 'endTime'];
const NUMBERS = ['startTs', 'endTs', 'startTime', 'endTime', 'millis', 'limit'];

/** Returns the parts of an address that say nothing, as they stand there. */
export function misread(params: URLSearchParams): string[] {
  const found: string[] = [];
  const look = (key: string, isGood: (text: string) => boolean) => {
    const text = params.get(key)?.trim();
    if (text && !isGood(text)) found.push(`${key}=${text}`);
  };
  for (const key of LENGTHS.flat()) look(key, (text) => durationUs(text) !== null);
  look('lookback', (text) => RANGES.includes(text) || lookbackMs(text) !== null);
  for (const key of NUMBERS) look(key, (text) => Number(text) > 0);
  // A range without a beginning is none; then the usual length back from now holds.
  const lookback = params.get('lookback')?.trim() ?? '';
  const needed = lookback === 'millis' ? ['millis'] : RANGES.includes(lookback) ? STARTS : [];
  const isThere = needed.some((key) => Number(params.get(key)) > 0);
  if (needed.length > 0 && !isThere) found.push(`lookback=${lookback}`);
  return [...found, ...replaced(params)];
}

/** Returns the conditions on a tag in whose place a later one on the same tag stands. */
function replaced(params: URLSearchParams): string[] {
  const all = termsIn(params);
  const texts = new Set(inForce(all).map(termText));
  // `key=` asks for the same as `key`, and a bare key for less than the value beside it.
  return [...new Set(all.filter(({ value }) => value).map(termText))]
    .filter((text) => !texts.has(text));
}

/** Returns the pairs of an address whose first is more than their second: nothing can match. */
export function crossed(params: URLSearchParams): string[] {
  const lengths = LENGTHS.flatMap(([least, most]) => {
    const [from, to] = [params.get(least) ?? '', params.get(most) ?? ''];
    const [min, max] = [durationUs(from), durationUs(to)];
    return min !== null && max !== null && min > max ? [`${least}=${from} > ${most}=${to}`] : [];
  });
  return [...lengths, ...reversed(params)];
}

/** The same of a range; what only looks like one, with a length, is read as the length. */
function reversed(params: URLSearchParams): string[] {
  const isNumber = (key: string) => Number(params.get(key)) > 0;
  const [start, end] = [STARTS.find(isNumber), ENDS.find(isNumber)];
  const lookback = params.get('lookback')?.trim() ?? '';
  if (!start || !end || lookbackMs(lookback) !== null) return [];
  const [from, to] = [params.get(start), params.get(end)];
  return Number(from) > Number(to) ? [`${start}=${from} > ${end}=${to}`] : [];
}
