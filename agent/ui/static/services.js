// Services and their instances: who gets requests, and why others don't.
import { el, say, attr, pill, repill, num, clock, span, Rows } from "./dom.js";
import { state, instancesOf, nameOf, word, tone } from "./store.js";

const few = 12; // so many services are shown open

export function services() {
  const filter = el("input", { type: "search", id: "service-filter", placeholder: "service, instance, node, address or tag", oninput: draw });
  const trouble = el("input", { type: "checkbox", id: "trouble", onchange: draw });
  const list = el("div.services"), changes = el("ol.changes"), summary = el("p");
  const quiet = el("p.muted", null, "None since this page was opened.");
  const node = el("section", { "aria-labelledby": "h" }, el("h2", { id: "h" }, "Services"), summary,
    el("div.bar", null, el("label", null, "Filter ", filter), el("label.check", null, trouble, " only with trouble")),
    list, el("h3", null, "Changes"), quiet, changes);
  const cards = new Rows(list, (n) => n, card);
  const told = new Rows(changes, (c) => c.n, (c) => ({
    node: el("li", null, el("time", null, clock(c.time)), " ", el("b", null, c.id), ` of ${c.service}: ${c.was} → `, pill(c.now, c.tone), c.why && c.why !== c.now ? el("span.muted", null, " " + c.why) : null), update() {},
  }));

  function figures(name) {
    const keys = instancesOf(name);
    let open = 0, bad = 0, inFlight = 0, rate = 0, failures = 0;
    for (const k of keys) {
      const i = state.instances.get(k), l = state.loads.get(k);
      if (tone(i) === "ok" || i.state === "open") open++;
      if (tone(i) === "bad") bad++;
      if (l) { inFlight += l.inFlight; rate += l.rate; failures += l.failures; }
    }
    return { keys, open, bad, inFlight, rate, failures };
  }

  function verdict(s, f) {
    if (!s.known) return ["no answer yet", "warn"];
    if (!f.keys.length) return ["not registered", "bad"];
    if (!f.open) return ["none of " + f.keys.length + " open", "bad"];
    return [`${f.open} of ${f.keys.length} open`, f.open < f.keys.length ? "warn" : "ok"];
  }

  function card(name) {
    const state_ = pill("", ""), load = el("span.num"), notes = el("p.note", { hidden: true }), body = el("tbody");
    const where = el("span.muted");
    const table = el("table.instances", null, el("caption.away", null, "Instances of " + name), el("thead", null, el("tr", null,
      ["Instance", "Address", "State", "In flight", "Requests", "Failures", "Why not"].map((t, i) => el(i > 2 && i < 6 ? "th.num" : "th", { scope: "col" }, t)))), body);
    const rows = new Rows(body, (k) => k, instance);
    const details = el("details", { open: state.services.size <= few }, el("summary", null, el("b", null, name), " ", state_, where, load), notes, table);
    details.addEventListener("toggle", () => update(name));
    function update(n) {
      const s = state.services.get(n);
      if (!s) return;
      const f = figures(n), [text, t] = verdict(s, f);
      repill(state_, text, t);
      say(where, [s.source, s.datacenter, s.routes && "for " + s.routes].filter(Boolean).join(" · "));
      say(load, `${num(f.inFlight)} in flight · ${num(f.rate)}/s` + (f.failures ? ` · ${num(f.failures)} failures` : ""));
      const why = [s.stale && "from an earlier run, not confirmed yet", s.held && "held back: " + s.held, s.error, s.age_s > 5 && `confirmed ${span(s.age_s * 1000)} ago`].filter(Boolean).join("; ");
      say(notes, why);
      notes.hidden = !why;
      table.hidden = !f.keys.length;
      if (details.open) rows.show(f.keys);
    }
    return { node: details, update };
  }

  function instance(key) {
    const cell = (label, c = "td") => el(c, { "data-label": label });
    const address = cell("Address"), what = pill("", ""), inFlight = cell("In flight", "td.num"), rate = cell("Requests", "td.num"), failures = cell("Failures", "td.num"), why = cell("Why not");
    const id = el("b"), more = el("span.muted");
    const row = el("tr", null, el("th", { scope: "row" }, id, more), address, el("td", { "data-label": "State" }, what), inFlight, rate, failures, why);
    return {
      node: row,
      update() {
        const i = state.instances.get(key), l = state.loads.get(key) ?? { inFlight: 0, rate: 0, failures: 0 };
        say(id, nameOf(key));
        say(address, i.address);
        say(more, [i.node, i.zone && "zone " + i.zone, i.weight !== 1 && "weight " + i.weight, i.tags].filter(Boolean).join(" · "));
        repill(what, word(i), tone(i));
        say(inFlight, num(l.inFlight));
        say(rate, num(l.rate) + "/s");
        say(failures, num(l.failures));
        attr(failures, "class", l.failures ? "num bad" : "num");
        say(why, [i.why, i.why && i.output && i.output.trim()].filter(Boolean).join(": "));
      },
    };
  }

  function draw() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let open = 0, all = 0, lame = 0;
    const names = [...state.services.keys()].sort((a, b) => a.localeCompare(b)).filter((n) => {
      const f = figures(n), s = state.services.get(n), t = verdict(s, f)[1];
      open += f.open; all += f.keys.length;
      if (t !== "ok") lame++;
      if (trouble.checked && t === "ok") return false;
      if (!words.length) return true;
      const text = [n, s.routes, ...f.keys.map((k) => { const i = state.instances.get(k); return `${nameOf(k)} ${i.address} ${i.node ?? ""} ${i.tags ?? ""} ${word(i)}`; })].join(" ").toLowerCase();
      return words.every((w) => text.includes(w));
    });
    say(summary, `${state.services.size} services, ${open} of ${all} instances open` + (lame ? `; ${lame} with trouble.` : "."));
    cards.show(names);
    told.show(state.changes.slice(0, 12));
    quiet.hidden = state.changes.length > 0;
  }
  return { node, draw };
}
