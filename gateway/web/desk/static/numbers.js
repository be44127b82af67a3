// Draws the figures of a page in the reader's colours. The tables say the same: nothing is lost without this script.
"use strict";
const { plotly } = document.currentScript.dataset;
const figures = JSON.parse(document.getElementById("figures").textContent);
const places = [...document.querySelectorAll("figure.plot > div")];
const dark = matchMedia("(prefers-color-scheme: dark)");
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const NARROW = 560; // pixels: a phone

function dressed({ data, layout }, width) {
  const ink = colour("ink"), line = colour("line"), ground = colour("ground"), narrow = width < NARROW;
  const axis = (one) => ({ ...one, gridcolor: line, zerolinecolor: line, linecolor: line });
  const short = (text) => (text.length > 20 ? `${text.slice(0, 19)}…` : text);
  const names = narrow && layout.yaxis.type === "category" && { tickvals: data[0].y, ticktext: data[0].y.map(short) };
  const top = layout.showlegend ? (narrow ? 90 : 45) : 10;
  return {
    data: data.map((one) => ({
      ...one,
      ...(one.type === "heatmap" && dark.matches && { colorscale: [[0, colour("sheet")], [1, "#2f6db5"]] }),
      ...(one.text && narrow && { text: one.text.map((text) => text.split(", ")[0]) }),
    })),
    layout: {
      ...layout, title: undefined, height: layout.height - layout.margin.t + top, margin: { ...layout.margin, t: top },
      xaxis: axis(layout.xaxis), yaxis: { ...axis(layout.yaxis), ...names }, font: { ...layout.font, color: ink, size: narrow ? 11 : 13 },
      paper_bgcolor: ground, plot_bgcolor: ground, dragmode: false,
      hoverlabel: { bgcolor: colour("sheet"), bordercolor: line, font: { color: ink } },
    },
  };
}

function draw() {
  figures.forEach((one, place) => {
    const { data, layout } = dressed(one, places[place].clientWidth);
    Plotly.react(places[place], data, layout, { displayModeBar: false, responsive: true });
  });
}

function listen() { // to a click on a bar or a point: its leads
  for (const [place, one] of places.entries()) {
    const numbers = figures[place].numbers;
    if (!numbers) continue;
    one.classList.add("linked");
    one.on("plotly_click", ({ points: [{ curveNumber, pointIndex }] }) => {
      const number = numbers[curveNumber]?.[[pointIndex].flat()[0]];
      if (number) location.href = one.dataset.leads + encodeURIComponent(number);
    });
  }
}

const script = document.createElement("script");
script.src = plotly;
script.onload = () => {
  draw();
  listen();
  dark.addEventListener("change", draw);
};
document.head.append(script);
