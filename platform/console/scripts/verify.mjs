// Everything that can be checked without a browser, and the build: node scripts/verify.mjs DOCUMENT.

import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = join(dirname(fileURLToPath(import.meta.url)), '..');
const document = process.argv[2] ?? join(here, '../../docs/api/platform.json');

function step(program, ...args) {
  const { status } = spawnSync(program, args, { cwd: here, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

step(process.execPath, 'tools/types.mjs', '--check', document, 'src/api/schema.ts');
step('node_modules/.bin/tsc', '--noEmit');
step(process.execPath, 'scripts/unit.mjs');
// Its configuration is read without a file being written beside the packages, which other checkouts share.
step('node_modules/.bin/vite', 'build', '--configLoader', 'native', '--logLevel', 'warn');
step(process.execPath, 'scripts/budget.mjs');
