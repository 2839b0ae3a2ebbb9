package limits

import "errors"

// LeakyBucketName is the algorithm's name in a policy.
const LeakyBucketName = "leaky_bucket"

// LeakyBucket is the block of a bucket that leaks at a steady rate.
//
// Without a queue it polices: a request pours in as much as it costs, or is
// denied if the bucket would overflow. With the default capacity of 1 requests
// have to keep their distance. That is the token bucket seen from below, and
// decides exactly as one whose burst is the capacity.
//
// With a queue it shapes, as nginx's limit_req does: a request that comes early
// is allowed with a Delay until its turn, as long as no more than Queue units
// wait already. What waits in the end leaves at the rate.
type LeakyBucket struct {
	// Rate is how fast the bucket leaks, as ParseRate reads it.
	Rate string `hcl:"rate"`
	// Capacity is how much the bucket holds when it polices; 0 means 1.
	Capacity int64 `hcl:"capacity,optional"`
	// Queue is how many units may wait for their turn; 0 means that none does
	// and the bucket polices.
	Queue int64 `hcl:"queue,optional"`
	// Immediate is how many units in excess of the rate pass without waiting:
	// nginx's delay parameter; as large as Queue, its nodelay.
	Immediate int64 `hcl:"immediate,optional"`
}

// Spec checks the block.
func (b *LeakyBucket) Spec() (Spec, error) {
	var errs []error
	rate, err := ParseRate(b.Rate)
	if err != nil {
		errs = append(errs, &AttributeError{Attribute: "rate", Err: err})
	}
	switch {
	case b.Capacity < 0:
		errs = append(errs, faultf("capacity", "capacity %d is negative", b.Capacity))
	case b.Capacity > 0 && b.Queue > 0:
		errs = append(errs, faultf("capacity", "capacity %d has no meaning beside a queue, which sets it to queue + 1", b.Capacity))
	}
	if b.Queue < 0 {
		errs = append(errs, faultf("queue", "queue %d is negative", b.Queue))
	}
	switch {
	case b.Immediate < 0:
		errs = append(errs, faultf("immediate", "immediate %d is negative", b.Immediate))
	case b.Immediate > max(b.Queue, 0):
		errs = append(errs, faultf("immediate", "immediate %d is more than the queue of %d", b.Immediate, max(b.Queue, 0)))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	s := LeakyBucketSpec{Rate: rate, Burst: max(1, b.Capacity), Immediate: b.Immediate}
	size := "capacity"
	if b.Queue > 0 {
		size = "queue"
		if b.Queue > maxQueue {
			return nil, faultf("queue", "queue %d is more than %d", b.Queue, int64(maxQueue))
		}
		s.Queue, s.Burst = b.Queue, b.Queue+1
	}
	if err := checkBucket(rate, s.Burst); err != nil {
		return nil, &AttributeError{Attribute: size, Err: err}
	}
	return s, nil
}

// maxQueue keeps queue + 1 within an int64; no gateway holds so many requests.
const maxQueue = 1 << 32

// LeakyBucketSpec is a valid LeakyBucket.
type LeakyBucketSpec struct {
	Rate Rate
	// Burst is the capacity when it polices, Queue + 1 when it shapes.
	Burst int64
	// Queue is how many units may wait; 0 polices.
	Queue int64
	// Immediate is how many units of excess don't wait; at most Queue.
	Immediate int64
}

// Algorithm returns LeakyBucketName.
func (s LeakyBucketSpec) Algorithm() string { return LeakyBucketName }

// Policy has the capacity as its quota, places in the queue included.
func (s LeakyBucketSpec) Policy() Policy { return bucketPolicy(s.Rate, s.Burst) }

// Capacity is how much fits into the bucket.
func (s LeakyBucketSpec) Capacity() int64 { return s.Burst }

// New makes a limiter whose buckets are all empty.
func (s LeakyBucketSpec) New(o Options) Limiter { return newBucketTable(s, s.meter(), o) }

func (s LeakyBucketSpec) meter() meter {
	immediate := s.Immediate
	if s.Queue == 0 {
		immediate = s.Burst
	}
	return newMeter(s.Rate, s.Burst, immediate)
}
