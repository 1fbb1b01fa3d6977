//! The page's end of the worker: asks, and promises of answers.

import { AskError, errorText } from '../core/api';
import { basePath } from '../core/route';
import { PartError } from '../parts/notice';
import type { Columns, Span } from './model';
import type { Answer, Ask, Event } from './worker';

declare const WORKER_TRACE: string;

type Without<T> = T extends { id: number } ? Omit<T, 'id'> : never;

function failure({ status, said }: { status: number; said: string }): AskError {
  return new AskError(status, errorText(said));
}

/** One thread for one trace. */
export class TraceThread {
  private readonly worker: Worker;
  private readonly waiting = new Map<number, (answer: Answer | Error) => void>();
  private next = 1;
  private dead: Error | null = null;

  constructor() {
    this.worker = new Worker(basePath + WORKER_TRACE, { type: 'module' });
    this.worker.addEventListener('message', (event: MessageEvent<Answer>) => {
      const settle = this.waiting.get(event.data.id);
      this.waiting.delete(event.data.id);
      settle?.(event.data);
    });
    this.worker.addEventListener('error', (event) => {
      event.preventDefault();
      // Without a message it could not be loaded, and will answer nothing.
      const error = event.message ? new Error(event.message) : (this.dead = new PartError());
      for (const settle of this.waiting.values()) settle(error);
      this.waiting.clear();
    });
  }

  private ask(message: Without<Ask>): Promise<Answer> {
    if (this.dead) return Promise.reject(this.dead);
    const id = this.next++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, (answer) => {
        if (answer instanceof Error) reject(answer);
        else if ('failed' in answer) reject(failure(answer.failed));
        else resolve(answer);
      });
      this.worker.postMessage({ ...message, id });
    });
  }

  async fetch(url: string, raw: boolean): Promise<Columns> {
    const answer = await this.ask({ ask: 'fetch', url: new URL(url, location.href).href, raw });
    return (answer as { columns: Columns }).columns;
  }

  async text(text: string, raw: boolean): Promise<Columns> {
    return ((await this.ask({ ask: 'text', text, raw })) as { columns: Columns }).columns;
  }

  async rebuild(raw: boolean): Promise<Columns> {
    return ((await this.ask({ ask: 'rebuild', raw })) as { columns: Columns }).columns;
  }

  async span(index: number): Promise<Span | null> {
    return ((await this.ask({ ask: 'span', index })) as { span: Span | null }).span;
  }

  async find(text: string): Promise<Uint8Array> {
    return ((await this.ask({ ask: 'find', text })) as { match: Uint8Array }).match;
  }

  async events(): Promise<{ events: Event[]; more: number }> {
    return (await this.ask({ ask: 'events' })) as { id: number; events: Event[]; more: number };
  }

  async json(): Promise<string> {
    return ((await this.ask({ ask: 'json' })) as { json: string }).json;
  }

  end(): void {
    this.worker.terminate();
    for (const settle of this.waiting.values()) settle(new Error('closed'));
    this.waiting.clear();
  }
}
