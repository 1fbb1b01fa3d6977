//! How the page asks the server: JSON, streams of lines, and errors that can be told to people.

import { basePath } from './route';

/** Why an answer could not be had. `status` is 0 when there was none at all. */
export class AskError extends Error {
  constructor(
    readonly status: number,
    readonly said: string,
  ) {
    super(said || `status ${status}`);
  }
}

/** Returns the address of a path of the API, below the page's own base. */
export function apiUrl(path: string, params?: URLSearchParams): string {
  const query = params?.toString();
  return `${basePath}api/${path}${query ? `?${query}` : ''}`;
}

async function answer(url: string, init?: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch (error) {
    if (init?.signal?.aborted) throw error;
    throw new AskError(0, '');
  }
  if (response.ok) return response;
  const text = (await response.text().catch(() => '')).slice(0, 2000);
  throw new AskError(response.status, errorText(text));
}

/** Takes the message out of an error's body, which is text or JSON. */
export function errorText(body: string): string {
  try {
    const json = JSON.parse(body) as { error?: { message?: string } | string; message?: string };
    if (typeof json.error === 'object') return json.error.message ?? '';
    return json.message ?? json.error ?? body;
  } catch {
    return body.startsWith('<') ? '' : body.trim();
  }
}

/** Asks for JSON. */
export async function askJson<T>(url: string, signal?: AbortSignal): Promise<T> {
  const response = await answer(url, { signal });
  try {
    return (await response.json()) as T;
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new AskError(0, 'cut');
  }
}

/** Asks for a stream of JSON lines; what follows the last line break is a cut line. */
export async function askLines(
  url: string,
  line: (value: unknown) => void,
  signal?: AbortSignal,
): Promise<void> {
  const response = await answer(url, { signal });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (!reader) return;
  let rest = '';
  for (;;) {
    let part: ReadableStreamReadResult<string>;
    try {
      part = await reader.read();
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new AskError(0, 'cut');
    }
    if (part.done) break;
    const lines = (rest + part.value).split('\n');
    rest = lines.pop() ?? '';
    for (const text of lines) if (text) line(JSON.parse(text));
  }
  if (rest.trim()) throw new AskError(0, 'cut');
}
