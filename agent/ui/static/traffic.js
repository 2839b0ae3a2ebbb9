// Requests, errors and latency: of all routes together, and of each.
import { el, say, attr, num, ms, share, Rows } from "./dom.js";
import { state, last, lately } from "./store.js";
import { rateChart, timeChart } from "./chart.js";

const columns = [
  ["route", "Route", (n) => (n === "-" ? "\uffff" : n)],
  ["rate", "Requests", (n) => -last("routes", n)[0]],
  ["errors", "Errors", (n) => -last("routes", n)[2]],
  ["p50", "p50", (n) => -last("routes", n)[3]],
  ["p99", "p99", (n) => -last("routes", n)[4]],
];

export function traffic() {
  const rate = rateChart({ large: true, height: 120, label: "Requests" });
  const time = timeChart({ large: true, height: 120, label: "Time to the end of the answer" });
  const tiles = ["Requests", "Answers 4xx", "Answers 5xx", "Median", "99th percentile", "In flight", "Instances open"].map((label) => {
    const value = el("b"), of = el("small.muted"), box = el("div.tile", null, el("span", null, label), value, of);
    return { box, value, of };
  });
  const filter = el("input", { type: "search", id: "route-filter", placeholder: "name, host, path or service", oninput: () => draw(true) });
  let by = "route";
  const heads = columns.map(([id, label]) => {
    const button = el("button.sort", { type: "button", onclick: () => { by = id; draw(true); } }, label);
    return el(id === "route" ? "th" : "th.num", { scope: "col" }, button);
  });
  const body = el("tbody");
  const rows = new Rows(body, (n) => n, makeRow);
  const table = el("table.routes", null, el("caption.away", null, "Routes, with what happened in the last five seconds"),
    el("thead", null, el("tr", null, heads[0], heads[1], el("th", { scope: "col" }, "5 minutes"), heads[2], heads[3], heads[4], el("th", { scope: "col" }, "p50 and p99"))), body);
  const empty = el("p.muted", { hidden: true }, "No route is called like that.");
  const node = el("section", { "aria-labelledby": "h" },
    el("h2", { id: "h" }, "Traffic"), el("div.tiles", null, tiles.map((t) => t.box)), el("div.pair", null, rate.node, time.node),
    el("div.bar", null, el("h3", null, "Routes"), el("label", null, "Filter ", filter)), table, empty);

  // Only what can be seen is drawn.
  const seen = new IntersectionObserver((entries) => {
    for (const e of entries) { e.target.shown = e.isIntersecting; if (e.isIntersecting) e.target.paint?.(); }
  }, { rootMargin: "200px" });

  function makeRow(name) {
    const path = el("span.muted"), small = rateChart({ least: 0.5 }), slow = timeChart({});
    const cells = columns.slice(1).map(([, label]) => el("td.num", { "data-label": label }));
    const label = name === "-" ? el("em", null, "no route matched") : el("b", null, name);
    const row = el("tr", null, el("th", { scope: "row" }, label, path), cells[0], el("td.spark", null, small.node), cells[1], cells[2], cells[3], el("td.spark", null, slow.node));
    row.paint = () => {
      const points = state.history.routes.get(name) ?? [], p = last("routes", name);
      const peak = points.reduce((m, q) => Math.max(m, q ? q[0] : 0), 0);
      small.draw(points, state.kept, state.time, `Requests of ${name}: now ${num(p[0])} a second, at most ${num(peak)}`);
      slow.draw(points, state.kept, state.time, `Time of ${name}: median ${ms(p[3])}, 99th percentile ${ms(p[4])}`);
    };
    seen.observe(row);
    return {
      node: row,
      update() {
        const r = state.routes.get(name);
        say(path, r ? [r.hosts, r.path].filter(Boolean).join(" ") + (r.service ? " → " + r.service : "") + (r.from === "tag" ? " (by tag)" : "") : "");
        attr(row, "title", r?.at);
        const p = last("routes", name);
        say(cells[0], num(p[0]) + "/s");
        say(cells[1], p[0] ? share(p[2], p[0]) : "–");
        attr(cells[1], "class", p[2] > 0 ? "num bad" : "num");
        say(cells[2], ms(p[3]));
        say(cells[3], ms(p[4]));
        if (row.shown) row.paint();
      },
    };
  }

  function draw(now) {
    const t = lately(state.total);
    const open = [...state.instances.values()].filter((i) => i.state === "open").length;
    [num(t[0]) + "/s", share(t[1], t[0]), share(t[2], t[0]), ms(t[3]), ms(t[4]), num(state.gateway.in_flight), String(open)].forEach((v, i) => say(tiles[i].value, v));
    say(tiles[6].of, ` of ${state.instances.size}`);
    attr(tiles[2].box, "class", t[2] > 0 ? "tile bad" : "tile");
    rate.draw(state.total, state.kept, state.time, `Requests in the last five minutes: now ${num(t[0])} a second`);
    time.draw(state.total, state.kept, state.time, `Time to the end of the answer: median ${ms(t[3])}, 99th percentile ${ms(t[4])}`);
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let names = [...state.routes.keys()].filter((n) => {
      const r = state.routes.get(n), text = `${n} ${r.hosts ?? ""} ${r.path} ${r.service}`.toLowerCase();
      return words.every((w) => text.includes(w));
    });
    if (!words.length && state.history.routes.has("-")) names.push("-");
    // A table that somebody points at keeps its order.
    if (now || !table.matches(":hover, :focus-within")) {
      const value = columns.find(([id]) => id === by)[2];
      order = names.sort((a, b) => { const x = value(a), y = value(b); return x < y ? -1 : x > y ? 1 : a.localeCompare(b); });
    } else {
      const there = new Set(names), old = order.filter((n) => there.delete(n));
      order = old.concat([...there]);
    }
    columns.forEach(([id], i) => attr(heads[i], "aria-sort", id === by ? (id === "route" ? "ascending" : "descending") : null));
    rows.show(order);
    empty.hidden = order.length > 0;
  }
  let order = [];
  return { node, draw, close: () => seen.disconnect() };
}
