//! Colours of services and of canvases. A service keeps its colour in all traces, except where two
//! of one trace would get the same: then the later one moves on.

import { isDark } from './prefs';

/** Hues far apart next to each other; each at least 3:1 against its background. */
export const LIGHT = [
  '#0b7285', '#bc540b', '#6741d9', '#29853c', '#c2255c', '#1864ab', '#8f6400', '#9c36b5',
  '#088564', '#b3261e', '#4263eb', '#5c7a00', '#a61e4d', '#087f9c', '#7a5230', '#5f3dc4',
  '#3a7d44', '#d6336c', '#51606f', '#a05a00',
];
export const DARK = [
  '#3bc9db', '#ff922b', '#b197fc', '#69db7c', '#f783ac', '#74c0fc', '#fcc419', '#e599f7',
  '#38d9a9', '#ff8787', '#91a7ff', '#c0eb75', '#faa2c1', '#66d9e8', '#d9a37c', '#d0bfff',
  '#8ce99a', '#ffa8a8', '#adb5bd', '#ffd43b',
];

/** Colours of canvases that are no service's. */
export const CANVAS = {
  light: {
    ground: '#ffffff', line: '#e3e7ec', text: '#4d5866', strong: '#171c22', error: '#c92a2a',
    critical: '#171c22', accent: '#0b7285', shade: 'rgba(23,28,34,0.10)', missing: '#9aa4b0',
    match: '#f2c200', tick: '#ffffff', heat: ['#d8eef0', '#9fd3da', '#4ba6b3', '#0b7285', '#053f4b'],
    hot: ['#f6d5d2', '#e99a94', '#d95c54', '#b3261e', '#7a120c'], bar: '#4ba6b3',
  },
  dark: {
    ground: '#151a20', line: '#29313a', text: '#a3adb9', strong: '#f1f4f7', error: '#ff7b72',
    critical: '#f1f4f7', accent: '#3bc9db', shade: 'rgba(241,244,247,0.12)', missing: '#6b7683',
    match: '#ffd43b', tick: '#10151a', heat: ['#173840', '#1d5a66', '#27808f', '#3bb3c4', '#a6eef7'],
    hot: ['#47201f', '#7a2d2a', '#b3423c', '#ea6a62', '#ffb3ad'], bar: '#27808f',
  },
};

export type CanvasColors = (typeof CANVAS)['light'];

export function canvasColors(): CanvasColors {
  return isDark() ? CANVAS.dark : CANVAS.light;
}

export function palette(): string[] {
  return isDark() ? DARK : LIGHT;
}

/** Returns a place in the palette for a name, the same on every page. */
export function slotOf(name: string): number {
  let hash = 2166136261;
  for (let i = 0; i < name.length; i += 1) {
    hash = Math.imul(hash ^ name.charCodeAt(i), 16777619);
  }
  return (hash >>> 0) % LIGHT.length;
}

/** Gives each of a trace's services a place, its own as long as there are enough. */
export function slotsOf(names: string[]): Uint8Array {
  const slots = new Uint8Array(names.length);
  const taken = new Set<number>();
  names.forEach((name, index) => {
    let slot = slotOf(name);
    if (taken.size < LIGHT.length) while (taken.has(slot)) slot = (slot + 1) % LIGHT.length;
    taken.add(slot);
    slots[index] = slot;
  });
  return slots;
}
