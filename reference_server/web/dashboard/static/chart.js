// Draws the table of a series as a chart. Without JavaScript or uPlot, the table remains.

const HEIGHT = 240;
const FONT = "12px Inter, system-ui, sans-serif";
const LABEL_GAP = 28; // Pixels between two labels below the chart.
const TICK_GAP = 8; // Pixels between a label and the chart.
const DASHES = [4, 4];

let chart;
let drawn = "";
let resized;

/** Draw the chart of a page again if its data has changed. */
export async function draw(page) {
  const plot = page.querySelector("[data-plot]");
  const table = page.querySelector("[data-series]");
  if (!plot || !table) return;
  const series = read(table, plot.dataset.zone);
  const state = JSON.stringify([table.dataset.series, series, colour("--accent")]);
  if (state === drawn) return;
  drawn = state;
  const [uPlot] = await Promise.all([load(), document.fonts.load(FONT).catch(() => {})]);
  if (!uPlot) {
    plot.classList.add("none");
    plot.parentElement.querySelector("details").open = true;
    return;
  }
  if (state !== drawn) return; // A later call draws newer data.
  const index = chart?.cursor.idx;
  chart?.destroy();
  plot.replaceChildren();
  chart = new uPlot(options(uPlot, plot, series), dataOf(series), plot);
  plot.append(reading(plot, series));
  say(series, index);
  resized ??= new ResizeObserver(() => chart.setSize({ width: plot.clientWidth, height: HEIGHT }));
  resized.observe(plot);
}

/** Return the series that a table contains; its last row may be of a step that has not ended (`running`). */
function read(table, zone) {
  const rows = [...table.querySelectorAll("[data-time]")];
  return {
    zone,
    name: table.tHead.rows[0].cells[1].textContent,
    times: rows.map(({ dataset }) => +dataset.time),
    values: rows.map(({ dataset }) => +dataset.value),
    labels: rows.map(({ cells }) => cells[0].firstChild.textContent.trim()),
    texts: rows.map(({ cells }) => `${cells[1].querySelector(".about") ? "≈" : ""}${cells[1].lastChild.textContent.trim()}`),
    running: rows.at(-1)?.dataset.running !== undefined,
    later: table.dataset.later.split(" ").filter(Boolean).map(Number), // Steps that have not begun.
  };
}

/** Return the columns of the chart: times, complete steps and, if the last step is running, the line to it. */
function dataOf({ times, values, later, running }) {
  const nothing = later.map(() => null);
  const last = values.length - 1;
  const complete = values.map((value, at) => (running && at === last ? null : value));
  const partial = values.map((value, at) => (running && at >= last - 1 ? value : null));
  const columns = running ? [complete, partial] : [complete];
  return [[...times, ...later], ...columns.map((column) => [...column, ...nothing])];
}

/** Return the line of text below the chart, which names the point under the cursor, or else the last one. */
function reading(plot, series) {
  const line = document.createElement("p");
  line.className = "reading";
  line.dataset.reading = "";
  plot.addEventListener("pointerleave", () => say(series));
  return line;
}

function say({ labels, texts, name, running }, index) {
  const line = chart?.root.parentElement?.querySelector("[data-reading]");
  if (!line) return;
  const at = index ?? labels.length - 1;
  const value = texts[at];
  const what = value === "1" ? name.toLowerCase().replace(/s$/, "") : name.toLowerCase();
  const state = running && at === labels.length - 1 ? " so far" : "";
  const strong = document.createElement("strong");
  strong.textContent = value === undefined ? "" : `${value} ${what}${state}`;
  line.replaceChildren(...(value === undefined ? [] : [`${labels[at]}: `, strong]));
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
  const step = times.length > 1 ? times[1] - times[0] : 0;
  const clock = { hour: "2-digit", minute: "2-digit" };
  const form = step < 80000 ? clock : step < 100000 ? { day: "numeric", month: "short" } : { month: "short", year: "numeric" };
  const format = new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...form });
  return (seconds) => format.format(new Date(seconds * 1000));
}

function options(uPlot, plot, series) {
  const times = [...series.times, ...series.later];
  const below = when(series.zone, times);
  const label = widest(times.map(below));
  const axis = { stroke: colour("--quiet"), font: FONT, ticks: { show: false } };
  const points = { show: series.times.length < 2 };
  const line = { label: series.name, stroke: colour("--accent"), fill: colour("--fill"), width: 2, points };
  return {
    width: plot.clientWidth,
    height: HEIGHT,
    padding: [TICK_GAP, Math.ceil(label / 2), 0, 0], // The last label is centred at the end of the axis.
    legend: { show: false },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), series.zone),
    // The crosshair is drawn through the nearest point.
    cursor: { y: false, drag: { x: false, y: false }, move: (self, left, top) => [snapped(self, left, series.times.length), top] },
    hooks: { setCursor: [({ cursor }) => say(series, cursor.idx ?? undefined)] },
    scales: { y: { range: (_, __, most) => [0, Math.max(4, (most ?? 0) * 1.1)] } },
    axes: [
      { ...axis, grid: { show: false }, size: 32, gap: 10, splits: thinned(times, label + LABEL_GAP), values: (_, splits) => splits.map(below) },
      {
        ...axis,
        grid: { stroke: colour("--line"), width: 1 },
        gap: TICK_GAP,
        values: (_, splits) => splits.map((split) => split.toLocaleString("en")),
        size: (_, labels) => Math.max(widest(labels ?? []) + 2 * TICK_GAP, Math.ceil(label / 2)),
        incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500].concat(
          [3, 4, 5, 6, 7, 8, 9].flatMap((power) => [10 ** power, 2 * 10 ** power, 5 * 10 ** power])),
      },
    ],
    series: [{}, ...(series.running ? [line, { ...line, dash: DASHES }] : [line])],
  };
}

/** Return the horizontal position of the point nearest to the pointer, among the first `count` points. */
function snapped(self, left, count) {
  if (left < 0 || !count) return left;
  const index = Math.min(self.posToIdx(left), count - 1);
  return self.valToPos(self.data[0][index], "x");
}
