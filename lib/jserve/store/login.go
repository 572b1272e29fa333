package store

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// Kinds of failure of logins.
var (
	ErrNoTicket  = errors.New("no such ticket")  // unknown, used or expired
	ErrNoSession = errors.New("no such session") // unknown or ended
	ErrStale     = errors.New("stale token")     // replaced by a newer one; the session is over
)

var (
	bucketTickets  = []byte("tickets")  // SHA-256 of the secret → Ticket
	bucketSessions = []byte("sessions") // id → Session
	bucketLogin    = []byte("login")    // the key, and a proof of each account's password; not in meta, which exports carry along
	keyLogin       = []byte("key")
)

// Logins that an account has at most. Beyond it the one that was not used for the
// longest time goes. So none costs another account its login.
const (
	maxTickets  = 1000
	maxSessions = 1000
)

// Ticket lets its bearer in once. The store keeps only a digest of the secret
// that proves it.
type Ticket struct {
	User    string            `json:"user"`
	Purpose string            `json:"purpose"`
	Expires int64             `json:"expires"`           // Unix seconds
	Terms   map[string]string `json:"terms,omitempty"`   // what whoever redeems it must show
	Session string            `json:"session,omitempty"` // what it was redeemed for; empty as long as it is good
}

// Session is a login that lives on from token to token: of those ever handed
// out for it only the newest is good.
type Session struct {
	ID     string `json:"id"`
	User   string `json:"user"`
	Client string `json:"client"`
	Realm  string `json:"realm"`
	Scope  string `json:"scope"`
	Token  string `json:"token"` // id of the newest token
	Used   int64  `json:"used"`  // Unix seconds; when that was handed out
}

// logins makes the buckets when they are first written to: stores made before
// there were logins lack them.
func (t *tx) logins(name []byte) (*bolt.Bucket, error) {
	return t.entries.Tx().CreateBucketIfNotExists(name)
}

func putJSON(b *bolt.Bucket, key []byte, v any) error {
	value, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return b.Put(key, value)
}

// LoginKey returns the 32 random bytes that tokens of this store are signed
// with. They are made on the first call and stay the same.
func (s *Store) LoginKey() ([]byte, error) {
	fresh := make([]byte, 32)
	rand.Read(fresh) // never fails
	var key []byte
	err := s.update(func(t *tx) error {
		b, err := t.logins(bucketLogin)
		if err != nil {
			return err
		}
		if key = bytes.Clone(b.Get(keyLogin)); len(key) > 0 {
			return nil
		}
		key = fresh
		return b.Put(keyLogin, key)
	})
	if err != nil {
		return nil, fmt.Errorf("login key: %w", err)
	}
	return key, nil
}

// AddTicket keeps a ticket under its secret.
func (s *Store) AddTicket(secret string, ticket Ticket) error {
	key := sha256.Sum256([]byte(secret))
	return s.update(func(t *tx) error {
		b, err := t.logins(bucketTickets)
		if err != nil {
			return err
		}
		_, err = trim(b, maxTickets-1, func(old *Ticket) record {
			return record{at: old.Expires, dead: old.Expires <= t.now, counts: Fold(old.User) == Fold(ticket.User)}
		})
		if err != nil {
			return err
		}
		return putJSON(b, key[:], ticket)
	})
}

// HasTicket tells whether there is a ticket with this secret, spent or not.
func (s *Store) HasTicket(secret string) bool {
	key := sha256.Sum256([]byte(secret))
	return s.hasLogin(bucketTickets, key[:])
}

// hasLogin tells whether a bucket that may not be there has a key.
func (s *Store) hasLogin(bucket, key []byte) (there bool) {
	err := s.view(func(t *tx) error {
		b := t.entries.Tx().Bucket(bucket)
		there = b != nil && b.Get(key) != nil
		return nil
	})
	return err == nil && there
}

// Redeem spends a ticket and begins the session that open makes of it, both or
// neither. If open fails the ticket stays good. A ticket that was spent before
// ends the session it was spent on, since one of the two bearers stole it. Fails
// with ErrNoTicket or the error of open.
func (s *Store) Redeem(secret, purpose string, open func(Ticket) (Session, error)) (Session, error) {
	key := sha256.Sum256([]byte(secret))
	var session Session
	var refused error
	err := s.update(func(t *tx) error {
		session, refused = Session{}, nil
		b, err := t.logins(bucketTickets)
		if err != nil {
			return err
		}
		var ticket Ticket
		if value := b.Get(key[:]); value == nil {
			refused = ErrNoTicket
			return nil
		} else if err := json.Unmarshal(value, &ticket); err != nil {
			return err
		}
		switch {
		case ticket.Purpose != purpose || ticket.Expires <= t.now:
			refused = ErrNoTicket
			return nil
		case ticket.Session != "":
			refused = ErrNoTicket
			return t.endSession(ticket.Session)
		}
		if session, refused = open(ticket); refused != nil {
			return nil
		}
		ticket.Session = session.ID
		if err := putJSON(b, key[:], ticket); err != nil {
			return err
		}
		return t.beginSession(session)
	})
	return session, errors.Join(err, refused)
}

// BeginSession keeps a new session.
func (s *Store) BeginSession(session Session) error {
	return s.update(func(t *tx) error { return t.beginSession(session) })
}

func (t *tx) beginSession(session Session) error {
	b, err := t.logins(bucketSessions)
	if err != nil {
		return err
	}
	_, err = trim(b, maxSessions-1, func(old *Session) record {
		return record{at: old.Used, counts: Fold(old.User) == Fold(session.User)}
	})
	if err != nil {
		return err
	}
	session.Used = t.now
	return putJSON(b, []byte(session.ID), session)
}

func (t *tx) endSession(id string) error {
	b, err := t.logins(bucketSessions)
	if err != nil {
		return err
	}
	return b.Delete([]byte(id))
}

// Renew replaces a session's token by next, and returns the session. An older
// token than the newest ends the session, with ErrStale: it was used twice, so
// one of the two users stole it. Fails with ErrNoSession, or the error of check,
// which leaves the session as it is.
func (s *Store) Renew(id, token, next string, check func(Session) error) (Session, error) {
	var session Session
	var refused error
	err := s.update(func(t *tx) error {
		session, refused = Session{}, nil
		b, err := t.logins(bucketSessions)
		if err != nil {
			return err
		}
		value := b.Get([]byte(id))
		if value == nil {
			refused = ErrNoSession
			return nil
		}
		if err := json.Unmarshal(value, &session); err != nil {
			return err
		}
		if refused = check(session); refused != nil {
			return nil
		}
		if subtle.ConstantTimeCompare([]byte(session.Token), []byte(token)) != 1 {
			refused = ErrStale
			return b.Delete([]byte(id))
		}
		session.Token, session.Used = next, t.now
		return putJSON(b, []byte(id), session)
	})
	return session, errors.Join(err, refused)
}

// EndSession forgets a session; its tokens are worth nothing from then on. One
// that is not there is no error.
func (s *Store) EndSession(id string) error {
	return s.update(func(t *tx) error { return t.endSession(id) })
}

// HasSession tells whether a session has not ended.
func (s *Store) HasSession(id string) bool { return id != "" && s.hasLogin(bucketSessions, []byte(id)) }

// EndLogins forgets all sessions and tickets of an account, and what PasswordIs knows
// of it, and returns how many sessions there were.
func (s *Store) EndLogins(user string) (ended int, err error) {
	err = s.update(func(t *tx) (err error) {
		ended, err = t.endLogins(user)
		return err
	})
	return ended, err
}

func (t *tx) endLogins(user string) (ended int, err error) {
	sessions, err := t.logins(bucketSessions)
	if err != nil {
		return 0, err
	}
	tickets, err := t.logins(bucketTickets)
	if err != nil {
		return 0, err
	}
	proofs, err := t.logins(bucketLogin)
	if err != nil {
		return 0, err
	}
	ended, err = trim(sessions, maxSessions, func(old *Session) record { return record{dead: Fold(old.User) == Fold(user)} })
	if err != nil {
		return 0, err
	}
	_, err = trim(tickets, maxTickets, func(old *Ticket) record { return record{dead: Fold(old.User) == Fold(user)} })
	return ended, errors.Join(err, proofs.Delete(proofKey(user)))
}

// proof tells a password from others without being it.
type proof struct {
	Salt   []byte `json:"salt"`
	Digest []byte `json:"digest"` // of the salt and the password
}

func proofKey(user string) []byte { return []byte("password/" + Fold(user)) }

// PasswordIs ends all logins of an account whose password is another than when
// PasswordIs was last called for it, and returns how many sessions that were. digest
// makes a digest of the password with a salt, and must be slow to try. The salt it
// returns is another after each change, and after EndLogins.
func (s *Store) PasswordIs(user string, digest func(salt []byte) []byte) (salt []byte, ended int, err error) {
	var known proof
	err = s.view(func(t *tx) error {
		b := t.entries.Tx().Bucket(bucketLogin)
		if b == nil {
			return nil
		}
		if value := b.Get(proofKey(user)); value != nil {
			return json.Unmarshal(value, &known)
		}
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("logins of %s: %w", user, err)
	}
	if known.Salt != nil && subtle.ConstantTimeCompare(known.Digest, digest(known.Salt)) == 1 {
		return known.Salt, 0, nil
	}
	next := proof{Salt: make([]byte, 16)}
	rand.Read(next.Salt) // never fails
	next.Digest = digest(next.Salt)
	err = s.update(func(t *tx) (err error) {
		ended = 0
		if known.Salt != nil {
			if ended, err = t.endLogins(user); err != nil {
				return err
			}
		}
		b, err := t.logins(bucketLogin)
		if err != nil {
			return err
		}
		return putJSON(b, proofKey(user), next)
	})
	if err != nil {
		return nil, 0, fmt.Errorf("logins of %s: %w", user, err)
	}
	return next.Salt, ended, nil
}

// record is what trim has to know of one.
type record struct {
	at     int64
	dead   bool // goes in any case
	counts bool // counts towards the limit
}

// trim removes the records that are dead, and of those that count the oldest until
// at most limit are left. It returns how many it has removed.
func trim[T any](b *bolt.Bucket, limit int, judge func(*T) record) (removed int, err error) {
	for {
		var dead [][]byte
		var oldest []byte
		var oldestAt int64
		live := 0
		err := b.ForEach(func(key, value []byte) error {
			one := new(T)
			if err := json.Unmarshal(value, one); err != nil {
				return err
			}
			// Keys point into the database's pages, which a deletion may move.
			switch r := judge(one); {
			case r.dead:
				dead = append(dead, bytes.Clone(key))
			case r.counts:
				if oldest == nil || r.at < oldestAt {
					oldest, oldestAt = bytes.Clone(key), r.at
				}
				live++
			}
			return nil
		})
		if err != nil {
			return removed, err
		}
		if live > limit {
			dead = append(dead, oldest)
			live--
		}
		for _, key := range dead {
			if err := b.Delete(key); err != nil {
				return removed, err
			}
			removed++
		}
		if live <= limit {
			return removed, nil
		}
	}
}
