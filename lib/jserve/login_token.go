package jserve

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
)

// What a token is for, as its claim typ says.
const (
	tokenAccess  = "Bearer"
	tokenRefresh = "Refresh"
	tokenID      = "ID"
	tokenEvents  = "Events"
)

// maxToken is how long a token may be, in bytes. Ours are far shorter.
const maxToken = 4 << 10

var errBadToken = errors.New("token not valid")

// claims are what a token says. Clients read the user's name out of sub, of
// either token (docs/protocol.md, section 4.1).
type claims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	Kind     string `json:"typ"`
	ID       string `json:"jti"`
	Issued   int64  `json:"iat"`
	Expires  int64  `json:"exp,omitempty"` // a refresh token has none: it ends with its session
	Client   string `json:"azp"`
	Session  string `json:"session_state"`
	Scope    string `json:"scope"`
	Nonce    string `json:"nonce,omitempty"`
	User     string `json:"preferred_username"`
	Email    string `json:"email,omitempty"`
}

// keys are for one purpose each, so that what is signed for one is worth nothing
// for another.
type keys struct{ token, form, machine []byte }

func newKeys(master []byte) keys {
	return keys{mac(master, "token"), mac(master, "form"), mac(master, "machine")}
}

func mac(key []byte, parts ...string) []byte {
	h := hmac.New(sha256.New, key)
	for i, p := range parts {
		if i > 0 {
			h.Write([]byte{0})
		}
		h.Write([]byte(p))
	}
	return h.Sum(nil)
}

// randomID returns 128 random bits in hex.
func randomID() string {
	b := make([]byte, 16)
	rand.Read(b) // never fails
	return hexString(b)
}

// tokenHeader begins every token: a JWT signed with HMAC. Clients do not check
// the signature, the server does.
var tokenHeader = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`))

// sign makes a token.
func (k keys) sign(c claims) (string, error) {
	payload, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	text := tokenHeader + "." + base64.RawURLEncoding.EncodeToString(payload)
	return text + "." + k.signature(text), nil
}

// signature is what follows the last dot. Compared as text, there is one only:
// decoders read more than one.
func (k keys) signature(text string) string {
	return base64.RawURLEncoding.EncodeToString(mac(k.token, text))
}

// verify reads a token that sign made. Only the header that sign writes is
// taken, so that nobody can choose another algorithm. The signature is compared
// in constant time; whether the token has expired is for the caller to see.
func (k keys) verify(token, kind string) (claims, error) {
	var c claims
	if len(token) > maxToken {
		return c, errBadToken
	}
	i := strings.LastIndexByte(token, '.')
	if i < 0 {
		return c, errBadToken
	}
	text := token[:i]
	if !hmac.Equal([]byte(token[i+1:]), []byte(k.signature(text))) {
		return c, errBadToken
	}
	header, payload, ok := strings.Cut(text, ".")
	if !ok || header != tokenHeader {
		return c, errBadToken
	}
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return c, errBadToken
	}
	if err := json.NewDecoder(bytes.NewReader(raw)).Decode(&c); err != nil || c.Kind != kind {
		return claims{}, errBadToken
	}
	return c, nil
}

// tokenAnswer is what every kind of login ends with.
type tokenAnswer struct {
	AccessToken    string `json:"access_token"`
	ExpiresIn      int64  `json:"expires_in"`
	RefreshExpires int64  `json:"refresh_expires_in"` // 0: it does not expire by age
	RefreshToken   string `json:"refresh_token"`
	TokenType      string `json:"token_type"`
	IDToken        string `json:"id_token"`
	NotBefore      int64  `json:"not-before-policy"`
	SessionState   string `json:"session_state"`
	Scope          string `json:"scope"`
}
