package auth

import (
	"fmt"
	"io"
)

// secret is text that is never printed, whatever the verb. It goes into JSON as
// it is: that is the token store. Package fmt does not see it in fields that are not
// exported, so what has such a field prints itself.
type secret string

// Format hides the text.
func (secret) Format(f fmt.State, _ rune) { io.WriteString(f, "(secret)") }

// Format prints no secret, whatever the verb.
func (t LoginToken) Format(f fmt.State, _ rune) { io.WriteString(f, "login token of "+t.username) }

// Format prints no secret, whatever the verb.
func (s *Session) Format(f fmt.State, _ rune) { io.WriteString(f, "login of profile "+s.o.Profile) }

// Format prints no secret, whatever the verb.
func (b *Browser) Format(f fmt.State, _ rune) { io.WriteString(f, "login at "+b.service.Name) }
