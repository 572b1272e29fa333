//go:build unix

package session

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// begin returns a session in a folder of its own.
func begin(t *testing.T) (*Session, string) {
	t.Helper()
	dir := t.TempDir()
	s, err := Begin(filepath.Join(dir, "lock"), filepath.Join(dir, "run"))
	if err != nil {
		t.Fatal(err)
	}
	return s, dir
}

// script returns a script that runs commands as a pipe would be run.
func script(t *testing.T, dir, commands string) string {
	t.Helper()
	name := filepath.Join(dir, "script")
	if err := os.WriteFile(name, []byte("#!/usr/bin/env bash\n. \"$JOTTA_PIPE\"\n"+commands), 0o700); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestLock(t *testing.T) {
	s, dir := begin(t)
	_, err := Begin(filepath.Join(dir, "lock"), filepath.Join(dir, "other"))
	var busy *Busy
	if !errors.As(err, &busy) || busy.Process == "" || busy.Since.IsZero() {
		t.Fatalf("a second run: %v", err)
	}
	if !strings.Contains(busy.Long(), "(process "+busy.Process+")") {
		t.Error(busy.Long())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "run")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its folder stays: %v", err)
	}
	again, err := Begin(filepath.Join(dir, "lock"), filepath.Join(dir, "run"))
	if err != nil {
		t.Fatalf("after it has ended: %v", err)
	}
	again.Close()
}

// TestLeftBehind: what a killed run has left says nothing about the next one.
func TestLeftBehind(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"codes", "deep/late"} {
		name = filepath.Join(dir, "run", name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Begin(filepath.Join(dir, "lock"), filepath.Join(dir, "run"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if entries, err := os.ReadDir(s.Dir); err != nil || len(entries) > 0 {
		t.Errorf("%v, %v", entries, err)
	}
}

// TestPipe: the script gets the words as they are, and its programs the lock and the leash.
func TestPipe(t *testing.T) {
	s, dir := begin(t)
	words := []string{"", "a b", "it's", "$HOME `x` \\ \"", "*", "-n", "\xff", "new\nline", "'"}
	var plan Plan
	plan.SetList("words", words)
	plan.SetList("none", nil)
	plan.Set("one", "just one")
	plan.Set("dir", dir)
	ended, err := s.Pipe(script(t, dir, `
printf '%s\0' "${words[@]}" >"$dir/words"
echo "${#none[@]} $one $JOTTA_LEASH_FD" >"$dir/rest"
echo a b c 0 141 137 >"$codes"
exit 9
`), plan)
	if want := []Ended{{"a", 0}, {"b", 141}, {"c", 137}}; err != nil || !slices.Equal(ended, want) {
		t.Errorf("Pipe = %v, %v, want %v", ended, err, want)
	}
	if got, _ := os.ReadFile(filepath.Join(dir, "words")); string(got) != strings.Join(words, "\x00")+"\x00" {
		t.Errorf("the script gets %q", got)
	}
	if got, _ := os.ReadFile(filepath.Join(dir, "rest")); string(got) != "0 just one 4\n" {
		t.Errorf("the script gets %q", got)
	}
	var signals []int
	for _, e := range ended {
		signals = append(signals, e.Signal())
	}
	if want := []int{0, 0, 9}; !slices.Equal(signals, want) {
		t.Errorf("killed by %v, want %v", signals, want)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestNoCodes: a script that does not say how its programs ended has not ended well.
func TestNoCodes(t *testing.T) {
	for _, commands := range []string{
		"", "kill -9 $$", `: >"$codes"`, `echo a b 0 >"$codes"`, `echo a x >"$codes"`, `echo a 256 >"$codes"`, `echo a -1 >"$codes"`,
	} {
		s, dir := begin(t)
		if ended, err := s.Pipe(script(t, dir, commands), nil); !errors.Is(err, errNoCodes) {
			t.Errorf("%q: %v, %v", commands, ended, err)
		}
		s.Close()
	}
	s, dir := begin(t)
	defer s.Close()
	if _, err := s.Pipe(filepath.Join(dir, "none"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a script: %v", err)
	}
}

// TestLeash: the programs see the end of the leash, and hold the lock until they have ended.
func TestLeash(t *testing.T) {
	s, dir := begin(t)
	cmd := s.Command("bash", "-c", `echo ready; cat <&"$JOTTA_LEASH_FD"; echo off; read -r _`)
	in, err := os.Create(filepath.Join(dir, "in"))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	hold, release, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin = hold
	cmd.Stdout = nil
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	expect := func(want string) {
		t.Helper()
		got := make([]byte, len(want))
		if n, err := out.Read(got); err != nil || string(got[:n]) != want {
			t.Fatalf("%q, %v, want %q", got[:n], err, want)
		}
	}
	expect("ready\n")
	s.LetGo()
	s.LetGo()
	expect("off\n")
	s.Close()
	var busy *Busy
	if _, err := Lock(filepath.Join(dir, "lock")); !errors.As(err, &busy) {
		t.Errorf("while a program runs, the lock: %v", err)
	}
	release.Close()
	cmd.Wait()
	lock, err := Lock(filepath.Join(dir, "lock"))
	if err != nil {
		t.Fatalf("once all have ended: %v", err)
	}
	lock.Close()
}

// TestServe: runs share the store by turns.
func TestServe(t *testing.T) {
	dir := t.TempDir()
	serve := filepath.Join(dir, "jserve") // it writes its address where --ready-file says, and ends when it is told to
	if err := os.WriteFile(serve, []byte(`#!/bin/sh
while [ "$1" != --ready-file ]; do shift; done
printf 127.0.0.1:1 >"$2.new" && mv "$2.new" "$2"
exec cat <&4
`), 0o700); err != nil {
		t.Fatal(err)
	}
	first, _ := begin(t)
	one, err := first.Serve(t.Context(), serve, filepath.Join(dir, "data"), func() { t.Error("it waits for nobody") })
	if err != nil || one.Endpoint != "http://127.0.0.1:1" || len(one.Password) < 32 {
		t.Fatalf("%+v, %v", one, err)
	}
	second, _ := begin(t)
	waited := false
	two, err := second.Serve(t.Context(), serve, filepath.Join(dir, "data"), func() {
		waited = true
		if err := first.Close(); err != nil {
			t.Error(err)
		}
	})
	if err != nil || !waited || *two != *one {
		t.Errorf("%+v, %v; waited: %v", two, err, waited)
	}

	ctx, cancel := context.WithCancel(t.Context())
	third, _ := begin(t)
	if _, err := third.Serve(ctx, serve, filepath.Join(dir, "data"), cancel); !errors.Is(err, context.Canceled) {
		t.Errorf("while another run has it: %v", err)
	}
	third.Close()
	second.Close()

	fourth, _ := begin(t)
	defer fourth.Close()
	if _, err := fourth.Serve(t.Context(), "false", filepath.Join(dir, "data"), nil); err == nil {
		t.Error("a server that does not start")
	}
}

// FuzzPlan: the shell reads words back as they are.
func FuzzPlan(f *testing.F) {
	f.Add("it's", "$(x)")
	f.Fuzz(func(t *testing.T, a, b string) {
		if strings.Contains(a+b, "\x00") {
			t.Skip() // no argument has one
		}
		plan := Plan{{"words", []string{a, b}}}
		out, err := exec.Command("bash", "-c", plan.String()+`printf '%s\0' "${words[@]}"`).Output()
		if err != nil || !bytes.Equal(out, []byte(a+"\x00"+b+"\x00")) {
			t.Errorf("%q and %q come back as %q, %v", a, b, out, err)
		}
	})
}
