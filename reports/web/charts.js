/* A chart a scenario: three panels that share their rows, which are the subjects, fastest first. Left every sample with
 * the median and its interval, so that no outlier is hidden; in the middle the ratio to the baseline with its interval
 * and the line at 1; right the memory, resident with the live part inside. Colour says one thing only: the verdict. */
import { CustomChart, ScatterChart } from 'echarts/charts';
import { GridComponent, MarkLineComponent, TitleComponent, TooltipComponent } from 'echarts/components';
import * as echarts from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';

import { colour } from './theme.js';
import { bytesStep, bytesText, grouped, median, ratioText, timeScale, timeText } from './units.js';

echarts.use([CustomChart, GridComponent, MarkLineComponent, ScatterChart, SVGRenderer, TitleComponent, TooltipComponent]);

const NULL_SUBJECT = 'null';
const ROW_HEIGHT = 34;
const PANEL_TOP = 46;
const PANEL_BOTTOM = 30;
const NARROW = 760;
const NAME_WIDTH = 84;
const DOT_SPREAD = 18; /* a row's samples from top to bottom, first round to last */

/* ---- from the model to rows ---- */

const VERDICT_COLOURS = { faster: 'faster', slower: 'slower', 'not separated': 'undecided', baseline: 'baseline' };

function rowColour(row) {
  return colour(row.isNull ? 'faint' : VERDICT_COLOURS[row.ratio?.verdict] ?? 'undecided');
}

function toRow(result) {
  const samples = result.samples.filter((sample) => sample.time_ns_per_op !== null);
  return {
    subject: result.subject,
    isNull: result.subject === NULL_SUBJECT,
    samples,
    time: result.time_ns_per_op ?? { median: median(samples.map((s) => s.time_ns_per_op)), low: null, high: null },
    ratio: result.ratio,
    live: median(result.samples.map((sample) => sample.peak_live_bytes)),
    resident: result.peak_resident_bytes?.median ?? median(result.samples.map((s) => s.peak_resident_bytes)),
    growth: median(result.samples.map((sample) => sample.resident_growth_bytes)),
  };
}

/* Fastest on top; the harness's own cost below all, as it is no competitor. */
function toRows(scenario) {
  const rows = scenario.results.filter((result) => result.status === 'ok').map(toRow);
  rows.sort((a, b) => a.isNull - b.isNull || a.time.median - b.time.median);
  return rows;
}

/* ---- panels ---- */

function panels(width, rowCount) {
  const height = rowCount * ROW_HEIGHT;
  if (width < NARROW) {
    const at = (i) => ({ left: NAME_WIDTH, right: 74, top: PANEL_TOP + i * (height + PANEL_TOP + PANEL_BOTTOM), height });
    return { grids: [at(0), at(1), at(2)], height: 3 * (height + PANEL_TOP + PANEL_BOTTOM), named: [true, true, true] };
  }
  const gap = 82;
  const room = width - NAME_WIDTH - 3 * gap;
  const shares = [0.44, 0.28, 0.28];
  let left = NAME_WIDTH;
  const grids = shares.map((share) => {
    const grid = { left, width: room * share, top: PANEL_TOP, height };
    left += room * share + gap;
    return grid;
  });
  return { grids, height: PANEL_TOP + height + PANEL_BOTTOM, named: [true, false, false] };
}

function yAxis(rows, i, isNamed) {
  return {
    gridIndex: i,
    type: 'category',
    inverse: true,
    data: rows.map((row) => row.subject),
    axisTick: { show: false },
    axisLine: { show: false },
    axisLabel: { show: isNamed, color: colour('ink'), fontSize: 13, margin: 12 },
    splitArea: { show: true, areaStyle: { color: [colour('stripe'), 'transparent'] } },
  };
}

function xAxis(i, extra) {
  return {
    gridIndex: i,
    type: 'value',
    axisLabel: { color: colour('muted'), fontSize: 11, hideOverlap: true, ...extra.axisLabel },
    splitLine: { lineStyle: { color: colour('line') } },
    axisLine: { show: false },
    axisTick: { show: false },
    ...extra.axis,
  };
}

function panelTitle(text, grid) {
  return {
    text,
    left: grid.left,
    top: grid.top - PANEL_TOP + 8,
    padding: 0,
    textStyle: { color: colour('muted'), fontSize: 12, fontWeight: 600 },
  };
}

/* A whisker from low to high with a mark in the middle: value = [middle, row, low, high]. */
function whisker(params, api) {
  const [x, y] = api.coord([api.value(0), api.value(1)]);
  const paint = api.visual('color');
  const mark = { type: 'rect', shape: { x: x - 2, y: y - 9, width: 4, height: 18, r: 1 }, style: { fill: paint } };
  if (Number.isNaN(api.value(2)) || Number.isNaN(api.value(3))) return { type: 'group', children: [mark] };
  const low = api.coord([api.value(2), api.value(1)])[0];
  const high = api.coord([api.value(3), api.value(1)])[0];
  const line = { type: 'rect', shape: { x: low, y: y - 3, width: Math.max(1, high - low), height: 6, r: 3 }, style: { fill: paint, opacity: 0.4 } };
  return { type: 'group', children: [line, mark] };
}

/* The rows' numbers as a column at the panel's right edge: beside a mark they would seem to belong to an outlier. */
function numberAxis(i, texts) {
  return {
    gridIndex: i,
    type: 'category',
    position: 'right',
    inverse: true,
    data: texts,
    axisTick: { show: false },
    axisLine: { show: false },
    axisLabel: { color: colour('ink'), fontSize: 12, margin: 10, interval: 0 },
    splitLine: { show: false },
  };
}

function timeSeries(rows, scale) {
  const scaled = (ns) => (ns === null ? NaN : ns / scale.divisor);
  const dots = [];
  rows.forEach((row, i) => {
    row.samples.forEach((sample) => {
      const [first, last] = [row.samples[0].round, row.samples[row.samples.length - 1].round];
      const place = last > first ? (sample.round - first) / (last - first) - 0.5 : 0;
      dots.push({
        value: [scaled(sample.time_ns_per_op), i], symbolOffset: [0, place * DOT_SPREAD], sample, row,
        itemStyle: { color: rowColour(row) },
      });
    });
  });
  return [
    {
      type: 'custom', xAxisIndex: 0, yAxisIndex: 0, renderItem: whisker, z: 3,
      data: rows.map((row, i) => ({
        value: [scaled(row.time.median), i, scaled(row.time.low), scaled(row.time.high)], row, itemStyle: { color: rowColour(row) },
      })),
    },
    { type: 'scatter', xAxisIndex: 0, yAxisIndex: 0, symbolSize: 6, z: 4, itemStyle: { opacity: 0.75 }, data: dots },
  ];
}

function ratioSeries(rows, baseline) {
  const decided = rows.map((row, i) => ({ row, i })).filter(({ row }) => !row.isNull && typeof row.ratio?.estimate === 'number');
  return [
    {
      type: 'custom', xAxisIndex: 1, yAxisIndex: 1, renderItem: whisker, z: 3,
      data: decided.map(({ row, i }) => ({
        value: [row.ratio.estimate, i, row.ratio.low ?? NaN, row.ratio.high ?? NaN], row, itemStyle: { color: rowColour(row) },
      })),
      markLine: {
        silent: true, symbol: 'none', lineStyle: { color: colour('muted'), type: 'dashed', width: 1 },
        label: { show: true, position: 'start', distance: 5, formatter: baseline ?? 'baseline', color: colour('muted'), fontSize: 11 }, data: [{ xAxis: 1 }],
      },
    },
  ];
}

/* Resident as a bar, the live part as a thinner bar inside: value = [resident, row, live]. */
function memoryBar(params, api) {
  const [zero, y] = api.coord([0, api.value(1)]);
  const bar = (value, height, fill) => ({
    type: 'rect', style: { fill },
    shape: { x: zero, y: y - height / 2, width: Math.max(1, api.coord([value, 0])[0] - zero), height, r: 2 },
  });
  const children = [bar(api.value(0), 16, colour('memory-resident'))];
  if (!Number.isNaN(api.value(2))) children.push(bar(api.value(2), 6, colour('memory-live')));
  return { type: 'group', children };
}

function memorySeries(rows) {
  const known = rows.map((row, i) => ({ row, i })).filter(({ row }) => row.resident !== null);
  return [
    {
      type: 'custom', xAxisIndex: 2, yAxisIndex: 2, renderItem: memoryBar, z: 3,
      data: known.map(({ row, i }) => ({ value: [row.resident, i, row.isNull ? NaN : (row.live ?? NaN)], row })),
    },
  ];
}

/* ---- words for the pointer ---- */

function escapeHtml(text) {
  return String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

function tooltip({ data }) {
  const row = data?.row;
  if (!row) return '';
  const lines = [`<b>${escapeHtml(row.subject)}</b>`];
  if (data.sample) {
    lines.push(`round ${data.sample.round}, place ${data.sample.position ?? '–'}: ${timeText(data.sample.time_ns_per_op)}`);
  }
  const { median: middle, low, high } = row.time;
  lines.push(`median ${timeText(middle)}${low === null ? '' : ` [${timeText(low)}, ${timeText(high)}]`}`);
  if (row.isNull) lines.push('the harness’s own cost');
  else if (row.ratio?.verdict === 'baseline') lines.push('the baseline');
  else if (typeof row.ratio?.estimate === 'number') {
    const interval = row.ratio.low === null ? '' : ` [${ratioText(row.ratio.low)}, ${ratioText(row.ratio.high)}]`;
    lines.push(`ratio ${ratioText(row.ratio.estimate)}${interval}: ${escapeHtml(row.ratio.verdict)}`);
  }
  if (row.resident !== null) lines.push(`peak resident ${bytesText(row.resident)}, of it live ${row.live === null ? '–' : bytesText(row.live)}`);
  if (row.growth !== null) lines.push(`growth over the start ${bytesText(row.growth)}`);
  return lines.join('<br>');
}

/* ---- the whole ---- */

/* The ratio axis holds 1 and every interval, with air at both ends; it starts at 0 only if the data come near. */
function ratioRange(rows) {
  const values = rows.filter((row) => !row.isNull && typeof row.ratio?.estimate === 'number')
    .flatMap((row) => [row.ratio.low ?? row.ratio.estimate, row.ratio.high ?? row.ratio.estimate]);
  const low = Math.min(1, ...values);
  const high = Math.max(1, ...values);
  const air = Math.max(0.02, (high - low) * 0.08);
  return low - air < 0.35 ? { min: 0, max: high + air } : { min: low - air, max: high + air };
}

function rowNumbers(rows, scale) {
  return [
    rows.map((row) => grouped(row.time.median / scale.divisor, scale.digits)),
    rows.map((row) => (row.isNull || typeof row.ratio?.estimate !== 'number' ? '' : ratioText(row.ratio.estimate))),
    rows.map((row) => (row.resident === null ? '' : bytesText(row.resident))),
  ];
}

function option(rows, baseline, width) {
  const { grids, height, named } = panels(width, rows.length);
  const scale = timeScale(Math.min(...rows.filter((row) => !row.isNull).map((row) => row.time.median)));
  const range = ratioRange(rows);
  const memoryMost = Math.max(1, ...rows.map((row) => Math.max(row.resident ?? 0, row.isNull ? 0 : (row.live ?? 0))));
  const memoryStep = bytesStep(memoryMost);
  const titles = [`Time an operation, ${scale.name}`, `Ratio to ${baseline ?? 'the baseline'}`, 'Peak memory'];
  return {
    height,
    option: {
      animation: false,
      textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
      grid: grids,
      title: titles.map((text, i) => panelTitle(text, grids[i])),
      xAxis: [
        xAxis(0, { axis: { min: 0 } }),
        xAxis(1, { axis: range, axisLabel: { formatter: (value) => (value === range.min && value !== 0) || value === range.max ? '' : String(Number(value.toFixed(3))) } }),
        xAxis(2, { axis: { min: 0, interval: memoryStep, max: Math.ceil(memoryMost / memoryStep) * memoryStep }, axisLabel: { formatter: bytesText } }),
      ],
      yAxis: [...grids.map((grid, i) => yAxis(rows, i, named[i])), ...rowNumbers(rows, scale).map((texts, i) => numberAxis(i, texts))],
      tooltip: {
        trigger: 'item', confine: true, backgroundColor: colour('paper'), borderColor: colour('line'),
        textStyle: { color: colour('ink'), fontSize: 12.5 }, formatter: tooltip,
      },
      series: [...timeSeries(rows, scale), ...ratioSeries(rows, baseline), ...memorySeries(rows)],
    },
  };
}

/* Draw each figure, and again whenever width or colours change. */
export function drawCharts(inputs) {
  const drawn = [];
  for (const figure of document.querySelectorAll('figure.chart')) {
    const input = inputs[Number(figure.dataset.input)];
    const scenario = input.scenarios[Number(figure.dataset.scenario)];
    const rows = toRows(scenario);
    if (rows.length === 0) {
      figure.hidden = true;
      continue;
    }
    const canvas = figure.querySelector('.canvas');
    drawn.push({ figure, canvas, rows, baseline: input.run.baseline_subject, chart: null });
  }
  const draw = (item, givenWidth) => {
    const width = givenWidth ?? item.figure.clientWidth;
    const { option: content, height } = option(item.rows, item.baseline, width);
    item.canvas.style.height = `${height}px`;
    item.chart ??= echarts.init(item.canvas, null, { renderer: 'svg', width, height });
    item.chart.resize({ width, height });
    item.chart.setOption(content, { notMerge: true });
    item.width = width;
  };
  const redraw = (width) => drawn.forEach((item) => draw(item, width));
  const watch = new ResizeObserver(() => {
    for (const item of drawn) if (item.chart && item.figure.clientWidth !== item.width) draw(item);
  });
  for (const item of drawn) watch.observe(item.figure);
  return { redraw };
}
