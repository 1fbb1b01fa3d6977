//! Addresses that carry a typed line instead of criteria (`?line=`): understood once, at the start
//! or when another page sends one here.

import { effect } from '@preact/signals';
import { place, rewrite } from '../core/route';
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
    // What is not understood is looked for as it stands, as a tag or an annotation.
    const filters = parsed.filters ?? { terms: [{ key: line, value: null }] };
    rewrite(toAddress({ ...base, ...filters }));
  });
}
