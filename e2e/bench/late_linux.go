package main

import (
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

const schedFIFO = 1 // of sched.h

// watchLate looks at a CPU until stop is called.
func watchLate(cpu int) (stop func() lateness) {
	over := make(chan struct{})
	seen := make(chan lateness, 1)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		mask := [16]uint64{}
		mask[cpu/64] = 1 << (cpu % 64)
		priority := int32(1)
		// Without leave to do so it still looks, if less sharply.
		_, _, _ = syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, 0, unsafe.Sizeof(mask), uintptr(unsafe.Pointer(&mask)))
		_, _, _ = syscall.RawSyscall(syscall.SYS_SCHED_SETSCHEDULER, 0, schedFIFO, uintptr(unsafe.Pointer(&priority)))
		var l lateness
		for due := time.Now(); ; {
			due = due.Add(lateEvery)
			if wait := time.Until(due); wait > 0 {
				interval := syscall.NsecToTimespec(int64(wait))
				_ = syscall.Nanosleep(&interval, nil) // cut short by a signal it is but early
			}
			now := time.Now()
			l.add(now.Sub(due))
			if now.After(due) {
				due = now
			}
			select {
			case <-over:
				seen <- l
				return
			default:
			}
		}
	}()
	return func() lateness {
		close(over)
		return <-seen
	}
}
