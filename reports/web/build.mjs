/* Bundles the report's page: build.mjs SOURCE_DIR OUT_DIR, with node_modules beside or above SOURCE_DIR. Writes
 * OUT_DIR/page.js and OUT_DIR/page.css, and refuses what could not stand inside a page: an end tag, a request, or too many bytes. */
import { build } from 'esbuild';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const BYTES_MOST = 1000 * 1000;
const [sourceDir, outDir] = process.argv.slice(2);

await build({
  entryPoints: { page: join(sourceDir, 'page.js') },
  outdir: outDir,
  bundle: true,
  minify: true,
  format: 'iife',
  target: 'es2021',
  charset: 'ascii',
  legalComments: 'none',
  define: { 'process.env.NODE_ENV': '"production"' },
  logLevel: 'warning',
});
await build({
  entryPoints: { page: join(sourceDir, 'page.css') },
  outdir: outDir,
  bundle: true,
  minify: true,
  charset: 'ascii',
  logLevel: 'warning',
});

const script = readFileSync(join(outDir, 'page.js'), 'latin1');
const style = readFileSync(join(outDir, 'page.css'), 'latin1');
const faults = [];
if (/<\/script|<!--|<script/i.test(script)) faults.push('page.js holds a tag that would end or change its script element');
if (/<\/style|@import|url\((?!["']?data:)/i.test(style)) faults.push('page.css holds an end tag or a request');
if (script.length + style.length > BYTES_MOST) faults.push(`the page weighs ${script.length + style.length} bytes, more than ${BYTES_MOST}`);
for (const fault of faults) console.error(`reports/web: ${fault}`);
process.exitCode = faults.length === 0 ? 0 : 1;
