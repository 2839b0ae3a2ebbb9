// What the gateway has told so far. Events come from /ui/events: "state" is
// everything, "step" what has changed in a second.

const tables = ["routes", "services", "instances", "loads", "limits", "tops"];

export const state = {
  time: 0, kept: 300, gateway: null, unknown: null, total: [], answers: [], changes: [],
  history: { routes: new Map(), limits: new Map() },
};
for (const t of tables) state[t] = new Map();

// instance keys are "service\nid".
export const serviceOf = (key) => key.slice(0, key.indexOf("\n"));
const idOf = (key) => key.slice(key.indexOf("\n") + 1);

// nameOf is an instance's id without its node, where the node is known.
export function nameOf(key, row = state.instances.get(key)) {
  const id = idOf(key);
  return row?.node && id.startsWith(row.node + "/") ? id.slice(row.node.length + 1) : id;
}

const mostChanges = 50, mostAnswers = 300;

// replace is for "state". Changes of instances that were missed meanwhile are told.
export function replace(s) {
  const before = state.instances;
  for (const t of tables) state[t] = new Map(Object.entries(s[t] ?? {}));
  Object.assign(state, { time: s.time, kept: s.kept, gateway: s.gateway, unknown: s.unknown, total: s.total, answers: s.answers });
  for (const kind of ["routes", "limits"]) state.history[kind] = new Map(Object.entries(s.history[kind]));
  index = null;
  for (const [key, load] of state.loads) state.loads.set(key, withRate(load, null, 1));
  if (before.size) {
    for (const [key, now] of state.instances) noteChange(key, before.get(key), now);
    for (const [key, was] of before) if (!state.instances.has(key)) noteChange(key, was, null);
  }
}

// step applies changes.
export function step(s) {
  const seconds = Math.max(0.2, (s.time - state.time) / 1000);
  state.time = s.time;
  if (s.gateway) state.gateway = s.gateway;
  if (s.unknown !== undefined) state.unknown = s.unknown;
  for (const load of state.loads.values()) load.rate = 0;
  for (const t of tables) {
    for (const key of s.gone[t] ?? []) {
      if (t === "instances") noteChange(key, state[t].get(key), null);
      state[t].delete(key);
    }
    for (const [key, row] of Object.entries(s[t] ?? {})) {
      if (t === "instances") noteChange(key, state[t].get(key) ?? null, row);
      state[t].set(key, t === "loads" ? withRate(row, state.loads.get(key), seconds) : row);
    }
  }
  if (s.instances || s.gone.instances) index = null;
  state.total = push(state.total, s.total);
  for (const kind of ["routes", "limits"]) {
    const points = s.points[kind], known = state.history[kind];
    for (const name of s.gone[kind] ?? []) known.delete(name);
    for (const name of Object.keys(points)) if (!known.has(name)) known.set(name, []);
    for (const [name, list] of known) push(list, points[name] ?? 0);
  }
  if (s.answers) state.answers = s.answers.concat(state.answers).slice(0, mostAnswers);
}

function push(list, point) {
  list.push(point);
  if (list.length > state.kept) list.splice(0, list.length - state.kept);
  return list;
}

function withRate([inFlight, requests, failures], was, seconds) {
  return { inFlight, requests, failures, rate: was ? Math.max(0, requests - was.requests) / seconds : 0 };
}

function noteChange(key, was, now) {
  if (was === undefined || (was && now && was.state === now.state && was.health === now.health)) return;
  state.changes.unshift({
    n: ++changes, time: state.time, service: serviceOf(key), id: nameOf(key, now ?? was), was: was ? word(was) : "not there", now: now ? word(now) : "gone",
    why: now?.why ?? "", tone: now ? tone(now) : "warn",
  });
  state.changes.length = Math.min(state.changes.length, mostChanges);
}
let changes = 0;

// word says in a word or two what an instance is at present.
export function word(i) { return i.state === "open" ? i.health : i.state === "ineligible" && i.health !== "passing" ? i.health : i.state; }
export function tone(i) { return i.state === "open" || i.state === "full" ? (i.health === "warning" ? "warn" : "ok") : i.state === "unmatched" || i.state === "draining" ? "warn" : "bad"; }

// instancesOf lists the keys of a service's instances.
let index = null;
export function instancesOf(service) {
  if (!index) {
    index = new Map();
    for (const key of state.instances.keys()) {
      const s = serviceOf(key);
      if (!index.has(s)) index.set(s, []);
      index.get(s).push(key);
    }
    for (const list of index.values()) list.sort((a, b) => a.localeCompare(b, undefined, { numeric: true }));
  }
  return index.get(service) ?? [];
}

// lately sums up the last seconds of a history, so that numbers can be read: rates
// are their mean, times the newest that are known.
export function lately(points = []) {
  const few = points.slice(-5), out = [0, 0, 0, 0, -1];
  if (!few.some((p) => p)) return [0, 0, 0, -1, -1];
  const times = few.findLast((p) => p)?.length === 5;
  for (const p of few) for (let i = 0; p && i < (times ? 3 : 4); i++) out[i] += p[i] / few.length;
  if (times) [out[3], out[4]] = few.findLast((p) => p && p[3] >= 0)?.slice(3) ?? [-1, -1];
  return out;
}
export const last = (kind, name) => lately(state.history[kind].get(name));
