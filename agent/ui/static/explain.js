// What POST /v1/explain tells as a form, and its answer as a tree.
import { el, pill } from "./dom.js";

const tones = { passes: "ok", delayed: "warn", "would refuse": "warn", refuses: "bad", answers: "warn", "not known": "warn", "not explained": "warn", "not reached": "" };

export function explain() {
  const field = (name, label, input, hint) => {
    input.id = "x-" + name;
    input.name = name;
    if (hint) input.setAttribute("aria-describedby", input.id + "-hint");
    return el("div.field", null, el("label", { for: input.id }, label), input, hint ? el("small.muted", { id: input.id + "-hint" }, hint) : null);
  };
  const methods = el("datalist", { id: "methods" }, ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"].map((m) => el("option", { value: m })));
  const out = el("div", { role: "region", "aria-live": "polite", "aria-label": "Explanation" });
  const button = el("button.primary", { type: "submit" }, "Explain");
  const form = el("form.explain", { onsubmit: send, autocomplete: "off" }, methods,
    el("div.line", null,
      field("method", "Method", el("input", { value: "GET", list: "methods", size: 8, spellcheck: "false" })),
      field("url", "URL or path", el("input", { required: true, placeholder: "https://api.example.com/orders/42", spellcheck: "false", autocapitalize: "none" }))),
    field("headers", "Headers", el("textarea", { rows: 2, spellcheck: "false", placeholder: "Name: value" }), "One on each line."),
    el("div.line", null,
      field("token", "Bearer token", el("input", { type: "password", autocomplete: "off", spellcheck: "false" }), "Sent to this gateway only, and kept nowhere."),
      field("from", "Client address", el("input", { placeholder: "127.0.0.1", spellcheck: "false" })),
      field("source", "Service that asks", el("input", { placeholder: "any", spellcheck: "false", autocapitalize: "none" }), "At a listener in the mesh.")),
    el("label.check", null, el("input", { type: "checkbox", name: "reveal" }), " show who the client is"), " ", button);
  const node = el("section", { "aria-labelledby": "h" }, el("h2", { id: "h" }, "Explain"),
    el("p.muted", null, "What would become of a request, and why. Nothing is sent, charged or logged."), form, out);

  async function send(event) {
    event.preventDefault();
    const f = form.elements, body = { url: f.url.value.trim() };
    if (f.method.value.trim()) body.method = f.method.value.trim().toUpperCase();
    const headers = f.headers.value.split("\n").map((l) => l.trim()).filter(Boolean);
    if (headers.length) body.headers = headers;
    if (f.token.value) body.token = f.token.value;
    if (f.from.value.trim()) body.from = f.from.value.trim();
    if (f.source.value.trim()) body.source = f.source.value.trim();
    if (f.reveal.checked) body.reveal = true;
    button.disabled = true;
    try {
      const answer = await fetch("/ui/explain", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
      const e = await answer.json();
      out.replaceChildren(answer.ok ? tree(e) : el("p.bad", { role: "alert" }, e.title ?? "The gateway refused to tell."));
    } catch (e) {
      out.replaceChildren(el("p.bad", { role: "alert" }, "The gateway can’t be reached."));
    } finally {
      button.disabled = false;
      f.token.value = "";
    }
  }
  return { node, draw() {} };
}

// branch is a part of the tree that can be folded.
function branch(open, head, ...children) {
  const list = children.flat().filter(Boolean);
  if (!list.length) return el("li", null, el("span.leaf", null, head));
  return el("li", null, el("details", { open }, el("summary", null, head), el("ul", null, list)));
}
const leaf = (...parts) => el("li", null, el("span.leaf", null, ...parts));
const fact = (name, value) => value === undefined || value === "" || value === null ? null : leaf(el("span.muted", null, name.replaceAll("_", " ") + " "), show(value));
const show = (v) => (Array.isArray(v) ? v.join(", ") : typeof v === "boolean" ? (v ? "yes" : "no") : typeof v === "object" ? JSON.stringify(v) : String(v));

// facts shows what is simple in one line, and the rest below it.
function facts(o) {
  const all = Object.entries(o ?? {}), nested = (v) => v && typeof v === "object" && !Array.isArray(v);
  const simple = all.filter(([, v]) => !nested(v) && v !== "" && v !== null).map(([k, v]) => el("span.fact", null, el("span.muted", null, k.replaceAll("_", " ") + " "), show(v)));
  return [simple.length ? leaf(...simple) : null, ...all.filter(([, v]) => nested(v)).map(([k, v]) => branch(true, k.replaceAll("_", " "), facts(v)))];
}

function step(s) {
  return branch(s.verdict !== "not reached", [el("b", null, s.step), " ", pill(s.verdict, tones[s.verdict]), s.why ? " " + s.why : ""], facts(s.facts), (s.parts ?? []).map(step));
}

// share says of one of those among whom a route divides its requests what part it gets.
function share(v) {
  const percent = (x) => (100 * x).toFixed(1).replace(/\.0$/, "") + "%";
  return [v.tags?.length ? "tags " + v.tags.join(", ") : "", v.port ? "port " + v.port : "", percent(v.share) + " of the requests" + (v.share === v.due ? "" : ", due " + percent(v.due))].filter(Boolean).join(" · ");
}

export function tree(e) {
  const o = e.outcome;
  const title = o.reaches ? `Reaches ${e.upstream?.pick || "an instance"}` : o.status ? `The gateway answers ${o.status}` : "The gateway answers";
  const head = el("p.outcome." + (o.reaches ? "ok" : "bad"), null, el("b", null, title), o.certain ? "" : ", as far as can be told", o.title ? ": " + o.title : "", o.detail ? ". " + o.detail : "");
  const r = e.request, u = e.upstream;
  const lost = e.routes.filter((c) => !c.won);
  const root = el("ul.tree", null,
    branch(false, [el("b", null, "request"), ` ${r.method} ${r.scheme}://${r.host}${r.path}`], fact("normal path", r.normal_path), fact("query", r.query), fact("listener", r.listener), fact("peer", r.peer), fact("client", r.client)),
    e.gateway_steps.length ? branch(true, el("b", null, "gateway"), e.gateway_steps.map(step)) : null,
    branch(true, [el("b", null, "route "), e.route ? el("span", null, e.route) : pill("none", "bad")],
      e.routes.filter((c) => c.won).map((c) => fact("written at", c.at)),
      lost.length ? branch(!e.route, `${lost.length + e.routes_left_out} other routes`, lost.map((c) => leaf(el("b", null, c.name), c.closest ? [" ", pill("closest", "warn")] : "", ` lost by ${c.lost}: ${c.why ?? ""}`)), e.routes_left_out ? leaf(`and ${e.routes_left_out} more`) : null) : null),
    e.steps.length ? branch(true, el("b", null, "steps"), e.steps.map(step)) : null,
    e.sent ? branch(false, [el("b", null, "sent"), ` ${e.sent.method} ${e.sent.path}${e.sent.query ? "?" + e.sent.query : ""} to ${e.sent.host}`],
      e.sent.added.map((f) => leaf(el("span.muted", null, "added "), `${f.name}: ${f.value}`)), fact("kept", e.sent.kept.length ? e.sent.kept : undefined), fact("removed", e.sent.removed.length ? e.sent.removed : undefined)) : null,
    u ? branch(true, [el("b", null, "instances "), u.pick ? `${u.pick} by ${u.balance}` : u.balance, u.reason ? " " + u.reason : ""], fact("spoken to", u.spoken === "clear" ? "in clear" : "through " + u.spoken),
      u.services.map((s) => branch(true, [el("b", null, s.name), s.share ? [" ", el("span.muted", null, share(s.share)), s.next ? [" ", pill("next", "ok")] : ""] : "", s.instances.length ? "" : [" ", pill(s.known ? "not registered" : "no answer yet", "bad")]], fact("error", s.error), fact("catalog index", s.index),
        s.instances.map((i) => leaf(el("b", null, i.id), " ", pill(i.state, i.state === "open" ? "ok" : "bad"), ` ${i.address}, ${i.health}, ${i.in_flight} in flight`, i.why ? el("span.muted", null, " " + i.why + (i.output ? ": " + i.output.trim() : "")) : ""))))) : null,
    !o.reaches ? branch(false, el("b", null, "answer"), fact("type", o.problem), fact("cause", o.cause), (o.fields ?? []).map((f) => leaf(`${f.name}: ${f.value}`))) : null,
    e.warnings.length ? branch(true, el("b", null, "warnings"), e.warnings.map((w) => leaf(w))) : null);
  return el("div", null, head, root);
}
