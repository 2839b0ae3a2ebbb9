package consul

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"
)

// mostOperations is how many operations Consul takes in one transaction.
const mostOperations = 128

// Change is what becomes of one key.
type Change struct {
	Key string
	// Was is the version that the change was made from, 0 for a key that must not
	// exist yet.
	Was uint64
	// Text is what it becomes; nil removes the key.
	Text []byte
}

// ConflictError is a write that was not made because somebody else has changed
// the keys since they were read.
type ConflictError struct{ Keys []string }

// Error names the keys.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("nothing was written: somebody else has changed %s meanwhile", strings.Join(e.Keys, ", "))
}

// Write makes all changes, or none, as one transaction. Each is made only if the
// key is still as it was, and so are those of same, as far as the transaction
// has room for them: Consul takes 128 operations at a time. Keys that others have
// changed are a *ConflictError.
func (k *KV) Write(ctx context.Context, changes []Change, same []Document) error {
	if len(changes) > mostOperations {
		return fmt.Errorf("writing to Consul's KV store: %d changes are more than the %d that Consul takes in one transaction; write fewer files with more in each",
			len(changes), mostOperations)
	}
	var ops api.TxnOps
	size := 0
	for _, c := range changes {
		op := &api.KVTxnOp{Verb: api.KVCAS, Key: c.Key, Value: c.Text, Index: c.Was}
		if c.Text == nil {
			op.Verb = api.KVDeleteCAS
		}
		size += len(c.Text)
		ops = append(ops, &api.TxnOp{KV: op})
	}
	for _, d := range same[:min(len(same), mostOperations-len(ops))] {
		ops = append(ops, &api.TxnOp{KV: &api.KVTxnOp{Verb: api.KVCheckIndex, Key: d.Key, Index: d.Version}})
	}
	ctx, cancel := context.WithTimeout(ctx, deadline(0))
	defer cancel()
	ok, resp, _, err := k.con.api.Txn().Txn(ops, k.con.options(ctx, 0, 0))
	switch { // the api tells the text of a refusal, and not its status
	case err != nil && strings.Contains(err.Error(), "too large"):
		return fmt.Errorf("writing to Consul's KV store: %d bytes are more than Consul takes in one transaction (512 KiB, a third of it lost to encoding, unless the agent's limits.txn_max_req_len and limits.kv_max_value_size say more): %w", size, err)
	case err != nil && strings.Contains(err.Error(), "Permission denied"):
		return fmt.Errorf("writing to Consul's KV store: the token lacks %s: %w", k.rule("write"), err)
	case err != nil && strings.Contains(err.Error(), notKnown):
		return fmt.Errorf("writing to Consul's KV store: %s: %w", warnTokenText, err)
	case err != nil:
		return fmt.Errorf("writing to Consul's KV store: %w", err)
	case ok:
		return nil
	}
	return k.refused(ops, resp)
}

// refused tells why a transaction was not made.
func (k *KV) refused(ops api.TxnOps, resp *api.TxnResponse) error {
	var conflicts, others []string
	for _, e := range resp.Errors {
		key := ""
		if e.OpIndex >= 0 && e.OpIndex < len(ops) {
			key = ops[e.OpIndex].KV.Key
		}
		switch {
		case strings.Contains(e.What, "Permission denied") || strings.Contains(e.What, "lacks permission"):
			return fmt.Errorf("writing to Consul's KV store: the token lacks %s: %s", k.rule("write"), e.What)
		case strings.Contains(e.What, "index is stale") || strings.Contains(e.What, "doesn't exist") || strings.Contains(e.What, "current modify index"):
			if !slices.Contains(conflicts, key) {
				conflicts = append(conflicts, key)
			}
		default:
			others = append(others, key+": "+e.What)
		}
	}
	switch {
	case len(others) > 0:
		return errors.New("writing to Consul's KV store: nothing was written: " + strings.Join(others, "; "))
	case len(conflicts) > 0:
		return &ConflictError{Keys: conflicts}
	}
	return errors.New("writing to Consul's KV store: nothing was written, and Consul does not say why")
}
