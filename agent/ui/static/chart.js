// Charts as SVG, drawn by hand: time runs to the right, the newest point is at the
// edge.
import { svg, el, attr, say, clock, ms, num } from "./dom.js";

const width = 300;
const none = [0, 0, 0, -1, -1];

// scale returns a round number that is at least v.
export function scale(v, least) {
  v = Math.max(v, least);
  const p = 10 ** Math.floor(Math.log10(v));
  for (const m of [1, 1.5, 2, 3, 4, 5, 7.5, 10]) if (v <= m * p * 1.0001) return m * p;
  return 10 * p;
}

// line makes a path of values; null ends one stretch and begins another.
function line(values, kept, height, place, close) {
  let d = "", open = false, lastX = 0;
  const from = kept - values.length;
  for (let i = 0; i < values.length; i++) {
    const v = values[i], x = ((from + i) / (kept - 1)) * width;
    if (v == null) {
      if (open && close) d += `L${lastX.toFixed(1)} ${height}Z`;
      open = false;
      continue;
    }
    const y = height - Math.min(1, place(v)) * (height - 1);
    if (!open) d += close ? `M${x.toFixed(1)} ${height}L${x.toFixed(1)} ${y.toFixed(1)}` : `M${x.toFixed(1)} ${y.toFixed(1)}h.01`;
    else d += `L${x.toFixed(1)} ${y.toFixed(1)}`;
    open = true;
    lastX = x;
  }
  if (open && close) d += `L${lastX.toFixed(1)} ${height}Z`;
  return d;
}

// thin keeps the highest of each so many points. phase says how many the newest
// stretch has, so that stretches stay what they are as time goes on.
function thin(values, n, phase) {
  if (n < 2) return values;
  const out = [];
  for (let end = values.length, size = phase; end > 0; end -= size, size = n) {
    let best = null;
    for (let j = Math.max(0, end - size); j < end; j++) if (values[j] != null && (best == null || values[j] > best)) best = values[j];
    out.push(best);
  }
  return out.reverse();
}

// Chart draws layers, each a function of a point and a class: areas stand on the
// ground, the later ones in front.
export class Chart {
  // o: layers [{of, kind: "area"|"line", tone, name}], unit(v), least, height, large, label
  constructor(o) {
    this.o = o;
    this.height = o.height ?? 32;
    this.svg = svg("svg", { viewBox: `0 0 ${width} ${this.height}`, preserveAspectRatio: "none", role: "img", class: "chart" });
    this.paths = o.layers.map((l) => svg("path", { class: `${l.kind} ${l.tone}`, "vector-effect": "non-scaling-stroke" }));
    if (o.large) for (const part of [0.25, 0.5, 0.75]) {
      const y = (this.height * part).toFixed(1);
      this.svg.append(svg("path", { class: "grid", d: `M0 ${y}H${width}`, "vector-effect": "non-scaling-stroke" }));
    }
    this.svg.append(...this.paths);
    this.node = this.svg;
    if (o.large) this.frame();
  }

  // frame adds to a large chart what a small one has no room for: a scale, a
  // legend, and a reading at the pointer or by the arrow keys.
  frame() {
    this.top = el("span.axis.top");
    this.bottom = el("span.axis.bottom");
    this.reading = el("p.reading", { "aria-live": "off" });
    this.cursor = svg("path", { class: "cursor", "vector-effect": "non-scaling-stroke" });
    this.svg.append(this.cursor);
    attr(this.svg, "tabindex", "0");
    const legend = el("p.legend", null, this.o.layers.map((l) => el("span", null, el(`i.${l.tone}`), l.name)));
    this.node = el("figure.large", null, el("figcaption", null, el("h3", null, this.o.label), legend),
      el("div.plot", null, this.top, this.bottom, this.svg, el("div.axis.times", null, el("span", null, "5 min ago"), el("span", null, "now"))), this.reading);
    this.svg.addEventListener("pointermove", (e) => {
      const r = this.svg.getBoundingClientRect();
      this.point((e.clientX - r.left) / r.width);
    });
    this.svg.addEventListener("pointerleave", () => this.point(null));
    this.svg.addEventListener("blur", () => this.point(null));
    this.svg.addEventListener("keydown", (e) => {
      const by = { ArrowLeft: -5, ArrowRight: 5, Home: -1e6, End: 1e6 }[e.key];
      if (by === undefined) return;
      e.preventDefault();
      const kept = this.kept - 1, now = this.at == null ? kept : Math.round(this.at * kept);
      attr(this.reading, "aria-live", "polite");
      this.point(Math.max(0, Math.min(kept, now + by)) / kept);
    });
  }

  point(at) {
    this.at = at;
    this.read();
  }

  read() {
    if (this.at == null || !this.points) {
      attr(this.cursor, "d", "");
      say(this.reading, "");
      return;
    }
    const i = Math.round(this.at * (this.kept - 1)), x = (i / (this.kept - 1)) * width;
    attr(this.cursor, "d", `M${x.toFixed(1)} 0V${this.height}`);
    const p = this.points[i - (this.kept - this.points.length)];
    const text = this.o.layers.map((l) => `${l.name} ${this.o.unit(p === undefined ? null : (l.tell ?? l.of)(p || none))}`).join(" · ");
    say(this.reading, `${clock(this.time - (this.kept - 1 - i) * 1000)}: ${text}`);
  }

  // draw shows points, of which 0 stands for nothing happened.
  draw(points, kept, time, label) {
    this.points = points; this.kept = kept; this.time = time;
    const each = Math.ceil(kept / (this.o.large ? 300 : 75)), phase = (Math.floor(time / 1000) % each) + 1;
    const values = this.o.layers.map((l) => thin(points.map((p) => l.of(p || none)), each, phase));
    let high = 0;
    for (const list of values) for (const v of list) if (v > high) high = v;
    const { least = 1, log } = this.o, top = scale(high, least * (log ? 20 : 1));
    // Times are of many magnitudes: their scale is logarithmic.
    const place = log ? (v) => Math.max(0, Math.log(v / least) / Math.log(top / least)) : (v) => v / top;
    const n = Math.ceil(kept / each);
    this.o.layers.forEach((l, i) => attr(this.paths[i], "d", high === 0 && l.kind === "area" ? "" : line(values[i], n, this.height, place, l.kind === "area")));
    attr(this.svg, "aria-label", label);
    if (this.o.large) { say(this.top, this.o.unit(top)); say(this.bottom, log ? this.o.unit(least) : ""); this.read(); }
  }
}

const known = (i) => (p) => (p[i] >= 0 ? p[i] : null);

export const rateChart = (o) => new Chart({
  layers: [
    { of: (p) => p[0], kind: "area", tone: "calm", name: "requests" },
    { of: (p) => p[1] + p[2], tell: (p) => p[1], kind: "area", tone: "warn", name: "4xx" },
    { of: (p) => p[2], kind: "area", tone: "bad", name: "5xx" },
  ], unit: (v) => num(v) + "/s", ...o,
});

export const timeChart = (o) => new Chart({
  layers: [
    { of: known(4), kind: "line", tone: "warn", name: "p99" },
    { of: known(3), kind: "line", tone: "calm", name: "p50" },
  ], unit: (v) => ms(v), least: 0.5, log: true, ...o,
});

export const limitChart = (o) => new Chart({
  layers: [
    { of: (p) => p[0] + p[1] + p[2] + p[3], kind: "area", tone: "calm", name: "allowed" },
    { of: (p) => p[1] + p[3], kind: "area", tone: "bad", name: "denied" },
  ], unit: (v) => num(v) + "/s", ...o,
});
