package limits

import (
	"fmt"
	"time"
)

// ShortestWindow is the shortest window of fixed_window and sliding_window.
const ShortestWindow = time.Millisecond

// checkWindow reads the two attributes that every window has.
func checkWindow(limit int64, window string) (time.Duration, []error) {
	var errs []error
	if limit <= 0 {
		errs = append(errs, faultf("limit", "limit %d is not positive", limit))
	}
	w, err := ParseWindow(window)
	if err == nil && w < ShortestWindow {
		err = fmt.Errorf("window %q is shorter than %s", window, ShortestWindow)
	}
	if err != nil {
		errs = append(errs, &AttributeError{Attribute: "window", Err: err})
	}
	return w, errs
}
