// The frame of the page: views, the stream of events, and what is always there.
import { el, say, attr, repill, clock, span } from "./dom.js";
import { state, replace, step, instancesOf, tone } from "./store.js";
import { traffic } from "./traffic.js";
import { services } from "./services.js";
import { limits } from "./limits.js";
import { answers, unknown } from "./answers.js";
import { explain } from "./explain.js";
import { status } from "./status.js";

const views = { traffic, services, limits, answers, unknown, explain, status };
const $ = (id) => document.getElementById(id);
const main = $("main");
let view = null, name = "", paused = false, drawn = 0;

function open(focus) {
  const wanted = location.hash.slice(1).split("/")[0];
  name = Object.hasOwn(views, wanted) ? wanted : "traffic";
  view?.close?.();
  view = views[name]();
  main.replaceChildren(view.node);
  const link = document.querySelector(`nav a[href="#${name}"]`);
  for (const a of document.querySelectorAll("nav a")) attr(a, "aria-current", a === link ? "page" : null);
  link.scrollIntoView?.({ block: "nearest", inline: "nearest" });
  document.title = `${link.firstChild.textContent.trim()} – Lictor`;
  if (focus) { main.focus({ preventScroll: true }); scrollTo(0, 0); }
  draw();
}

// draw shows what is known, at most once a frame, and nothing while nobody looks.
function draw() {
  if (!state.gateway || drawn) return;
  drawn = requestAnimationFrame(() => {
    drawn = 0;
    frame();
    view.draw();
    document.documentElement.dataset.step = state.time;
  });
}

function frame() {
  const g = state.gateway;
  say($("node"), g.node);
  say($("version"), `Lictor ${g.version} · generation ${g.generation}`);
  say($("clock"), `as of ${clock(state.time)} · up ${span(state.time - g.started)}`);
  repill($("readiness"), g.reasons.length ? "not ready" : "ready", g.reasons.length ? "bad" : "ok");
  attr($("readiness"), "title", g.reasons.join("\n") || null);
  let lame = 0;
  for (const s of state.services.keys()) if (!instancesOf(s).length || instancesOf(s).some((k) => tone(state.instances.get(k)) === "bad")) lame++;
  const counts = { services: lame, unknown: state.unknown?.paths.length ?? 0, status: g.reasons.length + g.warnings.length + (g.load && !g.load.ok ? 1 : 0) };
  const told = { services: "with trouble", unknown: "paths", status: "to see to" };
  for (const c of document.querySelectorAll("[data-count]")) {
    const n = counts[c.dataset.count];
    say(c, n || "");
    attr(c, "aria-label", n ? `${n} ${told[c.dataset.count]}` : null);
    attr(c, "class", "count" + (n && c.dataset.count !== "unknown" ? " bad" : ""));
  }
}

// tell has a screen reader say something, one thing at a time.
function tell(text) { say($("said"), text); }

let source = null, tries = 0, changes = 0;
function connect() {
  source?.close();
  source = new EventSource("/ui/events");
  source.addEventListener("state", (e) => {
    tries = 0;
    replace(JSON.parse(e.data));
    repill($("link"), "live", "ok");
    announce();
    draw();
  });
  source.addEventListener("step", (e) => {
    step(JSON.parse(e.data));
    announce();
    if (!paused) draw();
  });
  source.addEventListener("signed-out", () => location.assign("/ui/sign-in"));
  source.addEventListener("error", () => {
    repill($("link"), "no connection", "bad");
    source.close(); // the next one begins with everything
    setTimeout(() => { if (source) connect(); }, Math.min(10000, 500 * 2 ** tries++));
  });
}

function announce() {
  const fresh = state.changes.filter((c) => c.n > changes);
  if (!fresh.length) return;
  changes = fresh[0].n;
  tell(fresh.length > 3 ? `${fresh.length} instances changed` : fresh.map((c) => `${c.id} of ${c.service} is ${c.now}`).join(". "));
}

$("pause").addEventListener("click", () => {
  paused = !paused;
  attr($("pause"), "aria-pressed", String(paused));
  say($("pause"), paused ? "Resume" : "Pause");
  if (!paused) draw();
});

const themes = ["auto", "light", "dark"];
function theme(next) {
  const root = document.documentElement;
  if (next === "auto") delete root.dataset.theme;
  else root.dataset.theme = next;
  try { localStorage.setItem("lictor-theme", next); } catch { /* then it lasts as long as the page */ }
  say($("theme"), "Theme: " + next);
}
say($("theme"), "Theme: " + (document.documentElement.dataset.theme ?? "auto"));
$("theme").addEventListener("click", () => theme(themes[(themes.indexOf(document.documentElement.dataset.theme ?? "auto") + 1) % 3]));

addEventListener("hashchange", () => open(true));
// A page that nobody sees for a minute lets go of the stream: browsers have few
// connections for all of their tabs.
let asleep = 0;
document.addEventListener("visibilitychange", () => {
  clearTimeout(asleep);
  if (document.hidden) asleep = setTimeout(() => { source.close(); source = null; }, 60000);
  else if (!source) connect();
});
addEventListener("pagehide", () => source?.close());
addEventListener("pageshow", (e) => { if (e.persisted) connect(); });
document.querySelector(".skip").addEventListener("click", (e) => { e.preventDefault(); main.focus(); });
main.replaceChildren(el("p.muted", null, "Waiting for the gateway …"));
open(false);
connect();
