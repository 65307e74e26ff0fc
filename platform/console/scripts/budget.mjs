// What a first visit loads, by gzip: more than the budget fails the build. Also writes each file by gzip beside it, which
// is what the server sends.

import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const BUDGET = { js: 220_000, css: 20_000 };

const dist = process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), '../dist');
const manifest = JSON.parse(readFileSync(join(dist, '.vite/manifest.json'), 'utf8'));
// It is for this script, and nothing to be served.
rmSync(join(dist, '.vite'), { recursive: true });

const sizes = new Map();
for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !/\.(js|css|html|svg)$/.test(entry.name)) continue;
  const path = join(entry.parentPath, entry.name);
  const zipped = gzipSync(readFileSync(path), { level: 9 });
  writeFileSync(`${path}.gz`, zipped);
  sizes.set(path, zipped.length);
}

/** The files of a chunk and of all that it imports. */
function filesOf(name, seen = new Set(), files = new Set()) {
  if (seen.has(name)) return files;
  seen.add(name);
  const chunk = manifest[name];
  for (const file of [chunk.file, ...(chunk.css ?? [])]) files.add(file);
  for (const imported of chunk.imports ?? []) filesOf(imported, seen, files);
  return files;
}

const entry = Object.keys(manifest).find((name) => manifest[name].isEntry);
const pages = Object.keys(manifest).filter((name) => manifest[name].isDynamicEntry);
const kilo = (bytes) => (bytes / 1000).toFixed(1);
let over = false;
let most = { js: 0, css: 0, page: '' };
for (const page of pages) {
  const files = new Set([...filesOf(entry), ...filesOf(page)]);
  const sum = (end) => [...files].filter((f) => f.endsWith(end)).reduce((all, f) => all + sizes.get(join(dist, f)), 0);
  const [js, css] = [sum('.js'), sum('.css')];
  const bad = js > BUDGET.js || css > BUDGET.css;
  over ||= bad;
  if (js > most.js) most = { js, css, page };
  console.log(`first load of ${page}: ${kilo(js)} kB of script, ${kilo(css)} kB of styles (gzip)${bad ? ' OVER THE BUDGET' : ''}`);
}
console.log(`first load at most: ${kilo(most.js)} kB of script, ${kilo(most.css)} kB of styles (gzip), ${most.page}`);
if (over) {
  console.error(`the budget is ${kilo(BUDGET.js)} kB of script and ${kilo(BUDGET.css)} kB of styles`);
  process.exit(1);
}
