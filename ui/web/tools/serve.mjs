// Serves the page from its sources (or a built folder) in front of a running backend, while one
// works on it: `node tools/serve.mjs [--port 9421] [--backend http://127.0.0.1:9411] [--dist]`.

import { createServer, request } from 'node:http';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { watch } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bundle, DIST, listed, WEB } from './build.mjs';

const TYPES = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml',
};
const POLICY = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; " +
  "connect-src 'self'; worker-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'";

async function built(folder) {
  const files = new Map();
  for (const name of await listed(folder)) {
    files.set(name, await readFile(path.join(folder, name)));
  }
  return files;
}

/** Starts to serve; `files` gives the page's files, `backend` answers everything else. */
export function serve({ files, backend, port = 0, policy = true }) {
  const server = createServer(async (incoming, outgoing) => {
    const url = new URL(incoming.url, 'http://page');
    const inBase = url.pathname.startsWith('/zipkin/');
    const name = inBase ? url.pathname.slice('/zipkin/'.length) : '';
    if (inBase && !name.startsWith('api/') && name !== 'config.json') {
      const all = await files();
      const found = all.get(name === 'favicon.ico' ? 'favicon.svg' : name);
      const ending = found ? path.extname(name) : '.html';
      outgoing.writeHead(200, {
        'Content-Type': TYPES[ending] ?? 'application/octet-stream',
        ...(policy ? { 'Content-Security-Policy': POLICY } : {}),
        'Cache-Control': 'no-cache',
      });
      outgoing.end(found ?? all.get('index.html'));
      return;
    }
    if (url.pathname === '/' || url.pathname === '/zipkin') {
      outgoing.writeHead(302, { Location: '/zipkin/' });
      outgoing.end();
      return;
    }
    const onward = request(new URL(incoming.url, backend), {
      method: incoming.method, headers: { ...incoming.headers, host: backend.host },
    }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on('error', () => {
      outgoing.writeHead(502, { 'Content-Type': 'text/plain' });
      outgoing.end('the backend does not answer');
    });
    incoming.pipe(onward);
  });
  return new Promise((resolve) => {
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '9421' },
      backend: { type: 'string', default: 'http://127.0.0.1:9411' },
      dist: { type: 'boolean', default: false },
    },
  });
  let current = values.dist ? built(DIST) : bundle();
  current.catch((error) => console.error(String(error)));
  if (!values.dist) {
    watch(path.join(WEB, 'src'), { recursive: true }, () => {
      const next = bundle();
      next.then(() => (current = next), (error) => console.error(String(error)));
    });
  }
  const server = await serve({
    files: () => current, backend: new URL(values.backend), port: Number(values.port),
  });
  console.log(`http://127.0.0.1:${server.address().port}/zipkin/ in front of ${values.backend}`);
}
