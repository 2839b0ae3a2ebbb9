package main

import (
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

const schedFIFO = 1 // of sched.h

// watchLate looks at a CPU from now on. What it returns tells what was seen since
// it was asked last. The thread stays for good: those that this program started
// are told to end with the thread that did it, which may have been this one.
func watchLate(cpu int) (seen func() lateness) {
	asked := make(chan chan lateness)
	go func() {
		runtime.LockOSThread()
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
			case answer := <-asked:
				answer <- l
				l = lateness{}
			default:
			}
		}
	}()
	return func() lateness {
		answer := make(chan lateness, 1)
		asked <- answer
		return <-answer
	}
}
