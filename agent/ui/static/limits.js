// Limits: what they let pass, and whose budgets are nearly spent.
import { el, say, num, span, pill, Rows } from "./dom.js";
import { state, last } from "./store.js";
import { limitChart } from "./chart.js";

function quota(l) {
  const unit = l.unit && l.unit !== "requests" ? " " + l.unit : "";
  if (l.in_flight != null) return `${num(l.in_flight)} in flight` + (l.quota ? ` of ${num(l.quota)} for each key` : "");
  const a = l.window_ms > 0 && l.algorithm === "token_bucket" && l.quota / l.window_ms;
  if (a) return `${num(l.quota)}${unit} at once, ` + (a >= 1e-3 ? `${num(a * 1e3)} a second` : a >= 1 / 6e4 ? `${num(a * 6e4)} a minute` : `${num(a * 36e5)} an hour`) + (l.share ? `, share ${l.share}` : "");
  return `${num(l.quota)}${unit} in ${l.calendar || span(l.window_ms)}` + (l.share ? `, share ${l.share}` : "");
}

export function limits() {
  const list = el("div.cards"), none = el("p.muted", null, "No limit is configured.");
  const node = el("section", { "aria-labelledby": "h" }, el("h2", { id: "h" }, "Limits"),
    el("p.muted", null, "Keys are shown by digests, which say nothing of who it is. ", el("code", null, "lictor explain -reveal"), " tells the digest of a request’s key."), none, list);
  const cards = new Rows(list, (n) => n, (name) => {
    const first = state.limits.get(name);
    const chart = limitChart({ height: 48, least: 0.5 }), what = el("p"), who = el("p.muted"), rates = el("p.figures");
    const keys = el("tbody"), held = el("span");
    const rows = new Rows(keys, (k) => k.key, (k) => {
      const left = el("td.num"), back = el("td.num");
      return { node: el("tr", null, el("td", null, el("code", null, k.key)), left, back), update(v) { say(left, num(v.remaining)); say(back, span(v.reset_ms)); } };
    });
    const adaptive = el("p.muted");
    const top = el("details", null, el("summary", null, held), el("table", null, el("caption.away", null, "Keys of " + name + " with the least left"),
      el("thead", null, el("tr", null, el("th", { scope: "col" }, "Key"), el("th.num", { scope: "col" }, "Left"), el("th.num", { scope: "col" }, "All back in"))), keys));
    const mode = first.mode === "enforcing" ? null : pill(first.mode, "warn");
    const box = el("article.card", { "aria-label": name }, el("h3", null, name, " ", el("span.muted", null, first.algorithm.replaceAll("_", " ")), " ", mode), what, who, chart.node, rates, adaptive, top);
    return {
      node: box,
      update() {
        const l = state.limits.get(name), p = last("limits", name);
        say(what, `${quota(l)} for each ${l.key || "gateway"}`);
        say(who, [l.gateway && "every request", l.routes.length && "routes " + l.routes.join(", "), l.scope !== "local" && l.scope].filter(Boolean).join(" · ") || "used by nobody");
        chart.draw(state.history.limits.get(name) ?? [], state.kept, state.time, `Decisions of ${name}: now ${num(p[0] + p[2])} allowed and ${num(p[1])} denied a second`);
        say(rates, `${num(p[0] + p[2])}/s allowed` + (p[2] ? `, ${num(p[2])}/s of them delayed` : "") + `, ${num(p[1])}/s denied` + (p[3] > 0 ? `, ${num(p[3])}/s would be denied` : "") + (l.store_error ? `; ${num(l.store_error)} errors of the store` : ""));
        say(held, `${num(l.keys)} of at most ${num(l.max_keys)} keys` + (state.tops.get(name)?.length ? "; those with the least left" : ""));
        say(adaptive, (l.adaptive ?? []).slice(0, 8).map((a) => `${a.key ?? ""} ${num(a.limit)} allowed in flight`).join("; "));
        rows.show(state.tops.get(name) ?? []);
      },
    };
  });
  function draw() {
    cards.show([...state.limits.keys()].sort());
    none.hidden = state.limits.size > 0;
  }
  return { node, draw };
}
