package main

import (
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"

	"jottatools/test/plain"
)

// machine is one that stores a tree. What it remembers is in folders of its own.
type machine struct {
	host string // JOTTA_HOST; empty: what the system says
	home string // state and cache are beneath
	tree *tree
	dest string
}

const (
	dest = "/Jotta/Archive/chaos"

	// beneath is the folder in dest that the neighbour stores in, in lower case.
	beneath = "neighbour"
	// guest begins the names of all that the visitor stores, in lower case.
	guest = "visitor "
)

// limits of the trees, in entries.
const (
	maxEntries = 200
	maxCompany = 25
)

// settle makes the machines and their trees.
func (w *world) settle() error {
	w.first = &machine{home: w.dir, dest: dest, tree: newTree(filepath.Join(w.dir, "src"), "", maxEntries)}
	w.near = &machine{host: "second", home: filepath.Join(w.dir, "second"), dest: dest + "/" + beneath}
	w.near.tree = newTree(filepath.Join(w.near.home, "near"), "", maxCompany)
	w.visitor = &machine{host: "third", home: filepath.Join(w.dir, "third"), dest: dest}
	w.visitor.tree = newTree(filepath.Join(w.visitor.home, "visit"), guest, maxCompany)
	for _, m := range []*machine{w.first, w.near, w.visitor} {
		if err := m.tree.plant(); err != nil {
			return err
		}
	}
	return w.first.tree.ballast()
}

// owner returns whose an entry of the service is, by its name.
func (w *world) owner(path string) *machine {
	switch top, _, _ := strings.Cut(lower(path), "/"); {
	case top == beneath:
		return w.near
	case strings.HasPrefix(top, guest):
		return w.visitor
	}
	return w.first
}

// part returns what is the machine's of all that the service holds, by the paths that it
// has in the machine's tree.
func (w *world) part(all map[string]plain.Entry, m *machine) map[string]plain.Entry {
	own := map[string]plain.Entry{}
	for key, e := range all {
		if w.owner(key) != m {
			continue
		}
		if m == w.near {
			if key == beneath {
				continue
			}
			key, e.Path = key[len(beneath)+1:], e.Path[len(beneath)+1:]
		}
		own[key] = e
	}
	return own
}

// guise is how a job is started: none of it makes it another job.
type guise struct {
	locale string // LC_ALL; empty: it is not set
	config bool   // the endpoint is in config.toml alone, and not in the environment
	source int    // how the path of the source is written
	dest   int    // how the path of the destination is
}

func planGuise(dice *rand.Rand) guise {
	return guise{pick(dice, []string{"", "C", "C.UTF-8", "tr_TR.UTF-8"}), dice.IntN(2) == 0, dice.IntN(4), dice.IntN(4)}
}

// way returns SRC and DEST as the guise has them. Programs run in the folder that the
// tree is in.
func (g guise) way(m *machine) []string {
	dir, name := filepath.Split(m.tree.dir)
	top, rest := m.dest[:len("/Jotta/Archive/")], m.dest[len("/Jotta/Archive/"):]
	return []string{
		[]string{dir + name, dir + name + "/", name, "./" + name + "//"}[g.source],
		top + []string{rest, strings.ToUpper(rest), strings.ToUpper(rest[:1]) + rest[1:], rest + "/"}[g.dest],
	}
}

// environ returns the environment of a run.
func (w *world) environ(p *plan) []string {
	m := p.by
	env := append(slices.Clone(w.env), "XDG_STATE_HOME="+m.home+"/state", "XDG_CACHE_HOME="+m.home+"/cache")
	more := map[string]string{"JOTTA_HOST": m.host, "LC_ALL": p.guise.locale, "JOTTA_ENDPOINT": w.plain.Endpoint}
	if p.guise.config {
		delete(more, "JOTTA_ENDPOINT")
	}
	for _, name := range slices.Sorted(maps.Keys(more)) {
		if more[name] != "" {
			env = append(env, name+"="+more[name])
		}
	}
	return env
}
