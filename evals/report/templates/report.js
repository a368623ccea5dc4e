(function () {
  "use strict";
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const narrow = window.matchMedia("(max-width: 40rem)");

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  }

  function themed(chart) {
    const ink = colour("ink"), line = colour("line"), symbols = ["circle", "square", "diamond", "triangle-up", "cross", "star", "x", "hexagon"];
    const data = chart.data.map(function (given) {
      const trace = JSON.parse(JSON.stringify(given));
      const slot = trace.slot;
      delete trace.slot;
      if (trace.type === "heatmap") {
        trace.colorscale = [[0, colour("heat0")], [1, colour("heat1")]];
        trace.textfont = { color: ink };
        return trace;
      }
      const paint = typeof slot === "number" ? colour("c" + (slot % 8)) : colour(slot || "ink");
      trace.marker = Object.assign({ color: paint, symbol: symbols[(typeof slot === "number" ? slot : 0) % 8] }, trace.marker);
      trace.line = Object.assign({ color: paint }, trace.line);
      ["error_x", "error_y"].forEach(function (name) {
        if (trace[name]) { trace[name].color = paint; trace[name].thickness = 2; }
      });
      return trace;
    });
    const axis = { gridcolor: line, zerolinecolor: ink, linecolor: line, tickfont: { color: ink }, automargin: true };
    const layout = Object.assign({ height: 420 }, JSON.parse(JSON.stringify(chart.layout)));
    layout.xaxis = Object.assign({}, axis, layout.xaxis);
    layout.yaxis = Object.assign({}, axis, layout.yaxis);
    layout.paper_bgcolor = colour("paper");
    layout.plot_bgcolor = colour("paper");
    layout.font = { color: ink, size: narrow.matches ? 11 : 13, family: "system-ui, sans-serif" };
    layout.margin = { l: 55, r: narrow.matches ? 12 : 30, t: 20, b: 50 };
    layout.hoverlabel = { bgcolor: colour("card"), font: { color: ink } };
    layout.legend = { orientation: "h", y: -0.22, yanchor: "top", x: 0 };
    if (narrow.matches) { roomForLegend(data, layout); }
    layout.dragmode = false;
    return { data: data, layout: layout };
  }

  // On a phone every entry has a line of its own: the legend stands beneath the plot, which keeps its height.
  function roomForLegend(data, layout) {
    const named = data.filter(function (trace) { return trace.name && trace.showlegend !== false; });
    if (named.length < 2) { return; }
    const lines = named.reduce(function (sum, trace) { return sum + trace.name.split("<br>").length; }, 0);
    const plot = layout.height - 70, beneath = 60;
    layout.margin.b = beneath + 16 * lines + 6 * named.length;
    layout.height = 20 + plot + layout.margin.b;
    layout.legend = { orientation: "v", y: -beneath / plot, yanchor: "top", x: 0 };
  }

  function paint() {
    charts.forEach(function (chart) {
      const place = document.getElementById("chart-" + chart.id);
      if (!place) { return; }
      const made = themed(chart);
      place.style.minHeight = made.layout.height + "px";
      Plotly.react(place, made.data, made.layout, { responsive: true, displaylogo: false, displayModeBar: false });
    });
  }

  paint();
  dark.addEventListener("change", paint);
  narrow.addEventListener("change", paint);

  // A link to a task opens it.
  function open() {
    const found = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (found && found.tagName === "DETAILS") { found.open = true; }
  }
  window.addEventListener("hashchange", open);
  open();

  const filter = document.getElementById("filter");
  if (filter) {
    const tasks = Array.from(document.querySelectorAll("#tasks .task"));
    const told = document.getElementById("filter-count");
    filter.addEventListener("input", function () {
      const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      tasks.forEach(function (task) {
        const text = task.dataset.search;
        const keep = words.every(function (word) { return text.includes(word); });
        task.hidden = !keep;
        task.style.display = keep ? "" : "none";
        shown += keep ? 1 : 0;
      });
      told.textContent = shown + " of " + tasks.length + " tasks shown";
    });
  }
})();
