//! The server's configuration (`config.json`), in Zipkin's form.

import { signal } from '@preact/signals';
import { basePath } from './route';

export interface Config {
  environment: string;
  queryLimit: number;
  defaultLookback: number;
  searchEnabled: boolean;
  logsUrl: string | null;
  supportUrl: string | null;
  archivePostUrl: string | null;
  archiveUrl: string | null;
  dependency: { enabled: boolean; lowErrorRate: number; highErrorRate: number };
}

const DEFAULTS: Config = {
  environment: '',
  queryLimit: 10,
  defaultLookback: 900_000,
  searchEnabled: true,
  logsUrl: null,
  supportUrl: null,
  archivePostUrl: null,
  archiveUrl: null,
  dependency: { enabled: true, lowErrorRate: 0.5, highErrorRate: 0.75 },
};

export const config = signal<Config>(DEFAULTS);

function take(text: string): boolean {
  try {
    const json = JSON.parse(text) as Partial<Config>;
    const known = Object.entries(json).filter(([, value]) => value !== undefined);
    config.value = { ...DEFAULTS, ...Object.fromEntries(known) };
    return true;
  } catch {
    return false;
  }
}

/** Reads the configuration out of the page itself, or asks for it; without any, defaults hold. */
export async function loadConfig(): Promise<void> {
  const meta = document.querySelector<HTMLMetaElement>('meta[name=speargun-config]');
  if (meta?.content && take(meta.content)) return;
  try {
    const response = await fetch(`${basePath}config.json`);
    if (response.ok) take(await response.text());
  } catch {
    // A server that is down is told by what asks for data.
  }
}

/** Returns a link of the configuration for a trace; only http(s) is allowed. */
export function traceLink(template: string | null, traceId: string): string | null {
  if (!template) return null;
  const url = template.replaceAll('{traceId}', encodeURIComponent(traceId));
  return /^https?:\/\//i.test(url) ? url : null;
}
