//! What of an address is not understood, so that it can be said instead of being left out unseen.

import { durationUs, lookbackMs } from './criteria';

const LENGTHS = [
  ['minDuration', 'maxDuration'], ['minTraceDuration', 'maxTraceDuration'],
] as const;
/** Words that a lookback may be besides a length. */
const RANGES = ['range', 'custom', 'millis'];
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
  return found;
}

/** Returns the pairs of an address whose least is more than their most: nothing can match. */
export function crossed(params: URLSearchParams): string[] {
  return LENGTHS.flatMap(([least, most]) => {
    const [from, to] = [params.get(least) ?? '', params.get(most) ?? ''];
    const [min, max] = [durationUs(from), durationUs(to)];
    return min !== null && max !== null && min > max ? [`${least}=${from} > ${most}=${to}`] : [];
  });
}
