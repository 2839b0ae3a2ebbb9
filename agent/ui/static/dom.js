// Everything on the page is made here, of text: what came from the network is
// never taken for HTML. (The page's policy has the browser refuse it, too.)

// el("td.num", {title: "x"}, "text", node, ...) makes an element.
export function el(what, props, ...children) {
  const [tag, ...classes] = what.split(".");
  const node = document.createElement(tag);
  if (classes.length) node.className = classes.join(" ");
  for (const [name, value] of Object.entries(props ?? {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((c) => c != null && c !== false));
  return node;
}

const svgns = "http://www.w3.org/2000/svg";

export function svg(tag, props, ...children) {
  const node = document.createElementNS(svgns, tag);
  for (const [name, value] of Object.entries(props ?? {})) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// say changes an element's text, if it is another one.
export function say(node, text) {
  text = String(text);
  if (node.textContent !== text) node.textContent = text;
}

export function attr(node, name, value) {
  if (value == null || value === false) { if (node.hasAttribute(name)) node.removeAttribute(name); return; }
  value = value === true ? "" : String(value);
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

// pill shows a word with a colour: ok, warn, bad or none.
export function pill(word, tone) { return el("span.pill" + (tone ? "." + tone : ""), null, word); }

export function repill(node, word, tone) {
  say(node, word);
  const c = "pill" + (tone ? " " + tone : "");
  if (node.className !== c) node.className = c;
}

// rows keeps the children of a parent in step with a list. make(item) returns
// {node, update(item)}; key(item) tells items apart. Nodes stay, so that focus does.
export class Rows {
  constructor(parent, key, make) { Object.assign(this, { parent, key, make, known: new Map() }); }
  show(items) {
    const seen = new Set();
    let at = this.parent.firstElementChild;
    for (const item of items) {
      const k = this.key(item);
      seen.add(k);
      let row = this.known.get(k);
      if (!row) this.known.set(k, (row = this.make(item)));
      row.update(item);
      if (row.node === at) at = at.nextElementSibling;
      else this.parent.insertBefore(row.node, at);
    }
    for (const [k, row] of this.known) if (!seen.has(k)) { row.node.remove(); this.known.delete(k); }
  }
}

// Numbers for people.
export function num(v) {
  if (v == null || Number.isNaN(v)) return "–";
  if (v === 0) return "0";
  if (v < 0.1) return v.toFixed(2);
  if (v < 10) return String(Math.round(v * 10) / 10);
  if (v < 10000) return String(Math.round(v));
  if (v < 1e6) return (v / 1000).toFixed(v < 1e5 ? 1 : 0) + " k";
  return Math.round(v / 1e5) / 10 + " M";
}

export function ms(v) {
  if (v == null || v < 0) return "–";
  if (v < 10) return v.toFixed(1) + " ms";
  if (v < 1000) return Math.round(v) + " ms";
  return (v / 1000).toFixed(v < 10000 ? 2 : 1) + " s";
}

export function share(part, all) {
  if (!all) return "–";
  const p = (100 * part) / all;
  return p === 0 ? "0 %" : p < 0.1 ? "< 0.1 %" : p < 10 ? p.toFixed(1) + " %" : Math.round(p) + " %";
}

export function span(milliseconds) {
  const s = Math.round(milliseconds / 1000);
  if (s < 60) return s + " s";
  if (s < 3600) return Math.floor(s / 60) + " min" + (s % 60 && s < 600 ? " " + (s % 60) + " s" : "");
  const two = (big, name, small, rest) => Math.floor(s / big) + name + (s % big >= small ? " " + Math.floor((s % big) / small) + rest : "");
  return s < 86400 ? two(3600, " h", 60, " min") : two(86400, " d", 3600, " h");
}

export function clock(t) { return new Date(t).toLocaleTimeString([], { hour12: false }); }
