package proxy

import (
	"slices"
	"testing"
)

func TestDelAlike(t *testing.T) {
	var f Fields
	f.Reset(nil)
	for _, name := range []string{"X-User", "x_user", "X-USER", "X_User", "X-Users", "X-Use", "XUser", "Host"} {
		f.Foreign(name, "v")
	}
	f.DelAlike(NewAlike("X-User"))
	f.DelAlike(Alike{})
	var left []string
	for i := range f.Len() {
		if f.Live(i) {
			left = append(left, string(f.Name(i)))
		}
	}
	if want := []string{"X-Users", "X-Use", "XUser"}; !slices.Equal(left, want) {
		t.Errorf("%v are left, want %v", left, want)
	}
	if n := testing.AllocsPerRun(100, func() { f.DelAlike(NewAlike("x_user")) }); n > 2 {
		t.Errorf("%v allocations", n)
	}
}

func TestFieldNames(t *testing.T) {
	for name, want := range map[string]bool{"X-User": true, "x_user!": true, "": false, "X User": false, "X:User": false, "Ünder": false} {
		if IsFieldName(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
	for name, want := range map[string]bool{"X-User": false, "authorization": true, "X_Forwarded-For": true, "Content_Length": true, "X-Api-Key": false} {
		if IsReserved(name) != want {
			t.Errorf("%q reserved: %v", name, !want)
		}
	}
}
