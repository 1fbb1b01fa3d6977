// Runs the flows: `node flows/run.mjs [--sources] [FILTER]`, with SPEARGUN naming the binary.

import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { browser } from '../tools/browser.mjs';
import { send, shopTraces } from '../tools/demo.mjs';
import { addresses } from './addresses.mjs';
import { back } from './back.mjs';
import { bad } from './bad.mjs';
import { dependency } from './dependency.mjs';
import { files } from './files.mjs';
import { form } from './form.mjs';
import { grown } from './grown.mjs';
import { Backend } from './harness.mjs';
import { keys } from './keys.mjs';
import { zipkinsOwn } from './lens.mjs';
import { looks } from './looks.mjs';
import { moved } from './moved.mjs';
import { search } from './search.mjs';
import { times } from './times.mjs';
import { told } from './told.mjs';
import { trace } from './trace.mjs';
import { unfinished } from './unfinished.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true, options: { sources: { type: 'boolean', default: false } },
});
const binary = process.env.SPEARGUN ?? '';
if (!existsSync(binary)) {
  console.error(`SPEARGUN must name the binary of the server; it names ${binary || 'nothing'}`);
  process.exit(1);
}
const chromium = await browser();
const shared = await Backend.start({ binary, sources: values.sources });
const traces = shopTraces({ endMs: Date.now() - 40_000 });
await send(shared.api, traces);
const world = {
  chromium, backend: shared, traces,
  start: (more = {}) => Backend.start({ binary, sources: values.sources, ...more }),
};
let [passed, failed] = [0, 0];
const all = [
  ...search, ...back, ...keys, ...told, ...times, ...moved, ...dependency, ...addresses, ...bad,
  ...form, ...unfinished, ...looks, ...zipkinsOwn, ...trace, ...files, ...grown,
];
for (const [name, run] of all) {
  if (positionals.length > 0 && !positionals.some((part) => name.includes(part))) continue;
  try {
    await run(world);
    passed += 1;
    console.log(`ok    ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${name}\n${error.stack ?? error}`);
  }
}
await shared.end();
await chromium.close();
console.log(`page flows: ${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
