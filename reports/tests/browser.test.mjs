/* Opens the report's pages in Chromium without a network, and looks at what a reader would see:
 *   browser.test.mjs PAGES MODULES CHROMIUM
 * PAGES holds what write_pages wrote; MODULES has node_modules with playwright-core. Every check is one line when it
 * fails, and all are made before the program ends with 1. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [pages, modules, executablePath] = process.argv.slice(2).map((path) => resolve(path));
const { chromium } = createRequire(join(modules, 'package.json'))('playwright-core');
let checks = 0;
let faults = 0;

function check(isTrue, text) {
  checks++;
  if (!isTrue) {
    faults++;
    console.error(`FAILED: ${text}`);
  }
}

function equal(seen, expected, what) {
  check(JSON.stringify(seen) === JSON.stringify(expected), `${what}: the page has ${JSON.stringify(seen)}, expected ${JSON.stringify(expected)}`);
}

async function open(browser, name, settings = {}) {
  const context = await browser.newContext({ offline: true, viewport: { width: 1280, height: 900 }, ...settings });
  const page = await context.newPage();
  const url = pathToFileURL(join(pages, name)).href;
  page.on('request', (request) => check(request.url() === url, `${name} asked for ${request.url()}`));
  page.on('console', (message) => check(!['error', 'warning'].includes(message.type()), `${name} printed: ${message.text()}`));
  page.on('pageerror', (error) => check(false, `${name} threw: ${error.message}`));
  await page.goto(url, { waitUntil: 'load' });
  if (settings.javaScriptEnabled !== false) await page.waitForSelector('html[data-ready]', { state: 'attached', timeout: 20000 });
  return page;
}

/* What is drawn in a figure: marks with a size, and the words among them. */
function drawnIn(page) {
  return page.$$eval('figure.chart', (figures) => figures.map((figure) => {
    const box = figure.querySelector('svg')?.getBoundingClientRect();
    const marks = [...figure.querySelectorAll('svg path')].filter((mark) => {
      const { width, height } = mark.getBoundingClientRect();
      return width > 0 && height > 0 && mark.getAttribute('fill') !== 'none';
    });
    return {
      scenario: Number(figure.dataset.scenario),
      width: box?.width ?? 0,
      height: box?.height ?? 0,
      marks: marks.length,
      words: [...figure.querySelectorAll('svg text')].map((text) => text.textContent),
      label: figure.getAttribute('aria-label') ?? '',
    };
  }));
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.floor(sorted.length / 2)]) / 2;
}

/* ---- charts ---- */

async function checkCharts(page, results) {
  const drawn = await drawnIn(page);
  equal(drawn.map((chart) => chart.scenario), results.scenarios.map((_, i) => i), 'one chart a scenario');
  for (const chart of drawn) {
    const scenario = results.scenarios[chart.scenario];
    const fine = scenario.results.filter((result) => result.status === 'ok');
    const samples = fine.reduce((sum, result) => sum + result.samples.length, 0);
    check(chart.width > 600 && chart.height > 100, `${scenario.name}: the chart measures ${chart.width} x ${chart.height}`);
    check(chart.marks >= samples + 2 * fine.length, `${scenario.name}: ${chart.marks} marks for ${samples} samples of ${fine.length} subjects`);
    for (const { subject } of fine) check(chart.words.includes(subject), `${scenario.name}: the chart does not name ${subject}`);
    check(chart.label.includes(scenario.name), `${scenario.name}: the chart has no description`);
  }
}

/* ---- tables ---- */

function cells(page, selector) {
  return page.$$eval(selector, (rows) => rows.map((row) => [...row.cells].map((cell) => {
    const value = cell.querySelector('data')?.value;
    return value === undefined ? cell.textContent.trim() : Number(value);
  })));
}

async function checkTables(page, results) {
  for (const [i, scenario] of results.scenarios.entries()) {
    const numbers = await cells(page, `#r0s${i} table.numbers tbody tr`);
    const samples = await cells(page, `#r0s${i} .samples tbody tr`);
    equal(numbers.map((row) => row[0]), scenario.results.map((result) => result.subject), `${scenario.name}: subjects`);
    for (const [j, result] of scenario.results.entries()) {
      const row = numbers[j];
      const what = `${scenario.name}, ${result.subject}`;
      if (result.status !== 'ok') {
        equal(row[5], result.status, `${what}: status`);
        continue;
      }
      equal(row[1], result.time_ns_per_op.median, `${what}: time`);
      if (result.subject !== 'null') {
        equal(row[3], result.ratio.estimate, `${what}: ratio`);
        equal(row[5], result.ratio.verdict, `${what}: verdict`);
      }
      equal(row[6], median(result.samples.map((sample) => sample.peak_live_bytes)), `${what}: peak live`);
      equal(row[7], result.peak_resident_bytes.median, `${what}: peak resident`);
      equal(row[8], median(result.samples.map((sample) => sample.resident_growth_bytes)), `${what}: growth`);
      const times = samples.find((cellsOfRow) => cellsOfRow[0] === result.subject)?.slice(1);
      equal(times, result.samples.map((sample) => sample.time_ns_per_op), `${what}: samples`);
    }
  }
}

/* Passes: a row a subject that has numbers, and a curve that is drawn, one point for each of the file's. */
async function checkPasses(page, results) {
  for (const [i, scenario] of results.scenarios.entries()) {
    const watched = scenario.results.filter((result) => result.memory?.points);
    const curves = await page.$$eval(`#r0s${i} .curve`, (figures) => figures.map((figure) => ({
      name: figure.textContent.trim(),
      height: figure.querySelector('svg').getBoundingClientRect().height,
      points: [...figure.querySelectorAll('polyline')].map((line) => line.points.numberOfItems),
    })));
    equal(curves.map((curve) => curve.name), watched.map((result) => result.subject), `${scenario.name}: curves`);
    equal(curves.every((curve) => curve.height > 20), true, `${scenario.name}: curves are seen`);
    equal(curves.map((curve) => curve.points), watched.map(({ memory }) => [memory.points.length, memory.points.length]), `${scenario.name}: points`);
    const rows = await cells(page, `#r0s${i} table.passes tbody tr`);
    const timed = scenario.results.filter((result) => result.latency?.p50_ns);
    equal(rows.slice(0, timed.length).map((row) => row.slice(0, 2)), timed.map((r) => [r.subject, r.latency.p50_ns]), `${scenario.name}: p50`);
  }
}

/* ---- what the reader does ---- */

async function checkSorting(page) {
  const times = () => page.$$eval('#r0s0 table.numbers tbody tr td:nth-child(2) data', (data) => data.map((d) => Number(d.value)));
  await page.click('#r0s0 table.numbers thead th:nth-child(2) button');
  const up = await times();
  equal(up, [...up].sort((a, b) => a - b), 'sorted by time');
  await page.click('#r0s0 table.numbers thead th:nth-child(2) button');
  equal(await times(), [...up].reverse(), 'sorted by time, descending');
}

async function checkTheme(page) {
  const look = () => page.evaluate(() => [getComputedStyle(document.body).backgroundColor, document.querySelector('figure svg text[style*="fill"], figure svg text')?.getAttribute('fill')]);
  const light = await look();
  await page.click('#theme');
  const dark = await look();
  check(light[0] !== dark[0], 'the theme button changes the ground');
  check(light[1] !== dark[1], 'the theme button redraws the charts');
}

async function checkNarrow(page, results) {
  await page.setViewportSize({ width: 390, height: 800 });
  await page.waitForFunction(() => document.querySelector('figure svg').getBoundingClientRect().width < 390);
  const { wide, charts } = await page.evaluate(() => ({
    wide: document.documentElement.scrollWidth, charts: document.querySelectorAll('figure.chart svg').length,
  }));
  check(wide <= 390, `on a phone the page is ${wide} pixels wide`);
  equal(charts, results.scenarios.length, 'charts on a phone');
}

/* As many subjects as there are, with names as long as they have: no cell lies over its neighbour. */
async function checkOverview(page) {
  await page.setViewportSize({ width: 1280, height: 900 });
  const over = await page.evaluate(() => {
    for (const row of document.querySelectorAll('.matrix tr')) {
      for (let i = 0; i < 12; i++) {
        const copy = row.lastElementChild.cloneNode();
        copy.textContent = row.parentElement.tagName === 'THEAD' ? 'malloc-threaded' : 'unsupported';
        row.append(copy);
      }
    }
    const cells = [...document.querySelectorAll('.matrix th, .matrix td')];
    return cells.filter((cell) => cell.scrollWidth > cell.clientWidth + 2).map((cell) => cell.textContent);
  });
  equal(over.length, 0, `cells of the overview that are too narrow (${over.slice(0, 3).join(', ')})`);
}

function frameCount(group) {
  const sites = group.holders?.sites ?? [];
  return group.allocation_stack.length + [...group.accesses, ...sites].reduce((sum, part) => sum + part.stack.length, 0);
}

async function checkLeaks(page, leaks) {
  const groups = await page.$$eval('details.leak:not(.misuse)', (details) => details.map((group) => ({
    numbers: [...group.querySelectorAll('.measures data')].slice(0, 2).map((d) => Number(d.value)),
    text: group.textContent, frames: group.querySelectorAll('.stack li').length, open: group.open,
    culprits: [...group.querySelectorAll('.culprit')].map((line) => line.textContent),
    short: [...group.querySelectorAll('tr.short summary')].map((site) => site.textContent),
    badges: [...group.querySelectorAll('.badge')].map((badge) => badge.textContent),
  })));
  const order = ['new', 'grown', 'known'];
  const expected = [...leaks.groups].sort((a, b) => order.indexOf(a.baseline.standing) - order.indexOf(b.baseline.standing));
  equal(groups.map((group) => group.numbers), expected.map((group) => [group.count, group.bytes]), 'leaks: counts and bytes');
  expected.forEach((group, i) => {
    const sites = group.holders?.sites ?? [];
    const isShort = (site) => site.deviant || (group.holders.decided ? site.open > 0 : site.suspect);
    equal(groups[i].frames, frameCount(group), `leak ${group.fingerprint}: frames`);
    check(groups[i].text.includes(group.fingerprint), `leak ${group.fingerprint}: fingerprint`);
    for (const frame of group.allocation_stack) check(groups[i].text.includes(frame.function ?? '??'), `leak ${group.fingerprint}: ${frame.function}`);
    equal(groups[i].short.length, sites.filter(isShort).length, `leak ${group.fingerprint}: sites that are short`);
    for (const site of sites.filter((s) => s.open > 0)) {
      check(groups[i].culprits.some((line) => line.includes(site.stack[0].function)), `leak ${group.fingerprint}: ${site.stack[0].function} is named`);
    }
    for (const text of group.descriptions ?? []) check(groups[i].text.includes(text), `leak ${group.fingerprint}: ${text}`);
    check(groups[i].badges.some((badge) => badge.startsWith(group.baseline.standing)), `leak ${group.fingerprint}: ${group.baseline.standing}`);
    equal(groups[i].badges.includes(`${group.lost} lost`), group.lost > 0, `leak ${group.fingerprint}: lost`);
  });
  const misuses = await page.$$eval('details.misuse', (details) => details.map((one) => [one.querySelector('.where').textContent, one.querySelectorAll('.stack').length]));
  equal(misuses, leaks.misuses.map((one) => [one.offence, 3]), 'misuses, with three stacks');
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  equal(wide, 0, 'pixels that leaks stick out');
  const tall = await page.evaluate(() => {
    const [where] = document.querySelectorAll('.leak .where');
    const name = where.textContent;
    where.textContent = 'std::map<std::allocator<int>>::'.repeat(300);
    const height = where.getBoundingClientRect().height;
    where.textContent = name;
    return height;
  });
  check(tall > 0 && tall < 90, `a name of ten thousand signs is ${tall} pixels high in a heading`);
  await page.fill('.tools input', 'connection_step');
  const left = await page.$$eval('details.leak:not(.misuse)', (details) => details.filter((group) => !group.hidden).length);
  equal(left, 1, 'leaks found by function');
  await page.click('.tools .fold');
  equal(await page.$$eval('details.leak', (details) => details.filter((group) => group.open).length), 0, 'leaks folded');
}

/* Every run is a dot inside the drawing, and a row of the table below it; worse series come first. */
async function checkHistory(page, history) {
  const cards = await page.$$eval('section.card[id]', (all) => all.map((card) => {
    const frame = card.querySelector('svg').getBoundingClientRect();
    const dots = [...card.querySelectorAll('circle')].map((dot) => dot.getBoundingClientRect());
    const inside = (box) => box.left >= frame.left && box.right <= frame.right && box.top >= frame.top && box.bottom <= frame.bottom;
    return { index: Number(card.id.slice(1)), dots: dots.length, inside: dots.every(inside), levels: card.querySelectorAll('.level').length };
  }));
  const order = history.series.map((_, i) => i).sort((a, b) => (history.series[b].verdict === 'worse') - (history.series[a].verdict === 'worse'));
  equal(cards.map((card) => card.index), order, 'history: the cards');
  for (const card of cards) {
    const series = history.series[card.index];
    const what = `history: ${series.scenario}, ${series.metric}`;
    equal(card.dots, series.points.length, `${what}: dots`);
    check(card.inside, `${what}: a dot is outside`);
    const rows = await cells(page, `#s${card.index} .samples tbody tr`);
    equal(rows.map((row) => row[3]), series.points.map((point) => point.value.median), `${what}: values`);
  }
  equal(cards[0].levels, 2, 'history: levels of the first card');
  equal((await cells(page, 'table.numbers tbody tr')).map((row) => row[0]), history.series.map((series) => series.scenario), 'history: overview');
  await page.setViewportSize({ width: 390, height: 800 });
  equal(await page.evaluate(() => document.documentElement.scrollWidth), 390, 'history: pixels of width on a phone');
}

const read = (name) => JSON.parse(readFileSync(join(pages, name), 'utf8'));
const results = read('results.json');
const leaks = read('leaks.json');
const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
try {
  const page = await open(browser, 'results.html');
  await checkCharts(page, results);
  await checkTables(page, results);
  await checkPasses(page, results);
  await checkSorting(page);
  await checkTheme(page);
  await checkNarrow(page, results);
  await checkOverview(page);
  await checkLeaks(await open(browser, 'leaks.html'), leaks);

  await checkHistory(await open(browser, 'check.html'), read('check.json'));

  const both = await open(browser, 'both.html');
  equal((await drawnIn(both)).length, results.scenarios.length, 'both: charts');
  equal(await both.$$eval('details.leak:not(.misuse)', (details) => details.length), leaks.groups.length, 'both: leaks');

  const plain = await open(browser, 'results.html', { javaScriptEnabled: false });
  await checkTables(plain, results);
  check(await plain.isVisible('noscript p'), 'without scripts the page says so');
} finally {
  await browser.close();
}
console.log(`${checks} checks, ${faults} failed`);
process.exitCode = faults === 0 ? 0 : 1;
