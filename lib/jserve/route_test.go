package jserve

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestRoutesAreDocumented compares the tables in docs/jserve.md with what the server
// answers.
func TestRoutesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/jserve.md")
	if err != nil {
		t.Fatal(err)
	}
	section := string(page)
	_, section, found := strings.Cut(section, "## Routes\n")
	if !found {
		t.Fatal("docs/jserve.md has no section Routes")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	documented := make(map[string][]string) // rows by the head of the first column
	head := ""
	for line := range strings.Lines(section) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			head = ""
			continue
		}
		var cells []string
		for _, cell := range strings.Split(strings.Trim(line, "|"), "|") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		switch {
		case head == "":
			head = cells[0]
		case strings.HasPrefix(cells[0], "---"):
		case head == "path":
			documented[head] = append(documented[head], strings.Join(cells[:3], " | "))
		case head == "mode":
			documented[head] = append(documented[head], fmt.Sprint(cells[0], " changes: ", cells[1] != "nothing"))
		default:
			documented[head] = append(documented[head], cells[0])
		}
	}
	want := make(map[string][]string)
	row := func(path string, rt *route) {
		want["path"] = append(want["path"], fmt.Sprintf("`%s` | %s | %s", path, rt.methods, rt.access))
	}
	for i := range routes {
		row(routes[i].path, &routes[i])
	}
	for i := range realmRoutes {
		row(realmsPath+"/REALM/"+realmRoutes[i].path, &realmRoutes[i])
	}
	for _, m := range modes {
		want["mode"] = append(want["mode"], fmt.Sprint("`", m.name, "` changes: ", m.changes))
	}
	for _, c := range commands {
		want["command"] = append(want["command"], "`"+c.name+"`")
	}
	for head, rows := range want {
		for _, r := range rows {
			if !slices.Contains(documented[head], r) {
				t.Errorf("docs/jserve.md lacks the %s %s", head, r)
			}
		}
		for _, r := range documented[head] {
			if !slices.Contains(rows, r) {
				t.Errorf("docs/jserve.md has the %s %s, which the server does not have, or not so", head, r)
			}
		}
	}
}

// TestRoutesAskForALogin: without one, or with a wrong one, only those let anybody in
// that say so.
func TestRoutesAskForALogin(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.AllowFaults = true })
	for _, rt := range routes {
		verb, _, _ := strings.Cut(rt.methods, " ")
		for _, password := range []string{"", "wrong"} {
			path := strings.ReplaceAll(rt.path, "…", "user01")
			a := w.with("user01", "wrong").send(verb, path, nil)
			if password == "" {
				a = w.send(verb, path, nil, "Authorization", "")
			}
			if refused := a.status == 401; rt.access == byLogin && !refused {
				t.Errorf("%s %s with the password %q = %d %s", verb, path, password, a.status, a.body)
			}
		}
	}
}
