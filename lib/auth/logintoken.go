package auth

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode"
)

// LoginToken is a personal login token: what the web pages of the service show
// to be pasted into a program. It is good for one login. Source:
// docs/protocol.md, section 4.1.
type LoginToken struct {
	username  string
	realm     string
	wellKnown string // address of the discovery document
	secret    secret
}

// MaxLoginToken is the longest text that is looked at, in bytes. Real ones have a
// few hundred.
const MaxLoginToken = 16 << 10

// The ways in which text is no login token. None of the errors shows the text.
var (
	ErrTokenEmpty = unauthorized("there is no login token; make one at %s and paste it", tokenPage)
	ErrTokenShort = unauthorized("the login token is cut short; copy it whole")
	errTokenWrong = unauthorized("this is not a login token; make one at %s and paste it whole", tokenPage)
)

// ParseLoginToken reads a login token. Blanks and line breaks within are passed
// over, as they come of pasting; base64 is read in both its alphabets, with
// padding and without. The error is ErrTokenShort if there may be more to come.
func ParseLoginToken(text string) (LoginToken, error) {
	if len(text) > MaxLoginToken {
		return LoginToken{}, errTokenWrong
	}
	text = strings.Map(clean, text)
	if text == "" {
		return LoginToken{}, ErrTokenEmpty
	}
	// What is left over of the last group of four is a part of a character.
	whole, raw := text, base64.RawURLEncoding
	if len(whole)%4 == 1 {
		whole = whole[:len(whole)-1]
	}
	plain, err := raw.DecodeString(whole)
	if err != nil {
		return LoginToken{}, errTokenWrong
	}
	var fields struct {
		Username  string `json:"username"`
		Realm     string `json:"realm"`
		WellKnown string `json:"well_known_link"`
		AuthToken string `json:"auth_token"`
	}
	decoder := json.NewDecoder(strings.NewReader(string(plain)))
	switch err := decoder.Decode(&fields); {
	case errors.Is(err, io.ErrUnexpectedEOF) && strings.HasPrefix(string(plain), "{"):
		return LoginToken{}, ErrTokenShort
	case err != nil || decoder.More(), fields.Username == "", fields.WellKnown == "", fields.AuthToken == "":
		return LoginToken{}, errTokenWrong
	}
	return LoginToken{fields.Username, fields.Realm, fields.WellKnown, secret(fields.AuthToken)}, nil
}

// clean drops what pasting adds, and brings base64 to one alphabet.
func clean(r rune) rune {
	switch {
	case unicode.IsSpace(r), unicode.Is(unicode.Cf, r), r == '=', r == '"', r == '\'':
		return -1
	case r == '+':
		return '-'
	case r == '/':
		return '_'
	}
	return r
}
