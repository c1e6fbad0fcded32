// Draws the table of a series as a chart. Without JavaScript or uPlot, the table remains.

const HEIGHT = 240;
const FONT = "12px Inter, system-ui, sans-serif";
const LABEL_GAP = 28; // Pixels between two labels below the chart.
const TICK_GAP = 8; // Pixels between a label and the chart.
const DASHES = [4, 4];
const TIP_GAP = 12; // Pixels between the crosshair and the box beside it.

let chart;
let drawn = "";
let resized;

/** Draw the chart of a page again if its data has changed. */
export async function draw(page) {
  const plot = page.querySelector("[data-plot]");
  const table = page.querySelector("[data-series]");
  if (!plot || !table) return;
  const series = read(table, plot.dataset.zone);
  if (!series.times.length) return; // The figures are still to come.
  const state = JSON.stringify([table.dataset.series, series, colour("--accent")]);
  if (state === drawn) return;
  drawn = state;
  const [uPlot] = await Promise.all([load(), document.fonts.load(FONT).catch(() => {})]);
  if (!uPlot) {
    plot.hidden = true; // Updates leave it as it is.
    plot.parentElement.querySelector("details").open = true;
    return;
  }
  if (state !== drawn) return; // A later call draws newer data.
  const index = chart?.cursor.idx;
  chart?.destroy();
  plot.replaceChildren();
  chart = new uPlot(options(uPlot, plot, series), dataOf(series), plot);
  plot.append(reading(plot, series), tip());
  say(series, index);
  resized ??= new ResizeObserver(() => chart.setSize({ width: plot.clientWidth, height: HEIGHT }));
  resized.observe(plot);
}

/** Return the series that a table contains; its last row may be of a step that has not ended (`running`). */
function read(table, zone) {
  const rows = [...table.querySelectorAll("[data-time]")];
  const later = [...table.querySelectorAll("[data-later]")]; // Steps that have not begun.
  const text = (cell) => cell?.lastChild?.textContent.trim();
  return {
    zone,
    name: table.tHead.rows[0].cells[1].textContent,
    unit: table.dataset.unit,
    times: rows.map(({ dataset }) => +dataset.time),
    values: rows.map(({ dataset }) => +dataset.value),
    labels: rows.map(({ cells }) => cells[0].firstChild.textContent.trim()),
    texts: rows.map(({ cells }) => `${cells[1].querySelector(".about") ? "≈" : ""}${text(cells[1])}`),
    running: rows.at(-1)?.dataset.running !== undefined,
    later: later.map(({ dataset }) => +dataset.later),
    // The period before, step by step.
    before: [...rows, ...later].map(({ dataset }) => (dataset.before === undefined ? null : +dataset.before)),
    beforeTexts: [...rows, ...later].map(({ cells }) => (cells[2] ? [text(cells[2]), text(cells[3])] : [])),
  };
}

function isCompared({ before }) {
  return before.some((value) => value !== null);
}

/** Return the columns of the chart: times, complete steps, the line to a running step, and the period before. */
function dataOf(series) {
  const { times, values, later, running, before } = series;
  const nothing = later.map(() => null);
  const last = values.length - 1;
  const complete = values.map((value, at) => (running && at === last ? null : value));
  const partial = values.map((value, at) => (running && at >= last - 1 ? value : null));
  const columns = running ? [complete, partial] : [complete];
  return [[...times, ...later], ...columns.map((column) => [...column, ...nothing]), ...(isCompared(series) ? [before] : [])];
}

/** Return the line of text below the chart, which names the point under the cursor, or else the last one. */
function reading(plot, series) {
  const line = document.createElement("p");
  line.className = "reading";
  line.dataset.reading = "";
  plot.addEventListener("pointerleave", () => say(series));
  return line;
}

/** Return the box beside the cursor, with the values of both periods. */
function tip() {
  const box = document.createElement("div");
  box.className = "tip";
  box.dataset.tip = "";
  box.hidden = true;
  return box;
}

/** Return the text of a step, such as ["3 Nov: ", "12 visitors so far"]. */
function said({ labels, texts, name, running, unit }, at) {
  const value = texts[at];
  if (value === undefined) return undefined;
  const what = value === "1" ? name.toLowerCase().replace(/s$/, "") : name.toLowerCase();
  const state = running && at === labels.length - 1 ? " so far" : "";
  return [`${labels[at]}: `, `${value} ${unit === "count" ? what : name.toLowerCase()}${state}`];
}

function say(series, index) {
  const plot = chart?.root.parentElement;
  const line = plot?.querySelector("[data-reading]");
  if (!line) return;
  const at = index ?? series.labels.length - 1;
  const now = said(series, at);
  const [label, value] = series.beforeTexts[at] ?? [];
  const before = value === undefined ? undefined : `${label}: ${value}`;
  fill(line, now, before, " · ");
  const box = plot.querySelector("[data-tip]");
  box.hidden = index === undefined || (!now && !before);
  if (box.hidden) return;
  fill(box, now, before, document.createElement("br"));
  const left = chart.valToPos(chart.data[0][index], "x");
  const room = plot.clientWidth - box.offsetWidth;
  const over = chart.over.offsetLeft + left;
  box.style.left = `${Math.max(0, Math.min(over > plot.clientWidth / 2 ? over - box.offsetWidth - TIP_GAP : over + TIP_GAP, room))}px`;
}

function fill(element, now, before, between) {
  const strong = document.createElement("strong");
  strong.textContent = now?.[1] ?? "";
  element.replaceChildren(...(now ? [now[0], strong] : []), ...(now && before ? [between] : []), ...(before ? [before] : []));
}

async function load() {
  try {
    return (await import("./vendor/uplot/uPlot.js")).default;
  } catch {
    return undefined;
  }
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

const ruler = document.createElement("canvas").getContext("2d");

/** Return the width in pixels of the widest of some labels. */
function widest(labels) {
  ruler.font = FONT;
  return Math.ceil(Math.max(0, ...labels.map((label) => ruler.measureText(label ?? "").width)));
}

/** Return the points to label below the chart, as many as fit. */
function thinned(times, room) {
  return ({ width }) => {
    const every = Math.ceil(times.length / Math.max(2, Math.floor(width / room)));
    return times.filter((_, at) => at % every === 0);
  };
}

/** Return a formatter for the labels below the chart, as coarse as the steps of the series. */
function when(zone, times) {
  const step = times.length > 1 ? times.at(-1) - times.at(-2) : 0; // The first one may be a part of a week.
  const day = { day: "numeric", month: "short" };
  const days = times.at(-1) - times[0] > 200000; // Of hours: the day is not clear otherwise.
  const clock = { ...(days ? day : {}), hour: "2-digit", minute: "2-digit" };
  const form = step < 80000 ? clock : step < 1000000 ? day : { month: "short", year: "numeric" };
  const format = new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...form });
  return (seconds) => format.format(new Date(seconds * 1000));
}

/** Return the text of a value on the axis. */
function onAxis(value, unit) {
  if (unit === "seconds" && value >= 60) return `${(value / 60).toLocaleString("en", { maximumFractionDigits: 1 })} min`;
  return value.toLocaleString("en") + ({ percent: "%", seconds: " s" }[unit] ?? "");
}

function options(uPlot, plot, series) {
  const times = [...series.times, ...series.later];
  const below = when(series.zone, times);
  const label = widest(times.map(below));
  const axis = { stroke: colour("--quiet"), font: FONT, ticks: { show: false } };
  const points = { show: series.times.length < 2 };
  const line = { label: series.name, stroke: colour("--accent"), fill: colour("--fill"), width: 2, points };
  const before = { label: "Period before", stroke: colour("--before"), width: 1.5, points };
  const least = series.unit === "count" ? 4 : 1;
  const reach = isCompared(series) ? times.length : series.times.length; // Points that the crosshair can be on.
  return {
    width: plot.clientWidth,
    height: HEIGHT,
    padding: [TICK_GAP, Math.ceil(label / 2), 0, 0], // The last label is centred at the end of the axis.
    legend: { show: false },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), series.zone),
    // The crosshair is drawn through the nearest point.
    cursor: { y: false, drag: { x: false, y: false }, move: (self, left, top) => [snapped(self, left, reach), top] },
    hooks: { setCursor: [({ cursor }) => say(series, cursor.idx ?? undefined)] },
    scales: { y: { range: (_, __, most) => [0, Math.max(least, (most ?? 0) * 1.1)] } },
    axes: [
      { ...axis, grid: { show: false }, size: 32, gap: 10, splits: thinned(times, label + LABEL_GAP), values: (_, splits) => splits.map(below) },
      {
        ...axis,
        grid: { stroke: colour("--line"), width: 1 },
        gap: TICK_GAP,
        values: (_, splits) => splits.map((split) => onAxis(split, series.unit)),
        size: (_, labels) => Math.max(widest(labels ?? []) + 2 * TICK_GAP, Math.ceil(label / 2)),
        incrs: [...(series.unit === "count" ? [] : [0.1, 0.2, 0.5]), 1, 2, 5, 10, 20, 50, 100, 200, 500].concat(
          [3, 4, 5, 6, 7, 8, 9].flatMap((power) => [10 ** power, 2 * 10 ** power, 5 * 10 ** power])),
      },
    ],
    series: [{}, line, ...(series.running ? [{ ...line, dash: DASHES }] : []), ...(isCompared(series) ? [before] : [])],
  };
}

/** Return the horizontal position of the point nearest to the pointer, among the first `count` points. */
function snapped(self, left, count) {
  if (left < 0 || !count) return left;
  const index = Math.min(self.posToIdx(left), count - 1);
  return self.valToPos(self.data[0][index], "x");
}
