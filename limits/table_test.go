package limits

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

// TestRowIsACacheLine without pointers, or every key would cost the garbage
// collector time.
func TestRowIsACacheLine(t *testing.T) {
	if size := reflect.TypeFor[row]().Size(); size != 64 {
		t.Errorf("a row has %d bytes", size)
	}
	var plain func(reflect.Type) bool
	plain = func(typ reflect.Type) bool {
		switch typ.Kind() {
		case reflect.Array:
			return plain(typ.Elem())
		case reflect.Struct:
			for f := range typ.Fields() {
				if !plain(f.Type) {
					return false
				}
			}
			return true
		case reflect.Int64, reflect.Uint64:
			return true
		default:
			return typ.Size() == 0
		}
	}
	if !plain(reflect.TypeFor[row]()) {
		t.Error("a row has pointers")
	}
	for _, typ := range []reflect.Type{reflect.TypeFor[segment[meter]](), reflect.TypeFor[segment[fixedWindow]]()} {
		if typ.Size() != 128 {
			t.Errorf("a %s has %d bytes", typ, typ.Size())
		}
		if mu, _ := typ.FieldByName("mu"); mu.Offset != 64 {
			t.Errorf("the lock of a %s is at %d", typ, mu.Offset)
		}
	}
}

// TestSlotChangesHands looks at every step of a slot's way from one key to
// another with the eyes of both.
func TestSlotChangesHands(t *testing.T) {
	const old, heir digest = 11, 13
	var s slot
	s.word.Store(moved)
	s.put(old, 5)
	if got := s.load(old); got != 5 {
		t.Errorf("loaded %d", got)
	}
	if swapped, certain := s.swap(old, 5, 6); !swapped || !certain {
		t.Errorf("a swap of its own word: %v, certain %v", swapped, certain)
	}
	if swapped, _ := s.swap(old, 5, 7); swapped || s.word.Load() != 6 {
		t.Errorf("swapped to %d", s.word.Load())
	}
	s.word.Store(moved)
	for _, d := range []digest{old, heir} {
		if got := s.load(d); got != moved {
			t.Errorf("%d loaded %d of a word that is moved", d, got)
		}
	}
	s.digest.Store(uint64(heir))
	if got := s.load(heir); got != moved {
		t.Errorf("loaded %d before it was put", got)
	}
	s.word.Store(6)
	if s.load(old) != moved || s.load(heir) != 6 {
		t.Error("the word belongs to the wrong key")
	}
	if swapped, certain := s.swap(old, 6, 7); !swapped || certain {
		t.Errorf("a charge of the old key in a slot that it has lost: %v, certain %v", swapped, certain)
	}
}

// TestChargedTellsWhereAChargeWent asks about a charge whose slot changed hands
// around it: it went along with the key, or it missed it, or the key is gone.
func TestChargedTellsWhereAChargeWent(t *testing.T) {
	now := at(int64(time.Hour))
	l := TokenBucketSpec{Rate: Rate{1, time.Second}, Burst: 5}.New(Options{}).(*bucketTable)
	key := []byte("somebody")
	l.Take(key, 1, now)
	d := l.seed.digest(key)
	s := l.segment(d).find(d)
	word := s.word.Load()
	if !l.charged(s, d, word, 1, now) {
		t.Error("a word that has got as far was not charged")
	}
	if gone := l.seed.digest([]byte("nobody")); !l.charged(s, gone, word, 1, now) {
		t.Error("a key that is gone is to be charged again")
	}
	if l.charged(s, d, word+1, 1, now) || s.word.Load() != word {
		t.Errorf("a word that has not got as far was charged, or given back: %d", s.word.Load()-word)
	}
	var other slot // has got the slot, the same word and then the charge
	other.put(d+2, word+int64(time.Second))
	if l.charged(&other, d, word+int64(time.Second), 1, now) || other.word.Load() != word {
		t.Errorf("another key keeps %d of a charge that is not its own", other.word.Load()-word)
	}
	Adopt(l, TokenBucketSpec{Rate: Rate{1, time.Second}, Burst: 6}, Options{}, now)
	if l.charged(s, d, word, 1, now) {
		t.Error("a word by other numbers was taken for charged")
	}
}

// TestNoKeyIsGivenUpBelowTheBound fills limiters of several sizes to four fifths
// with keys that have spent everything, and asks for all of them again.
func TestNoKeyIsGivenUpBelowTheBound(t *testing.T) {
	now := at(int64(time.Hour))
	for _, s := range []Spec{
		TokenBucketSpec{Rate: Rate{1, time.Hour}, Burst: 2},
		LeakyBucketSpec{Rate: Rate{1, time.Hour}, Burst: 2, Queue: 1},
		FixedWindowSpec{Limit: 2, Window: time.Hour, ByKey: true},
	} {
		for _, most := range []int{1000, 5000, 100_000} {
			l := s.New(Options{MaxKeys: most})
			for i := range most * 4 / 5 {
				if d := l.Take(number(i), 2, now); !d.Allowed {
					t.Fatalf("max %d: fresh key %d was refused", most, i)
				}
			}
			lost := 0
			for i := range most * 4 / 5 {
				if l.Peek(number(i), 1, now).Allowed {
					lost++
				}
			}
			if lost > 0 || l.Keys() != most*4/5 {
				t.Errorf("%s, max %d: %d keys were given up, %d are held", kind(s), most, lost, l.Keys())
			}
		}
	}
}

// TestTableIsNoLargerThanNeeded: while it grows, and when keys come and go.
func TestTableIsNoLargerThanNeeded(t *testing.T) {
	l := TokenBucketSpec{Rate: Rate{1, time.Second}, Burst: 1}.New(Options{}).(*bucketTable)
	size := func() (slots int) {
		for i := range l.segments {
			if p := l.segments[i].rows.Load(); p != nil {
				slots += p.slots()
			}
		}
		return slots
	}
	if n := size(); n != 0 {
		t.Errorf("%d slots for no key", n)
	}
	for i := range 400_000 {
		l.Take(number(i), 1, at(int64(i)*int64(time.Second)/50_000))
		if n := min(i+1, 50_000); i%9973 == 0 && size() > 2*n+len(l.segments)*rowSlots {
			t.Fatalf("%d slots for %d keys that count", size(), n)
		}
	}
}

// TestPartsAreOfAUsefulSize for any bound.
func TestPartsAreOfAUsefulSize(t *testing.T) {
	for _, tt := range []struct{ most, parts int }{
		{1, 1},
		{2047, 1},
		{2048, 2},
		{65_535, 32},
		{65_536, 64},
		{DefaultMaxKeys, 64},
		{3 << 20, 128},
		{mostKeys, 4096},
	} {
		if n := len(divide(tt.most)); n != tt.parts {
			t.Errorf("%d keys: %d parts, want %d", tt.most, n, tt.parts)
		}
	}
}

// key makes a digest whose first row, of two, is a and whose second is b.
func key(a, b, n uint64) digest { return digest(a<<(63-partBits) | b<<31 | n<<1 | 1) }

// TestDisplacement makes room in a full row by moving a key that has another
// place to be.
func TestDisplacement(t *testing.T) {
	m := newMeter(Rate{1, time.Hour}, 5, 5)
	for _, way := range []struct{ mover, comer digest }{
		{key(0, 1, 90), key(0, 0, 91)}, // from its first row to its second
		{key(1, 0, 90), key(0, 0, 91)}, // and back
	} {
		sg := segment[meter]{limit: 8, horizon: noHorizon}
		sg.rows.Store(makeRows(8, 0))
		words := map[digest]int64{}
		add := func(d digest, word int64) {
			sg.addLocked(m, d, word, 0, true)
			words[d] = word
		}
		// With three others in row 1, the mover goes to row 0.
		for i := range uint64(3) {
			add(key(1, 1, i), int64(1000+i))
		}
		add(way.mover, 7)
		for i := range uint64(3) {
			add(key(0, 0, 10+i), int64(2000+i))
		}
		s := sg.find(key(1, 1, 2))
		s.word.Store(0) // expires at this very moment
		delete(words, key(1, 1, 2))
		add(way.comer, 9)
		for d, word := range words {
			if s := sg.find(d); s == nil || s.load(d) != word {
				t.Errorf("key %x isn't found with its word", uint64(d))
			}
		}
		if sg.find(key(1, 1, 2)) != nil || sg.used != 7 || sg.horizon != 0 {
			t.Errorf("used %d, horizon %d", sg.used, sg.horizon)
		}
		if n := len(sg.rows.Load().lines); n != 2 {
			t.Errorf("%d rows", n)
		}
	}
}

// TestRoomIsMoved: whichever way room is made, the slot's word is marked until it
// is put, or whoever finds the new key first would take the word for its own.
func TestRoomIsMoved(t *testing.T) {
	m := newMeter(Rate{1, time.Hour}, 5, 5)
	sg := segment[meter]{limit: 8, horizon: noHorizon}
	sg.rows.Store(makeRows(8, 0))
	room := func(d digest) *slot {
		t.Helper()
		s, ok := sg.roomLocked(m, sg.rows.Load(), d, 0)
		if !ok || s.word.Load() != moved {
			t.Fatalf("for key %x: %+v", uint64(d), s)
		}
		return s.slot
	}
	for i := range uint64(3) {
		room(key(1, 1, i)).put(key(1, 1, i), 100) // never used
	}
	for i := range uint64(4) {
		room(key(0, 1, 10+i)).put(key(0, 1, 10+i), 100)
	}
	s := room(key(0, 0, 20)) // by displacement
	s.put(key(0, 0, 20), 0)
	if got := room(key(0, 0, 21)); got != s { // by reclaiming
		t.Error("another slot than the one that has expired")
	}
}

// TestClosedSlotsStayClosed counts the slots of floods that are no multiple of a
// row, and of what a reload makes of them.
func TestClosedSlotsStayClosed(t *testing.T) {
	s := TokenBucketSpec{Rate: Rate{1, time.Hour}, Burst: 3}
	for _, most := range []int{1, 2, 3, 5, 6, 7, 17, 1023, 2050} {
		l := s.New(Options{MaxKeys: most})
		for i := range 8 * most {
			l.Take(number(i), 1, at(int64(i)))
		}
		for _, now := range []int64{0, int64(10 * time.Hour)} {
			held := 0
			sg := l.(*bucketTable).segments
			for i := range sg {
				open := 0
				rs := sg[i].rows.Load().lines
				for j := range rs {
					for k := range rs[j] {
						if d := rs[j][k].digest.Load(); d != closed {
							open++
							if d != vacant {
								held++
							}
						}
					}
				}
				if open != sg[i].limit {
					t.Errorf("max %d: %d slots are open, want %d", most, open, sg[i].limit)
				}
			}
			if held != l.Keys() {
				t.Errorf("max %d: %d slots are in use, Keys says %d", most, held, l.Keys())
			}
			for i := range 8 * most { // once more, when all have expired
				l.Take(number(-i), 1, at(now+int64(i)))
			}
		}
	}
}

// TestFreshKeyAmongExhaustedOnes is held, though all others have spent more, or it
// could spend for ever.
func TestFreshKeyAmongExhaustedOnes(t *testing.T) {
	for _, s := range tabled(5) {
		l := s.New(Options{MaxKeys: 4})
		for i := range 20 {
			l.Take(number(i), 5, at(0))
		}
		for i := range 10 {
			if got := l.Take([]byte("fresh"), 1, at(0)).Allowed; got != (i < 5) {
				t.Errorf("%+v: unit %d: %t", s, i, got)
			}
		}
	}
}

// TestExpiredKeysAreNotHandedOver, so that a reload makes a table smaller.
func TestExpiredKeysAreNotHandedOver(t *testing.T) {
	s := TokenBucketSpec{Rate: Rate{1, time.Second}, Burst: 3}
	l := s.New(Options{})
	for i := range 1000 {
		l.Take(number(i), 1, at(int64(i)*int64(time.Millisecond)))
	}
	old := l.(*bucketTable)
	l = Adopt(l, s, Options{MaxKeys: 5000}, at(int64(1500*time.Millisecond)))
	for i := range old.segments {
		if old.segments[i].rows.Load() != nil {
			t.Fatal("the old table is still in memory")
		}
	}
	if n := l.Keys(); n != 499 {
		t.Errorf("%d keys, want the 499 that haven't got everything back", n)
	}
}

// TestLeastDebtGoes fills the two rows where a key may be. Whoever comes takes
// the place of the one that has spent the least; whoever is inherited does only
// if it has spent more itself.
func TestLeastDebtGoes(t *testing.T) {
	m := newMeter(Rate{1, time.Hour}, 100, 100)
	for _, seed := range []uint64{1, 2, 3, 4, 5, 6, 7, 8} {
		r := rand.New(rand.NewPCG(seed, 1))
		for _, must := range []bool{true, false} {
			sg := segment[meter]{limit: 8, horizon: noHorizon}
			sg.rows.Store(makeRows(8, 0))
			words := r.Perm(8)
			for i, w := range words {
				sg.addLocked(m, key(uint64(i%2), uint64(i%2), uint64(i)), int64(10+2*w), 0, true)
			}
			for _, comer := range []struct {
				d    digest
				word int64
				gets bool
			}{
				{key(0, 1, 50), 9, must},
				{key(0, 1, 51), 11, true},
				{key(1, 0, 52), 11, must},
				{key(1, 0, 53), 13, true},
			} {
				sg.addLocked(m, comer.d, comer.word, 0, must)
				if got := sg.find(comer.d) != nil; got != comer.gets {
					t.Errorf("must %t: key with debt %d is held: %t", must, comer.word, got)
				}
			}
			for i, w := range words {
				if held := sg.find(key(uint64(i%2), uint64(i%2), uint64(i))) != nil; held != (w >= 1) {
					t.Errorf("key with debt %d is held: %t", 10+2*w, held)
				}
			}
			if sg.used != 8 {
				t.Errorf("used %d", sg.used)
			}
		}
	}
}
