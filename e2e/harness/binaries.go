package harness

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Lictor returns the path of the gateway: LICTOR_BIN, or one that is built once
// per run of the tests.
func Lictor(t testing.TB) string {
	t.Helper()
	path, err := lictor()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// ConsulBinary returns the path of Consul: CONSUL_BIN, one on PATH, or the pinned
// one, which takes minutes to build the first time.
func ConsulBinary(t testing.TB) string {
	t.Helper()
	path, err := consul()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Root returns the folder of the gateway's source.
func Root(t testing.TB) string {
	t.Helper()
	path, err := root()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Built returns the path of one of our programs, built once from the given
// folder of the source, such as e2e/demo.
func Built(t testing.TB, folder string) string {
	t.Helper()
	source, err := root()
	if err != nil {
		t.Fatal(err)
	}
	path, err := build(source, folder)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Each is found once for all tests of a run.
var (
	root = sync.OnceValues(func() (string, error) {
		file, err := output("go", "env", "GOMOD")
		if err != nil {
			return "", err
		}
		return filepath.Dir(file), nil
	})
	lictor = sync.OnceValues(func() (string, error) {
		if path := os.Getenv("LICTOR_BIN"); path != "" {
			if !filepath.IsAbs(path) {
				return "", fmt.Errorf("LICTOR_BIN=%s must be an absolute path", path)
			}
			return path, nil
		}
		source, err := root()
		if err != nil {
			return "", err
		}
		return build(source, "cmd/lictor")
	})
	consul = sync.OnceValues(func() (string, error) {
		if path := os.Getenv("CONSUL_BIN"); filepath.IsAbs(path) {
			return path, nil // also for tests in modules of their own
		}
		source, err := root()
		if err != nil {
			return "", err
		}
		return output(filepath.Join(source, "e2e", "consul", "consul.sh"))
	})
)

// build builds a program into bin/, as the Makefile does.
func build(source, folder string) (string, error) {
	target := filepath.Join(source, "bin", filepath.Base(folder))
	command := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", target, "./"+folder)
	command.Dir = source
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if printed, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w: %s", folder, err, printed)
	}
	return target, nil
}

// output runs a program and returns its trimmed standard output.
func output(program string, args ...string) (string, error) {
	var stderr bytes.Buffer
	command := exec.Command(program, args...)
	command.Stderr = &stderr
	text, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("running %s: %w: %s", program, err, stderr.Bytes())
	}
	line := strings.TrimSpace(string(text))
	if line == "" {
		return "", errors.New(program + " printed nothing")
	}
	return line, nil
}
