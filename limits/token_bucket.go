package limits

import (
	"errors"
	"time"
)

// TokenBucketName is the algorithm's name in a policy.
const TokenBucketName = "token_bucket"

// TokenBucket is the block of a bucket that holds burst tokens and gains rate of
// them steadily; a request takes as many as it costs, or is denied.
//
// In any span of time tau it lets at most burst + rate*tau units pass.
type TokenBucket struct {
	// Rate is how fast tokens come back, as ParseRate reads it.
	Rate string `hcl:"rate"`
	// Burst is how many tokens there are at most. 0 means as many as come back
	// in one second, and at least 1.
	Burst int64 `hcl:"burst,optional"`
}

// Spec checks the block.
func (b *TokenBucket) Spec() (Spec, error) {
	rate, err := ParseRate(b.Rate)
	if err != nil {
		err = &AttributeError{Attribute: "rate", Err: err}
	}
	if b.Burst < 0 {
		return nil, errors.Join(err, faultf("burst", "burst %d is negative", b.Burst))
	}
	if err != nil {
		return nil, err
	}
	s := TokenBucketSpec{Rate: rate, Burst: b.Burst}
	if s.Burst == 0 {
		perSecond, _ := mulDivDown(rate.Count, int64(time.Second), int64(rate.Window))
		s.Burst = max(1, perSecond)
	}
	if err := checkBucket(rate, s.Burst); err != nil {
		return nil, &AttributeError{Attribute: "burst", Err: err}
	}
	return s, nil
}

// TokenBucketSpec is a valid TokenBucket.
type TokenBucketSpec struct {
	Rate  Rate
	Burst int64
}

// Algorithm returns TokenBucketName.
func (s TokenBucketSpec) Algorithm() string { return TokenBucketName }

// Policy has the burst as its quota and the time to refill it as its window.
func (s TokenBucketSpec) Policy() Policy { return bucketPolicy(s.Rate, s.Burst) }

// Capacity is the burst.
func (s TokenBucketSpec) Capacity() int64 { return s.Burst }

// New makes a limiter whose buckets are all full.
func (s TokenBucketSpec) New(o Options) Limiter {
	return newBucketTable(s, newMeter(s.Rate, s.Burst, s.Burst), o)
}
