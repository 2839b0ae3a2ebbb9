//go:build e2e && linux

package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lictor/lictor/e2e/harness"
)

// told runs a program and returns what it printed.
func told(t *testing.T, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*harness.Patience)
	defer cancel()
	command := exec.CommandContext(ctx, program, args...)
	command.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin") // where dpkg looks for what it needs
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v: %s", program, args, err, out)
	}
	return string(out)
}

// The Debian package holds the program, its unit, manual and completions, all for
// root; it is installed, what it holds works, and it is removed. It takes dpkg.
func TestDebianPackage(t *testing.T) {
	t.Parallel()
	dir, root := t.TempDir(), harness.Root(t)
	told(t, filepath.Join(root, "dist/deb/build.sh"), harness.Lictor(t), dir)
	found, err := filepath.Glob(filepath.Join(dir, "lictor_*.deb"))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	list := told(t, "dpkg-deb", "-c", found[0])
	for line := range strings.Lines(list) {
		if !strings.Contains(line, " root/root ") {
			t.Errorf("not root's: %s", line)
		}
	}
	there := filepath.Join(dir, "there")
	dpkg := packageManager(t, there)
	dpkg("-i", found[0])
	if status := dpkg("-s", "lictor"); !strings.Contains(status, "Status: install ok installed") {
		t.Errorf("it is not installed: %s", status)
	}
	if got := told(t, filepath.Join(there, "usr/bin/lictor"), "version"); !strings.HasPrefix(got, "lictor ") {
		t.Errorf("%q", got)
	}
	for _, name := range []string{
		"etc/lictor", "lib/systemd/system/lictor.service", "usr/share/doc/lictor/config.hcl.example", "usr/share/man/man1/lictor.1.gz",
		"usr/share/man/man1/lictor-agent.1.gz", "usr/share/bash-completion/completions/lictor",
	} {
		if _, err := os.Stat(filepath.Join(there, name)); err != nil {
			t.Error(err)
		}
	}
	for _, script := range []string{"postinst", "prerm"} {
		told(t, "dpkg-deb", "-e", found[0], filepath.Join(dir, "control"))
		told(t, "sh", "-n", filepath.Join(dir, "control", script))
	}
	dpkg("-r", "lictor")
	if _, err := os.Stat(filepath.Join(there, "usr/bin/lictor")); !os.IsNotExist(err) {
		t.Errorf("after its removal: %v", err)
	}
}

// packageManager returns dpkg for a system that begins at a folder and has nothing
// installed. Maintainers' scripts run as on this machine, and nobody has to be root.
func packageManager(t *testing.T, folder string) func(args ...string) string {
	t.Helper()
	for _, name := range []string{"info", "updates", "triggers"} {
		if err := os.MkdirAll(filepath.Join(folder, "var/lib/dpkg", name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(folder, "var/lib/dpkg/status"), nil)
	return func(args ...string) string {
		t.Helper()
		log := filepath.Join(folder, "var/lib/dpkg/log")
		return told(t, "dpkg", append([]string{"--root=" + folder, "--log=" + log, "--force-not-root", "--force-script-chrootless"}, args...)...)
	}
}

// The unit is one that systemd understands, where systemd-analyze is there to say so.
func TestSystemdUnit(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(harness.Root(t), "dist/systemd/lictor.service"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Type=notify", "NotifyAccess=all", "DynamicUser=yes", "ProtectSystem=strict", "ExecReload=/bin/kill -HUP $MAINPID"} {
		if !strings.Contains(string(text), "\n"+want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		return
	}
	shell, err := exec.LookPath("sh") // stands for programs that this machine may lack
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(t.TempDir(), "lictor.service")
	write(t, unit, []byte(strings.NewReplacer("/usr/bin/lictor", shell, "/bin/kill", shell).Replace(string(text))))
	out, err := exec.Command(analyze, "verify", "--man=no", unit).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "lictor.service") && !strings.Contains(line, "not found") { // units beside it may be missing
			t.Errorf("%v: %s", err, line)
		}
	}
}
