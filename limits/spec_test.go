package limits

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestSpecErrors reads testdata/specs.txt, whose lines are
//
//	ALGORITHM ATTRIBUTE=VALUE... : WRONG...
//
// with the attributes that are found wrong, or none if the block is valid.
func TestSpecErrors(t *testing.T) {
	script, err := os.ReadFile("testdata/specs.txt")
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(script), "\n") {
		left, right, ok := strings.Cut(line, " :")
		f := strings.Fields(left)
		if len(f) == 0 || f[0] == "#" {
			continue
		}
		algorithm, found := Lookup(f[0])
		if !ok || !found {
			t.Fatalf("line %d: %q", i+1, line)
		}
		block := algorithm.New()
		if err := assign(block, f[1:]); err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		spec, err := block.Spec()
		if (err == nil) != (spec != nil) {
			t.Errorf("line %d: both or neither of %+v and %v", i+1, spec, err)
		}
		if err != nil {
			checkAttributeErrors(t, block, err)
		}
		if got, want := wrong(err), strings.Fields(right); !slices.Equal(got, want) {
			t.Errorf("line %d: %q are wrong, want %q: %v", i+1, got, want, err)
		}
	}
}

// wrong lists the attributes that an error of Spec complains of.
func wrong(err error) []string {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []string
		for _, err := range joined.Unwrap() {
			all = append(all, wrong(err)...)
		}
		return all
	}
	if a, ok := errors.AsType[*AttributeError](err); ok {
		return []string{a.Attribute}
	}
	return nil
}

// assign sets attributes of a block, written as name=value.
func assign(b Block, pairs []string) error {
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		field, ok := attributes(b)[name]
		if !ok {
			return fmt.Errorf("no attribute %q", name)
		}
		if field.Kind() == reflect.String {
			field.SetString(value)
			continue
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return err
		}
		field.SetInt(n)
	}
	return nil
}
