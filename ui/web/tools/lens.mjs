// The files of Zipkin's own page, Lens, out of the jar of Zipkin's server: a jar within the jar.
// Flows and measures serve them over our API; nothing of them is part of this repository.

import { readFile } from 'node:fs/promises';
import { unzipSync } from 'fflate';

const FOLDER = 'zipkin-lens/';

/** Returns the entries of an archive whose names hold. */
function entries(bytes, holds) {
  return Object.entries(unzipSync(bytes, { filter: (file) => holds(file.name) }));
}

/** Returns names and bytes of the page in a server's jar; `ZIPKIN_JAR` is its path. */
export async function lensFiles(jar = process.env.ZIPKIN_JAR) {
  if (!jar) throw new Error('ZIPKIN_JAR must name the jar of the Zipkin server, as cargo xtask ui flows does');
  const [inner, ...more] = entries(await readFile(jar), (name) => /^BOOT-INF\/lib\/zipkin-lens-[^/]*\.jar$/.test(name));
  if (!inner || more.length > 0) throw new Error(`${jar} holds not one zipkin-lens`);
  const found = entries(inner[1], (name) => name.startsWith(FOLDER) && !name.endsWith('/'));
  const files = new Map(found.map(([name, bytes]) => [name.slice(FOLDER.length), Buffer.from(bytes)]));
  if (!files.has('index.html')) throw new Error(`${inner[0]} holds no index`);
  return files;
}
