package store

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

var errTerms = errors.New("other terms")

func open(id, token string) func(Ticket) (Session, error) {
	return func(t Ticket) (Session, error) { return Session{ID: id, User: t.User, Token: token}, nil }
}

func accept(Session) error { return nil }

func TestTickets(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, nil)
	now := s.clock.Load()
	for _, secret := range []string{"good", "late"} {
		if err := s.AddTicket(secret, Ticket{User: user, Purpose: "login", Expires: now + 100}); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(secret, purpose string, want error, open func(Ticket) (Session, error)) {
		t.Helper()
		if _, err := s.Redeem(secret, purpose, open); !errors.Is(err, want) {
			t.Errorf("Redeem(%s, %s) = %v, want %v", secret, purpose, err, want)
		}
	}
	refused("unknown", "login", ErrNoTicket, open("a", "1"))
	refused("good", "code", ErrNoTicket, open("a", "1"))
	refused("good", "login", errTerms, func(Ticket) (Session, error) { return Session{}, errTerms })
	got, err := s.Redeem("good", "login", open("a", "1"))
	if err != nil || got.User != user || got.ID != "a" {
		t.Fatalf("Redeem = %+v, %v", got, err)
	}
	// The second use ends the session of the first.
	refused("good", "login", ErrNoTicket, open("b", "1"))
	if _, err := s.Renew("a", "1", "2", accept); !errors.Is(err, ErrNoSession) {
		t.Errorf("session after its ticket was used twice: %v", err)
	}
	s.clock.Add(100)
	refused("late", "login", ErrNoTicket, open("c", "1"))
}

func TestSessions(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, nil)
	begin := func(id string) {
		t.Helper()
		if err := s.BeginSession(Session{ID: id, User: user, Token: "1"}); err != nil {
			t.Fatal(err)
		}
	}
	renew := func(id, token, next string, want error) {
		t.Helper()
		if _, err := s.Renew(id, token, next, accept); !errors.Is(err, want) {
			t.Errorf("Renew(%s, %s) = %v, want %v", id, token, err, want)
		}
	}
	begin("a")
	begin("b")
	renew("a", "1", "2", nil)
	if _, err := s.Renew("a", "1", "x", func(Session) error { return errTerms }); !errors.Is(err, errTerms) {
		t.Errorf("Renew with a failing check = %v", err)
	}
	key, err := s.LoginKey()
	if err != nil || len(key) != 32 {
		t.Fatalf("LoginKey = %x, %v", key, err)
	}

	// All of it outlives the process.
	clock := s.clock
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir, clock)
	if again, err := s.LoginKey(); err != nil || !bytes.Equal(again, key) {
		t.Errorf("LoginKey after reopening = %x, %v, want %x", again, err, key)
	}
	renew("a", "2", "3", nil)
	renew("a", "2", "4", ErrStale)
	renew("a", "3", "4", ErrNoSession)
	renew("b", "1", "2", nil)
	if err := s.EndSession("b"); err != nil {
		t.Fatal(err)
	}
	renew("b", "2", "3", ErrNoSession)
}

// The oldest sessions give way, those in use stay.
func TestSessionsAreBounded(t *testing.T) {
	s := openTest(t, t.TempDir(), nil)
	for i := range maxSessions + 3 {
		s.clock.Add(1)
		if err := s.BeginSession(Session{ID: fmt.Sprint(i), User: user, Token: "1"}); err != nil {
			t.Fatal(err)
		}
		if i == 10 {
			s.clock.Add(1)
			if _, err := s.Renew("0", "1", "2", accept); err != nil {
				t.Fatal(err)
			}
		}
	}
	for id, want := range map[string]error{"0": nil, "1": ErrNoSession, "3": ErrNoSession, "4": nil} {
		token := map[string]string{"0": "2"}[id]
		if token == "" {
			token = "1"
		}
		if _, err := s.Renew(id, token, "9", accept); !errors.Is(err, want) {
			t.Errorf("session %s: %v, want %v", id, err, want)
		}
	}
}

// Who gets a copy of a store must not get a way into the server it is from.
func TestExportHoldsNoLogin(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, nil)
	key, err := s.LoginKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.BeginSession(Session{ID: "the session", User: user, Token: "the token"}); err != nil {
		t.Fatal(err)
	}
	if err := s.AddTicket("secret", Ticket{User: user, Purpose: "the purpose", Expires: s.clock.Load() + 100}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, _, err := Export(t.Context(), dir, &out); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{string(key), "the session", "the token", "the purpose"} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("the export holds %q", secret)
		}
	}
}
