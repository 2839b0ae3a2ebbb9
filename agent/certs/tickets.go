package certs

import (
	"fmt"
	"os"
	"runtime"

	"github.com/lictor/lictor/agent/tickets"
)

// LoadTickets reads the secrets by which session tickets are sealed. Its error is a
// *FileError.
func LoadTickets(file string) (*tickets.Keys, error) {
	return load([]string{file}, parseTickets(file))
}

func parseTickets(file string) func([][]byte) (*tickets.Keys, error) {
	return func(texts [][]byte) (*tickets.Keys, error) {
		k, err := tickets.Parse(texts[0])
		if err != nil {
			return nil, &FileError{File: file, Err: err}
		}
		return k, nil
	}
}

// Exposed reports whether everybody on the machine may read a file. On Windows its
// mode does not say.
func Exposed(file string) bool {
	info, err := os.Stat(file)
	return err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o004 != 0
}

// loadTickets reads the set's TicketFile.
func (s *ServerSet) loadTickets() error {
	f := s.spec.TicketFile
	if f == "" {
		return nil
	}
	s.tickets = newSource([]string{f}, parseTickets(f))
	if _, err := s.tickets.look(false); err != nil {
		return fmt.Errorf("loading the secrets of session tickets: %w", err)
	}
	return nil
}

// keys returns what seals the set's session tickets now, nil for crypto/tls itself.
func (s *ServerSet) keys() *tickets.Keys {
	if s.tickets == nil {
		return nil
	}
	return s.tickets.value
}

// lookAtTicketsLocked takes over secrets that are new and sound, and returns what is
// to be said of them once they are used.
func (s *Server) lookAtTicketsLocked() []news {
	t := s.set.tickets
	if t == nil {
		return nil
	}
	changed, err := t.look(true)
	switch {
	case err != nil:
		s.log.Error("secrets of session tickets refused, the previous ones stay", "session_ticket_key_file", s.set.spec.TicketFile, "error", err)
	case changed:
		return []news{{"secrets of session tickets replaced", []any{"session_ticket_key_file", s.set.spec.TicketFile, "secrets", t.value.Len()}}}
	}
	return nil
}
