// Draws the table of a series as a chart. Without JavaScript or uPlot, the table remains.

const LABEL_WIDTH = 90;

let chart;
let drawn = "";

/** Draw the chart of a page again if its data has changed. */
export async function draw(page) {
  const plot = page.querySelector("[data-plot]");
  const table = page.querySelector("[data-series]");
  if (!plot || !table) return;
  const rows = [...table.querySelectorAll("[data-time]")].map(({ dataset }) => [+dataset.time, +dataset.value]);
  const zone = plot.dataset.zone;
  const state = JSON.stringify([table.dataset.series, zone, rows, colour("--accent")]);
  if (state === drawn) return;
  drawn = state;
  const uPlot = await load();
  if (!uPlot) {
    plot.classList.add("none");
    plot.parentElement.querySelector("details").open = true;
    return;
  }
  chart?.destroy();
  chart = new uPlot(options(uPlot, plot, table, zone, rows), [rows.map(([t]) => t), rows.map(([, v]) => v)], plot);
  resized ??= new ResizeObserver(() => chart.setSize({ width: plot.clientWidth, height: 240 }));
  resized.observe(plot);
}

let resized;

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

/** Return the points to label below the chart, as many as fit. */
function thinned(rows) {
  return ({ width }) => {
    const every = Math.ceil(rows.length / Math.max(2, Math.floor(width / LABEL_WIDTH)));
    return rows.filter((_, at) => at % every === 0).map(([time]) => time);
  };
}

/** Return a formatter for the labels below the chart, as coarse as the steps of the series. */
function when(zone, rows) {
  const step = rows.length > 1 ? rows[1][0] - rows[0][0] : 0;
  const clock = { hour: "2-digit", minute: "2-digit" };
  const form = step < 80000 ? clock : step < 100000 ? { day: "numeric", month: "short" } : { month: "short", year: "numeric" };
  const format = new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...form });
  return (seconds) => format.format(new Date(seconds * 1000));
}

function options(uPlot, plot, table, zone, rows) {
  const axis = { stroke: colour("--quiet"), font: "12px Inter, system-ui, sans-serif", ticks: { show: false } };
  const labels = [...table.querySelectorAll("tbody tr")].map((row) => row.cells[0].textContent);
  return {
    width: plot.clientWidth,
    height: 240,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
    cursor: { y: false, drag: { x: false, y: false } },
    scales: { y: { range: (_, __, most) => [0, Math.max(4, most * 1.1)] } },
    axes: [
      { ...axis, grid: { show: false }, size: 32, gap: 10, splits: thinned(rows), values: (_, splits) => splits.map(when(zone, rows)) },
      { ...axis, grid: { stroke: colour("--line"), width: 1 }, size: 48, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500].concat(
        [3, 4, 5, 6, 7, 8, 9].flatMap((power) => [10 ** power, 2 * 10 ** power, 5 * 10 ** power])) },
    ],
    series: [
      { label: "Time", value: (_, __, ___, index) => labels[index ?? labels.length - 1] },
      {
        label: table.tHead.rows[0].cells[1].textContent,
        stroke: colour("--accent"),
        fill: colour("--bar"),
        width: 2,
        points: { show: rows.length < 2 },
        value: (_, __, ___, index) => rows[index ?? rows.length - 1]?.[1].toLocaleString("en"),
      },
    ],
  };
}
