// Package ui is the dashboard of the admin API: the pages that a browser shows,
// and what keeps them up to date.
//
//	gateway counters ─each second─▶ history (minutes of every route and limit)
//	gateway state ──while watched──▶ tables ─diff─▶ events ─SSE─▶ every viewer
//
// There is one sampler for all viewers. A viewer gets everything once, and from
// then on what has changed; one that is too slow for that gets everything again,
// so nothing is ever queued. What the pages need is embedded, they ask nobody
// else, and nothing that came from a network is ever taken for HTML.
package ui
