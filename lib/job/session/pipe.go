package session

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// planVariable names the file that says to a script what its pipe is to be made of.
const planVariable = "JOTTA_PIPE"

// Plan is what a script has to know to run its pipe: variables of the shell, each a list
// of words.
type Plan []Variable

// Variable is an array of the shell, or with one word a plain variable.
type Variable struct {
	Name  string
	Words []string
}

// Set adds a plain variable.
func (p *Plan) Set(name, word string) { *p = append(*p, Variable{name, []string{word}}) }

// SetList adds an array.
func (p *Plan) SetList(name string, words []string) { *p = append(*p, Variable{name, words}) }

// String returns the plan as lines of the shell.
func (p Plan) String() string {
	var b strings.Builder
	for _, v := range p {
		var quoted []string
		for _, word := range v.Words {
			quoted = append(quoted, Quote(word))
		}
		fmt.Fprintf(&b, "%s=(%s)\n", v.Name, strings.Join(quoted, " "))
	}
	return b.String()
}

// Quote returns s as one word of the shell.
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// Ended is how a program of a pipe ended.
type Ended struct {
	Program string
	Code    int // as the shell has it: beyond 128, the number of a signal plus 128
}

// Signal returns the number of the signal that killed the program, or 0. A program that
// died because its reader had gone was not killed, and neither was one that ended with the
// code for being interrupted.
func (e Ended) Signal() int {
	if e.Code > 130 && e.Code-128 != sigpipe {
		return e.Code - 128
	}
	return 0
}

const sigpipe = 13

// errNoCodes is what a script that was killed leaves behind, or one that found the disk full.
var errNoCodes = errors.New("it did not say how its programs ended")

// Pipe runs a script, which runs its pipe as planned and writes how the programs ended to
// the file that the variable codes of the plan names: their names, and then their codes.
// The script gets the plan by the variable JOTTA_PIPE, and is on the leash.
func (s *Session) Pipe(script string, plan Plan) ([]Ended, error) {
	codes := s.File("codes")
	if err := os.Remove(codes); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	plan.Set("codes", codes)
	name := s.File("pipe")
	if err := os.WriteFile(name, []byte(plan.String()), 0o600); err != nil {
		return nil, err
	}
	cmd := s.Command(script)
	cmd.Env = append(cmd.Env, planVariable+"="+name)
	ran := cmd.Run()
	var exit *exec.ExitError
	if ran != nil && !errors.As(ran, &exit) {
		return nil, ran // it could not be started
	}
	ended, err := readCodes(codes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w (%v)", script, err, cmd.ProcessState)
	}
	return ended, nil
}

// readCodes reads what a script has written of the programs of its pipe.
func readCodes(name string) ([]Ended, error) {
	b, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, errNoCodes
	}
	if err != nil {
		return nil, err
	}
	words := strings.Fields(string(b))
	if len(words) == 0 || len(words)%2 != 0 {
		return nil, errNoCodes
	}
	programs, codes := words[:len(words)/2], words[len(words)/2:]
	ended := make([]Ended, len(programs))
	for i, program := range programs {
		code, err := strconv.Atoi(codes[i])
		if err != nil || code < 0 || code > 255 {
			return nil, errNoCodes
		}
		ended[i] = Ended{program, code}
	}
	return ended, nil
}
