package simulate

import (
	"bytes"
	"time"
)

// Limits know moments from the Unix epoch on, for 90 years.
const latest = 90 * 365 * 24 * time.Hour

// parseRFC3339 reads a moment such as 2026-05-04T03:02:01.123Z.
func parseRFC3339(b []byte) (time.Duration, error) {
	if len(b) == len("2006-01-02T15:04:05.000Z") && b[4] == '-' && b[7] == '-' && b[10] == 'T' && b[13] == ':' && b[16] == ':' && b[19] == '.' && b[23] == 'Z' {
		ms, ok := digits(b[20:23])
		if at, fine := civil(b[0:4], b[5:7], b[8:10], b[11:13], b[14:16], b[17:19]); ok && fine {
			return bounded(at + time.Duration(ms)*time.Millisecond)
		}
	}
	if len(b) > 64 {
		return 0, errTime
	}
	t, err := time.Parse(time.RFC3339Nano, string(b))
	if err != nil || t.Year() < 1970 || t.Year() > 2100 {
		return 0, errTime
	}
	return bounded(time.Duration(t.UnixNano()))
}

const months = "JanFebMarAprMayJunJulAugSepOctNovDec"

var monthDigits = [12]string{"01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12"}

// parseCommonTime reads a moment such as 02/Jan/2006:15:04:05 -0700.
func parseCommonTime(b []byte) (time.Duration, error) {
	if len(b) != len("02/Jan/2006:15:04:05 -0700") || b[2] != '/' || b[6] != '/' || b[11] != ':' || b[14] != ':' || b[17] != ':' || b[20] != ' ' {
		return 0, errTime
	}
	m := bytes.Index([]byte(months), b[3:6])
	if m < 0 || m%3 != 0 {
		return 0, errTime
	}
	at, ok := civil(b[7:11], []byte(monthDigits[m/3]), b[0:2], b[12:14], b[15:17], b[18:20])
	hours, fine := digits(b[22:24])
	minutes, good := digits(b[24:26])
	if !ok || !fine || !good || minutes > 59 || b[21] != '+' && b[21] != '-' {
		return 0, errTime
	}
	ahead := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if b[21] == '-' {
		ahead = -ahead
	}
	return bounded(at - ahead)
}

// civil counts from the Unix epoch to a moment in UTC, by the Gregorian calendar. A
// leap second is the first of the next minute.
func civil(year, month, day, hour, minute, second []byte) (time.Duration, bool) {
	y, a := digits(year)
	m, b := digits(month)
	d, c := digits(day)
	hh, e := digits(hour)
	mm, f := digits(minute)
	ss, g := digits(second)
	if !a || !b || !c || !e || !f || !g || y < 1970 || y > 2100 || m < 1 || m > 12 || d < 1 || d > daysIn(y, m) || hh > 23 || mm > 59 || ss > 60 {
		return 0, false
	}
	// Years begin in March, so that a leap day ends one.
	if m <= 2 {
		y--
		m += 12
	}
	days := 365*y + y/4 - y/100 + y/400 + (153*(m-3)+2)/5 + d - 1 - 719468
	return time.Duration(days)*24*time.Hour + time.Duration(hh)*time.Hour + time.Duration(mm)*time.Minute + time.Duration(ss)*time.Second, true
}

func daysIn(y, m int) int {
	switch {
	case m == 2 && y%4 == 0 && (y%100 != 0 || y%400 == 0):
		return 29
	case m == 2:
		return 28
	case m == 4 || m == 6 || m == 9 || m == 11:
		return 30
	}
	return 31
}

func digits(b []byte) (n int, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

func bounded(at time.Duration) (time.Duration, error) {
	if at < 0 || at > latest {
		return 0, errTime
	}
	return at, nil
}
