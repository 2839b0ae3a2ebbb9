package catalog

import (
	"context"
	"time"
)

// Source follows one origin of services.
type Source interface {
	// Name is short and constant: "consul", "static".
	Name() string

	// Follow replaces the set of service names to follow. Names that were
	// followed before keep their watch and what is known of them, new ones
	// start one, missing ones stop and leave the snapshot. It does not block,
	// and may be called before Run and at any time during it.
	Follow(services []string)

	// Run follows the origin until ctx is done, publishes every change of
	// content to the feed, and returns once everything that it started has
	// ended. It runs at most once. The error is nil when ctx ended it.
	Run(ctx context.Context, feed *Feed) error

	// Status tells how current the source's knowledge is. It is safe to call
	// from any goroutine.
	Status() Status
}

// Status tells how current a source's knowledge is.
type Status struct {
	// Pending lists the followed services that have had no first answer yet, or one
	// that could not be judged yet.
	Pending []string
	// Age is the time since the origin last confirmed what is known, the
	// oldest over all followed services; 0 when the source is live. A live
	// blocking query confirms: a quiet catalog does not age.
	Age time.Duration
	// Err is the last error while the origin can't be followed, nil when live.
	Err error
	// Warnings are conditions that need a person, such as missing ACL rules.
	Warnings []string
	// Services tells each followed service's own state, by name.
	Services map[string]ServiceStatus
}

// ServiceStatus tells how current the knowledge of one service is.
type ServiceStatus struct {
	Index   uint64
	Age     time.Duration // since the origin last confirmed it
	Changes uint64        // published changes of content
	Held    string        // why an answer of the origin is being held back, empty normally
	Err     error
}
