//! The marks of the ruler: round times, and words that tell each from the next.

/** What part of the time is shown, on how many pixels. */
export interface Scale {
  from: number;
  to: number;
  width: number;
}

/** Pixels that a mark has for itself, at least. */
const APART_PX = 110;
const SECOND = 1e6;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Round lengths where time is no longer decimal. */
const LONG = [
  30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR,
  2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR,
];

/** Returns the least of 1, 2, 5, 10 .. units that is enough. */
function decimal(least: number, unit: number): number {
  const size = 10 ** Math.floor(Math.log10(Math.max(least / unit, 1e-9)));
  return unit * size * ([1, 2, 5].find((factor) => unit * size * factor >= least) ?? 10);
}

/** Returns how far marks are apart. */
export function stepOf({ from, to, width }: Scale): number {
  const least = ((to - from) * APART_PX) / Math.max(200, width);
  if (least <= 20 * SECOND) return decimal(least, 1);
  return LONG.find((step) => step >= least) ?? decimal(least, DAY);
}

/** Returns the times that have a mark. */
export function ticksOf(scale: Scale): number[] {
  const step = stepOf(scale);
  const ticks: number[] = [];
  for (let at = Math.ceil(scale.from / step) * step; at <= scale.to; at += step) ticks.push(at);
  return ticks;
}

/** Returns a time with as many digits as marks so far apart need. */
export function tickText(us: number, step: number): string {
  const places = (unit: number) => Math.max(0, Math.ceil(Math.log10(unit / step) - 1e-6));
  if (us < 1000 && step < 1000) return `${us.toFixed(places(1))} µs`;
  if (us < SECOND && step < SECOND) return `${(us / 1000).toFixed(places(1000))} ms`;
  const digits = places(SECOND);
  if (us < MINUTE && step < MINUTE) return `${(us / SECOND).toFixed(digits)} s`;
  // What is below a step is always nought.
  const whole = Math.round(us / Math.min(step, SECOND)) * Math.min(step, SECOND);
  const parts: [number, string][] = [
    [Math.floor(whole / DAY), 'd'], [Math.floor((whole % DAY) / HOUR), 'h'],
    [Math.floor((whole % HOUR) / MINUTE), 'min'],
  ];
  const said = parts.filter(([n]) => n > 0).map(([n, unit]) => `${n} ${unit}`);
  const rest = (whole % MINUTE) / SECOND;
  if (step < MINUTE && (rest >= 1e-6 || digits > 0)) said.push(`${rest.toFixed(digits)} s`);
  return said.length > 0 ? said.join(' ') : '0 s';
}
