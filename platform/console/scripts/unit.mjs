// Runs the tests of what needs no browser: src/**/*.test.ts, which vite reads as it reads the rest.

import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { createServer } from 'vite';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const server = await createServer({
  root,
  configFile: false,
  cacheDir: join(root, 'dist/.unit'),
  logLevel: 'error',
  server: { middlewareMode: true, ws: false, watch: null },
  optimizeDeps: { noDiscovery: true },
});
let [passed, failed] = [0, 0];
for (const file of readdirSync(join(root, 'src'), { recursive: true })) {
  if (!file.endsWith('.test.ts')) continue;
  const { tests } = await server.ssrLoadModule(`/src/${file}`);
  for (const [sentence, test] of Object.entries(tests)) {
    try {
      await test();
      passed += 1;
    } catch (error) {
      failed += 1;
      console.error(`${file}: ${sentence}\n${error.stack ?? error}`);
    }
  }
}
await server.close();
console.log(`unit tests: ${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
