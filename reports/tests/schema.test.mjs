/* Holds JSON and its schema together: schema.test.mjs SCHEMA FILE MODULES [OPTIONAL_KEY...], where MODULES is
 * the folder that has node_modules with ajv. The file must satisfy the schema; it must use no key that the schema does not
 * describe; and wherever a key is taken away that is not optional, nor inside one that is, the schema must notice, as the reader does. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const [schemaPath, filePath, modules] = process.argv.slice(2, 5).map((path) => resolve(path));
const optional = new Set(process.argv.slice(5));
const require = createRequire(join(modules, 'package.json'));
const schema = JSON.parse(readFileSync(schemaPath, 'utf8'));
const Ajv = require(schema.$schema.includes('2020-12') ? 'ajv/dist/2020' : 'ajv').default;
const data = JSON.parse(readFileSync(filePath, 'utf8'));
let faults = 0;

function fault(text) {
  faults++;
  console.error(`${filePath}: ${text}`);
}

function closed(node) {
  if (Array.isArray(node)) return node.map(closed);
  if (node === null || typeof node !== 'object') return node;
  const copy = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, closed(value)]));
  if (typeof copy.properties === 'object' && copy.type !== undefined) copy.additionalProperties = false;
  return copy;
}

const options = { allErrors: true, allowUnionTypes: true };
const validate = new Ajv(options).compile(schema);
if (!validate(data)) for (const error of validate.errors) fault(`${error.instancePath || '/'} ${error.message}`);
const validateClosed = new Ajv(options).compile(closed(schema));
if (!validateClosed(data)) {
  for (const error of validateClosed.errors) fault(`${error.instancePath || '/'} ${error.message}: ${error.params.additionalProperty ?? ''}`);
}

let removals = 0;
function removeEach(node, path) {
  if (node === null || typeof node !== 'object') return;
  for (const key of Object.keys(node)) {
    if (optional.has(key)) continue;
    if (!Array.isArray(node)) {
      const value = node[key];
      delete node[key];
      removals++;
      if (validate(data)) fault(`${path}/${key} may be missing, says the schema; the reader wants it`);
      node[key] = value;
    }
    /* One element stands for its list. */
    if (!Array.isArray(node) || key === '0') removeEach(node[key], `${path}/${key}`);
  }
}
removeEach(data, '');
console.log(`${filePath}: satisfies ${schemaPath}; ${removals} removals were noticed`);
process.exitCode = faults === 0 ? 0 : 1;
