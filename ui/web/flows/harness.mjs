// What flows stand on: the real binary with its own data folder, a browser whose every complaint
// counts, and axe. A page that logs an error, asks another host or fails a request fails its flow.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { bundle } from '../tools/build.mjs';
import { serve } from '../tools/serve.mjs';

const require = createRequire(import.meta.url);
const axeSource = await readFile(require.resolve('axe-core/axe.min.js'), 'utf8');
const WAIT_MS = 20_000;

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

/** A server; with `sources`, the page comes from the sources and the binary answers the API. */
export class Backend {
  static async start({ binary, sources = false, environment = {}, port = 0 }) {
    const self = new Backend();
    self.folder = await mkdtemp(path.join(tmpdir(), 'page-flows-'));
    self.port = port || await freePort();
    self.process = spawn(binary, ['--port', String(self.port), '--data', path.join(self.folder, 'data')], {
      env: {
        PATH: process.env.PATH, SPEARGUN_OTLP_HTTP_PORT: 'off', SPEARGUN_OTLP_GRPC_PORT: 'off', ...environment,
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    self.process.stderr.on('data', (part) => {
      said += part;
    });
    self.api = `http://127.0.0.1:${self.port}`;
    await until(async () => {
      if (self.process.exitCode !== null) throw new Error(`${binary} ended: ${said}`);
      return (await fetch(`${self.api}/health`).catch(() => null))?.ok;
    }, 'the server is healthy');
    if (sources) {
      const files = bundle();
      self.front = await serve({ files: () => files, backend: new URL(self.api) });
    }
    self.base = self.front ? `http://127.0.0.1:${self.front.address().port}` : self.api;
    return self;
  }

  url(where = '') {
    return `${this.base}/zipkin/${where}`;
  }

  async json(where) {
    const answer = await fetch(`${this.api}${where}`);
    assert.ok(answer.ok, `${where}: ${answer.status}`);
    return answer.json();
  }

  /** Sends spans and waits until the server shows the last one. */
  async send(spans) {
    const answer = await fetch(`${this.api}/api/v2/spans`, {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(spans),
    });
    assert.ok(answer.ok, `spans: ${answer.status} ${await answer.text()}`);
  }

  /** Ends the process alone, as a crash would; the front goes on. */
  async stop() {
    if (this.process.exitCode !== null) return;
    const ended = new Promise((resolve) => this.process.once('exit', resolve));
    this.process.kill();
    await ended;
  }

  async end() {
    await this.stop();
    this.front?.closeAllConnections();
    this.front?.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Waits for a condition, never for a time. */
export async function until(condition, what, waitMs = WAIT_MS) {
  const end = Date.now() + waitMs;
  for (;;) {
    if (await condition()) return;
    if (Date.now() > end) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

/** A page whose complaints are kept; `tolerate` says which are part of the flow. */
export async function watched(chromium, backend, options = {}) {
  const { tolerate = [], ...rest } = options;
  const context = await chromium.newContext({
    viewport: { width: 1280, height: 800 }, locale: 'en-US', colorScheme: 'light', timezoneId: 'Asia/Shanghai',
    permissions: ['clipboard-read', 'clipboard-write'], ...rest,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  const complaints = [];
  const complain = (text) => {
    if (!tolerate.some((pattern) => pattern.test(text))) complaints.push(text);
  };
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complain(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => complain(`error: ${error.message}`));
  page.on('request', (request) => {
    const { origin, protocol } = new URL(request.url());
    const own = origin === new URL(backend.base).origin || ['data:', 'blob:'].includes(protocol);
    if (!own) complain(`asked another host: ${request.url()}`);
  });
  page.on('requestfailed', (request) => {
    const why = request.failure()?.errorText ?? '';
    // What the page itself gave up is no failure.
    if (why !== 'net::ERR_ABORTED') complain(`failed: ${request.url()} ${why}`);
  });
  return {
    page, context,
    async end() {
      await context.close();
      assert.deepEqual(complaints, []);
    },
  };
}

/** Fails unless axe finds nothing to say about the page, by the rules of WCAG 2.2 AA. */
export async function accessible(page, where) {
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  }));
  const said = violations.map((one) =>
    `${one.id}: ${one.nodes.slice(0, 3).map((node) => `${node.target.join(' ')} (${node.failureSummary})`).join('; ')}`);
  assert.deepEqual(said, [], where);
}

/** Waits for two frames, so that what was drawn is there. */
export function settled(page) {
  return page.evaluate(() => new Promise((done) => {
    requestAnimationFrame(() => requestAnimationFrame(done));
  }));
}
