// Package ui looks at the dashboard with a real Chromium, as `make ui` runs it. Its
// tests run with the tag e2e.
package ui
