package connect

import (
	"cmp"

	"jottatools/lib/auth"
)

// Who returns, for people, whose account the environment and the configuration choose, and
// where: as far as is known here, without asking the service. A profile is that of a login.
func Who() (server, user, profile string) {
	settings, err := Settings("")
	if err != nil {
		return "", "", ""
	}
	server, profile = cmp.Or(settings.Endpoint, "Jottacloud"), settings.Profile
	login := Login(settings)
	credentials, _ := auth.Find(login)
	if basic, ok := credentials.(*auth.Basic); ok {
		return server, basic.User(), ""
	}
	if info, err := auth.Look(login); err == nil && info.Service != "" {
		return cmp.Or(info.Endpoint, info.Service), info.Username, info.Profile
	}
	return server, "", profile
}
