// The answers that the gateway made itself, and the paths that no route takes.
import { el, say, num, clock, span, pill, Rows } from "./dom.js";
import { state } from "./store.js";

const toneOf = (status) => (status >= 500 ? "bad" : status >= 400 ? "warn" : "ok");

export function answers() {
  const kind = el("select", { id: "kind", onchange: draw }, el("option", { value: "" }, "all"));
  const filter = el("input", { type: "search", id: "answer-filter", placeholder: "path, host, route, client or request id", oninput: draw });
  const body = el("tbody"), none = el("p.muted", null, "None that this gateway remembers.");
  const table = el("table.answers", null, el("caption.away", null, "Answers that the gateway made itself, newest first"), el("thead", null, el("tr", null,
    ["Time", "Answer", "Request", "Route", "Why", "Client", "Request id"].map((t) => el("th", { scope: "col" }, t)))), body);
  const node = el("section", { "aria-labelledby": "h" }, el("h2", { id: "h" }, "Answers of the gateway’s own"),
    el("p.muted", null, "Refusals, and what it says when an instance failed: the last sixteen of each kind, and what has come since you are here. Paths are without their query, clients are digests; the access log has the rest by the request id."),
    el("div.bar", null, el("label", null, "Kind ", kind), el("label", null, "Filter ", filter)), table, none);
  const rows = new Rows(body, (a) => a.n, (a) => ({
    node: el("tr", null, el("td", { "data-label": "Time" }, el("time", { datetime: a.time }, clock(a.time))),
      el("td", { "data-label": "Answer" }, pill(String(a.status), toneOf(a.status)), " " + a.problem),
      el("td.wrap", { "data-label": "Request" }, el("span.method", null, a.method), " ", el("span.muted", null, a.host), a.path),
      el("td", { "data-label": "Route" }, a.route || "–"),
      el("td.wrap", { "data-label": "Why" }, [a.limit && "limit " + a.limit, a.cause].filter(Boolean).join(": ") || "–"),
      el("td", { "data-label": "Client" }, el("code", { title: a.client }, a.client.slice(0, 8))),
      el("td", { "data-label": "Request id" }, el("code", { title: a.id }, a.id.slice(0, 12)))),
    update() {},
  }));
  function draw() {
    const kinds = [...new Set(state.answers.map((a) => a.problem))].sort();
    for (const k of kinds) if (![...kind.options].some((o) => o.value === k)) kind.append(el("option", { value: k }, k));
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const list = state.answers.filter((a) => (!kind.value || a.problem === kind.value) &&
      words.every((w) => `${a.path} ${a.host} ${a.method} ${a.route} ${a.client} ${a.id} ${a.limit ?? ""} ${a.cause ?? ""}`.toLowerCase().includes(w)));
    rows.show(list.slice(0, 100));
    none.hidden = list.length > 0;
    table.hidden = list.length === 0;
  }
  return { node, draw };
}

export function unknown() {
  const summary = el("p"), body = el("tbody");
  const table = el("table.unknown", null, el("caption.away", null, "Paths that no route takes, the most asked for first"), el("thead", null, el("tr", null,
    ["Path", "Requests", "Callers", "Last", "Nearest route"].map((t, i) => el(i === 1 || i === 2 ? "th.num" : "th", { scope: "col" }, t)))), body);
  const node = el("section", { "aria-labelledby": "h" }, el("h2", { id: "h" }, "Unknown paths"),
    el("p.muted", null, "Interfaces that somebody asks for and that no route offers: shadow APIs, typing errors, and scanners. {n} and {id} stand for what looks like a number or an id; callers are digests. ", el("code", null, "lictor unknown"), " tells the same in a terminal."), summary, table);
  const rows = new Rows(body, (p) => p.host + " " + p.path, () => {
    const path = el("b.mono"), sub = el("span.muted"), requests = el("td.num", { "data-label": "Requests" }), callers = el("td.num", { "data-label": "Callers" }), last = el("td", { "data-label": "Last" });
    const route = el("b"), why = el("span.muted"), near = el("td.wrap", { "data-label": "Nearest route" }, route, " ", why);
    return {
      node: el("tr", null, el("th.wrap", { scope: "row" }, path, sub), requests, callers, last, near),
      update(p) {
        say(path, p.path);
        say(sub, `${p.methods.join(", ")} ${p.host}`);
        say(requests, (p.over ? "≤ " : "") + num(p.requests));
        say(callers, "≈ " + num(p.callers));
        callers.title = p.top_callers.map((c) => `${c.caller}: ${c.requests}`).join("\n");
        say(last, span(Math.max(0, state.time - Date.parse(p.last))) + " ago");
        say(route, p.nearest?.route ?? "–");
        say(why, p.nearest?.why ?? "");
      },
    };
  });
  function draw() {
    const u = state.unknown ?? { requests: 0, paths: [] };
    say(summary, u.requests ? `${num(u.requests)} requests that no route took, since the gateway started.` : "Every request so far found a route.");
    rows.show(u.paths);
    table.hidden = !u.paths.length;
  }
  return { node, draw };
}
