//! Addresses that carry a typed line instead of criteria (`?line=`): understood once, at the start
//! or when another page sends one here.

import { effect } from '@preact/signals';
import { place, rewrite } from '../core/route';
import { pointAt } from './bar';
import { fromAddress, toAddress } from './criteria';
import { parseLine } from './line';
import { defaults } from './state';

/** Turns `?line=` into criteria whenever the address has one. */
export function takeLine(): void {
  effect(() => {
    const { path, params } = place.value;
    const line = params.get('line');
    if (line === null || path !== '') return;
    const rest = new URLSearchParams(params);
    rest.delete('line');
    const base = fromAddress(rest, defaults());
    const parsed = parseLine(line);
    if (parsed.error) pointAt(line, parsed.error, base);
    rewrite(toAddress({ ...base, ...parsed.filters }));
  });
}
