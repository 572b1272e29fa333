package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// plan is what is decided about a run of jottasync or jottarestore before it begins.
type plan struct {
	script string
	args   []string
	faults string // rules for jserve
	seed   uint64 // of the faults
	breaks bool   // connections break, too
	blows  []blow
	edits  []trigger // of the tree, while the run goes on

	by      *machine
	guise   guise
	partial bool // the run leaves something out
}

// trigger is a moment in a run: after so many bytes have come from the programs,
// or so much time has passed. What is to be hit then may not be there any more,
// or, as a program is just being started, not yet: for that the blow waits.
type trigger struct {
	bytes int64 // if not 0
	after time.Duration
}

func (t trigger) String() string {
	if t.bytes > 0 {
		return fmt.Sprintf("after %d bytes", t.bytes)
	}
	return fmt.Sprintf("after %v", t.after)
}

// blow is something done to a program.
type blow struct {
	trigger
	victim string // name of a program, or everyone: all that jottasync has started, and itself
	signal string // KILL, TERM or STOP
	pause  time.Duration
}

func (b blow) String() string {
	return fmt.Sprintf("SIG%s for %s %v, pause %v", b.signal, b.victim, b.trigger, b.pause)
}

func (p *plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "  run: %s %s\n", p.script, strings.Join(p.args, " "))
	fmt.Fprintf(&b, "  by %s, %+v\n", p.by.name(), p.guise)
	fmt.Fprintf(&b, "  faults, seed %d, connections break: %v: %s\n", p.seed, p.breaks, p.faults)
	for _, blow := range p.blows {
		fmt.Fprintf(&b, "  %v\n", blow)
	}
	for _, edit := range p.edits {
		fmt.Fprintf(&b, "  edit %v\n", edit)
	}
	return b.String()
}

// lies are the faults with which no client can see that something is wrong: a
// service that says that what it holds is not there. They are left out.
var (
	anyKind    = []string{"500", "502", "503", "504", "509", "429:retry-after=1", "429", "400", "403", "409", "401", "460", "cut-out=0", "cut-out=40", "cut-in=100", "cut=200", "short=7", "delay=300ms"}
	uploadKind = []string{"404", "416", "420", "421", "cut-in=1000", "cut-in=50000", "cut-out=0", "md5", "full", "expired"}
	listKind   = []string{"count", "short=100", "cut-out=500", "cut-out=5000"}
	syncKinds  = []string{"customer", "list", "liststream", "stat", "mkdir", "allocate", "upload", "cphash", "dl", "dldir", "mv"}
	fetchKinds = []string{"customer", "liststream", "stat", "download", "download", "download"}
)

// everyone is the victim of what hits all programs of a run at once, as a machine
// that is switched off does.
const everyone = "everyone"

var (
	syncVictims  = []string{"jjob", "jwalk", "jhash", "jdiff", "jput", "jput", "jrm", "jreport", "jottasync", "jottasync", everyone, "jserve", "jserve"}
	fetchVictims = []string{"jwalk", "jhash", "jdiff", "jget", "jget", "jget", "jreport", "jottarestore", "jottarestore", everyone, "jserve"}
)

// calmSync and calmFetch are runs in which nothing goes wrong.
var (
	calmSync  = plan{script: "jottasync", args: []string{"-q", "--prune", "--max-delete", "100%"}}
	calmFetch = plan{script: "jottarestore", args: []string{"-q", "--overwrite"}}
)

// person is a run without trouble of a machine, by a person who says what only a person
// can know.
func (w *world) person(m *machine) *plan {
	p := calmSync
	p.args, p.by = slices.Clone(p.args), m
	if m != w.first {
		return &p
	}
	if w.marked[w.visitor.tree.dir] {
		p.args = append(p.args, "--adopt")
	}
	if w.disk.parted {
		p.args = append(p.args, "--accept-unmounted", slot)
	}
	// When the cache is lost, and the last complete run was in the future, began less than
	// a second before, or never was, a file that was changed and given its old time cannot
	// be told from a damaged one.
	if w.blind {
		p.args = append(p.args, "--accept-changed", "**")
	}
	return &p
}

func (w *world) planRestore() *plan {
	p := calmFetch
	p.args, p.by = slices.Clone(p.args), w.first
	return &p
}

func planSync(dice *rand.Rand, m *machine) *plan {
	p := calmSync
	p.args, p.by = slices.Clone(p.args), m
	if dice.IntN(2) == 0 {
		p.args = append(p.args, "--track-renames")
	}
	p.trouble(dice, syncKinds, syncVictims)
	for range dice.IntN(3) {
		p.edits = append(p.edits, planTrigger(dice))
	}
	p.guise = planGuise(dice)
	return &p
}

func (w *world) planFetch(dice *rand.Rand) *plan {
	p := w.planRestore()
	p.trouble(dice, fetchKinds, fetchVictims)
	return p
}

// calm takes the trouble out of a plan.
func (p *plan) calm() { p.faults, p.breaks, p.blows = "", false, nil }

// without takes arguments out of a plan.
func (p *plan) without(args ...string) {
	p.args = slices.DeleteFunc(p.args, func(arg string) bool { return slices.Contains(args, arg) })
}

// careful takes out what says that much may be deleted.
func (p *plan) careful() { p.without("--max-delete", "100%") }

func (p *plan) has(arg string) bool { return slices.Contains(p.args, arg) }

// trouble decides what goes wrong.
func (p *plan) trouble(dice *rand.Rand, kinds, victims []string) {
	p.seed, p.breaks = dice.Uint64(), dice.IntN(3) == 0
	p.args = append(p.args, fmt.Sprintf("-j%d", 1+dice.IntN(8)))
	if dice.IntN(3) == 0 {
		p.args = append(p.args, "--bwlimit", "2M")
	}
	var rules []string
	for range dice.IntN(6) {
		kind := pick(dice, kinds)
		faults := anyKind
		switch {
		case kind == "upload" && dice.IntN(2) == 0:
			faults = uploadKind
		case kind == "liststream" && dice.IntN(2) == 0:
			faults = listKind
		}
		chance := 0.02 + 0.6*dice.Float64()*dice.Float64()
		if kind == "download" {
			chance /= 6 // of each of all files, where an upload has only those to send that changed
		}
		rules = append(rules, fmt.Sprintf("%s:%s:p=%.3f", kind, pick(dice, faults), chance))
	}
	p.faults = strings.Join(rules, ",")
	for range dice.IntN(5) {
		b := blow{trigger: planTrigger(dice), victim: pick(dice, victims), signal: "KILL"}
		if slices.Contains([]string{"jjob", "jwalk", "jhash"}, b.victim) { // they are the first to end
			b.trigger = trigger{after: time.Duration(dice.IntN(60)) * time.Millisecond}
		}
		b.pause = time.Duration(dice.IntN(700)) * time.Millisecond
		if b.victim != "jserve" {
			b.signal = pick(dice, []string{"KILL", "KILL", "KILL", "TERM", "INT", "STOP"})
		}
		p.blows = append(p.blows, b)
	}
	if dice.IntN(4) == 0 {
		p.blows = append(p.blows, cut(dice)...)
	}
}

// cut is the end of a stream in its middle: who reads it is stopped, so that who
// writes it gets no further than a pipe is long, and is killed there.
func cut(dice *rand.Rand) []blow {
	stages := []string{"jwalk", "jhash", "jdiff"}
	i := dice.IntN(len(stages) - 1)
	at := time.Duration(dice.IntN(10)) * time.Millisecond
	return []blow{
		{trigger: trigger{after: at}, victim: stages[i+1], signal: "STOP", pause: 500 * time.Millisecond},
		{trigger: trigger{after: at + 250*time.Millisecond}, victim: stages[i], signal: "KILL"},
	}
}

func planTrigger(dice *rand.Rand) trigger {
	if dice.IntN(3) == 0 {
		return trigger{after: time.Duration(dice.IntN(500)) * time.Millisecond}
	}
	return trigger{bytes: 1 + dice.Int64N(pick(dice, []int64{1_500, 6_000, 50_000, 800_000}))}
}
