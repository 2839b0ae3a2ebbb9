package process

import "syscall"

// attributes makes the child leader of its own group and has the kernel kill it
// when the thread that started it dies. The runtime keeps its threads for as long
// as the program lives, but for those of goroutines that end while locked to one:
// so Start is not to be called from such a goroutine.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// DieWithParent asks the kernel to send this process the signal when its own
// parent dies. Elsewhere than on Linux it does nothing.
func DieWithParent(s syscall.Signal) {
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_PDEATHSIG, uintptr(s), 0)
}
