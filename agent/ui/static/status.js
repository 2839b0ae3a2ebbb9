// The gateway itself: whether it should get traffic, what it was loaded with, and
// how fresh its catalog is.
import { el, say, span, clock, repill, pill, num, Rows } from "./dom.js";
import { state } from "./store.js";

export function status() {
  const ready = pill("", ""), reasons = el("ul"), warnings = el("ul"), facts = el("dl.facts"), sources = el("tbody");
  const load = el("p"), notes = el("ul"), diagnostics = el("pre", { tabindex: "0", "aria-label": "Diagnostics of the last reload" });
  const quiet = el("p.muted", null, "None.");
  const node = el("section", { "aria-labelledby": "h" }, el("h2", { id: "h" }, "Status"),
    el("h3", null, "Readiness"), el("p", null, ready), reasons,
    el("h3", null, "Warnings"), quiet, warnings,
    el("h3", null, "Last reload"), load, notes, diagnostics,
    el("h3", null, "Catalog"), el("table", null, el("caption.away", null, "Sources of the catalog"), el("thead", null, el("tr", null, ["Source", "Confirmed", "Waiting for", "Error"].map((t) => el("th", { scope: "col" }, t)))), sources),
    el("h3", null, "Gateway"), facts);
  const text = (parent) => new Rows(parent, (t) => t, (t) => ({ node: el("li", null, t), update() {} }));
  const why = text(reasons), warns = text(warnings), noted = text(notes);
  const table = new Rows(sources, (s) => s.name, (s) => {
    const cells = [el("td"), el("td"), el("td.wrap")];
    return { node: el("tr", null, el("th", { scope: "row" }, s.name), cells), update(v) {
      say(cells[0], v.age_s ? span(v.age_s * 1000) + " ago" : "now");
      say(cells[1], v.pending ? `${v.pending} services` : "–");
      say(cells[2], v.error ?? "–");
    } };
  });
  const rows = new Rows(facts, (f) => f[0], (f) => {
    const dd = el("dd");
    return { node: el("div", null, el("dt", null, f[0]), dd), update: (v) => say(dd, v[1]) };
  });
  function draw() {
    const g = state.gateway;
    repill(ready, g.reasons.length ? "not ready" : "ready", g.reasons.length ? "bad" : "ok");
    why.show([...new Set(g.reasons)]);
    const list = [...new Set(g.warnings)];
    warns.show(list);
    quiet.hidden = list.length > 0;
    const l = g.load;
    if (l) {
      const began = g.reloads + g.reloads_refused === 0;
      say(load, `${began ? "Loaded" : l.ok ? "Reloaded" : "Refused, the configuration before stays"} at ${clock(l.time)}; generation ${g.generation} serves.` + (l.ok && !l.diagnostics ? " Nothing to complain about." : ""));
      load.className = l.ok ? "" : "bad";
      noted.show([...new Set(l.notes ?? [])]);
      say(diagnostics, l.diagnostics ?? "");
      diagnostics.hidden = !l.diagnostics;
    }
    table.show(g.sources ?? []);
    rows.show([["Node", g.node], ["Version", g.version], ["Up", span(state.time - g.started)], ["Generation", g.generation], ["Reloads", `${g.reloads}, ${g.reloads_refused} refused`], ["In flight", num(g.in_flight)], ["Client connections", num(g.connections)]]);
  }
  return { node, draw };
}
