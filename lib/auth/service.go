package auth

import "strings"

// Service is one brand of Jottacloud. All of them keep files at the same hosts;
// each has a login of its own. Source: docs/protocol.md, section 4.5.
type Service struct {
	Key    string // as --service has it
	Name   string // as people know it
	host   string // of the login
	realm  string // of the login
	client string // what a program calls itself in the browser flow
	scopes []string
}

// loginClient is what a program calls itself when it has a login token.
const loginClient = "jottacli"

// tokenPage is where people make login tokens.
const tokenPage = "https://www.jottacloud.com/web/secure"

var (
	loginScopes   = []string{"openid", "offline_access"}
	defaultScopes = []string{"openid", "jotta-default", "offline_access"}
	plainScopes   = []string{"openid", "offline_access"} // some brands refuse jotta-default (docs/protocol.md, section 4.5)
)

// Services are the brands there are, as of 2026.
var Services = []Service{
	{"jottacloud", "Jottacloud", "id.jottacloud.com", "jottacloud", "desktop", defaultScopes},
	{"elgiganten_dk", "Elgiganten Cloud (Denmark)", "cloud.elgiganten.dk", "elgiganten", "desktop", defaultScopes},
	{"elgiganten_se", "Elgiganten Cloud (Sweden)", "cloud.elgiganten.se", "elgiganten", "desktop", defaultScopes},
	{"elkjop", "Elkjøp Cloud (Norway)", "cloud.elkjop.no", "elkjop", "desktop", plainScopes},
	{"elko", "ELKO Cloud (Iceland)", "cloud.elko.is", "elko", "desktop", plainScopes},
	{"gigantti", "Gigantti Cloud (Finland)", "cloud.gigantti.fi", "gigantti", "desktop", defaultScopes},
	{"letsgo", "Let's Go Cloud (Germany)", "letsgo.jotta.cloud", "letsgo", "desktop-win", plainScopes},
	{"mediamarkt", "MediaMarkt Cloud", "mediamarkt.jottacloud.com", "mediamarkt", "desktop", defaultScopes},
	{"onlime", "Onlime (Denmark)", "cloud-auth.onlime.dk", "onlime_wl", "desktop", defaultScopes},
	{"phonero", "Phonero Sky", "sky.phonero.no", "phonero", "desktop-win", plainScopes},
	{"tele2", "Tele2 Cloud (Sweden)", "mittcloud-auth.tele2.se", "comhem", "desktop", defaultScopes},
	{"telia_no", "Telia Sky (Norway)", "sky-auth.telia.no", "get", "desktop", defaultScopes},
	{"telia_se", "Telia Cloud (Sweden)", "cloud-auth.telia.se", "telia_se", "desktop", defaultScopes},
}

// LookUpService returns the service with a key. Letter case does not matter.
func LookUpService(key string) (Service, bool) {
	for _, s := range Services {
		if strings.EqualFold(s.Key, key) {
			return s, true
		}
	}
	return Service{}, false
}

// serviceOf returns the service whose login has this host; with a host of
// somebody's own, the one of the realm; else one that is only a name.
func serviceOf(host, realm string) Service {
	for _, s := range Services {
		if strings.EqualFold(s.host, host) {
			return s
		}
	}
	for _, s := range Services {
		if s.realm == realm {
			return s
		}
	}
	return Service{Key: host, Name: host}
}

// wellKnown is where the service says how to log in.
func (s Service) wellKnown() string {
	return "https://" + s.host + "/auth/realms/" + s.realm + "/.well-known/openid-configuration"
}
