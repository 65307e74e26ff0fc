// Makes the types of the API: node types.mjs DOCUMENT OUTPUT, or with --check says whether they are those of the document.

import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

import openapiTS, { astToString } from 'openapi-typescript';

const check = process.argv.includes('--check');
const [document, output] = process.argv.slice(2).filter((word) => word !== '--check');
// What has a default may be left out of a request.
const types = await openapiTS(pathToFileURL(document), { defaultNonNullable: false });
const text = `// Generated from docs/api/platform.json by \`npm run types\`. Not to be edited.\n\n${astToString(types)}`;
if (!check) writeFileSync(output, text);
else if (readFileSync(output, 'utf8') !== text) {
  console.error(`${output} is not what ${document} says: \`npm run types\` in platform/console makes it anew`);
  process.exit(1);
}
