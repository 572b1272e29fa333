package schedule

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// systemd is the manager of the machine, for root, or else that of the user.
type systemd struct {
	dir  string   // of the units
	args []string // of systemctl, before all others
}

// booted is there if systemd runs, says sd_booted(3).
const booted = "/run/systemd/system"

func newSystemd() (*systemd, error) {
	if _, err := os.Stat(booted); err != nil {
		return nil, err
	}
	if _, err := exec.LookPath("systemctl"); err != nil {
		return nil, err
	}
	if os.Geteuid() == 0 {
		return &systemd{dir: "/etc/systemd/system"}, nil
	}
	config, err := os.UserConfigDir()
	if err != nil {
		return nil, err
	}
	return &systemd{filepath.Join(config, "systemd/user"), []string{"--user"}}, nil
}

func (s *systemd) system() bool { return len(s.args) == 0 }

func (s *systemd) file(name, kind string) string { return filepath.Join(s.dir, name+kind) }

func (s *systemd) control(ctx context.Context, args ...string) (string, error) {
	return run(ctx, "", "systemctl", append(s.args, args...)...)
}

func (s *systemd) Add(ctx context.Context, j Job, w When) (hint string, err error) {
	if err := errors.Join(replace(s.file(j.Name, ".service"), service(j, s.system())), replace(s.file(j.Name, ".timer"), timer(j, w))); err != nil {
		return "", err
	}
	if _, err := s.control(ctx, "daemon-reload"); err != nil {
		return "", err
	}
	if _, err := s.control(ctx, "enable", j.Name+".timer"); err != nil {
		return "", err
	}
	_, err = s.control(ctx, "restart", j.Name+".timer") // one that was there has another time now
	if s.system() || err != nil {
		return "", err
	}
	return s.linger(ctx), nil
}

// linger says what is missing for timers of a user to run while nobody is logged in.
func (s *systemd) linger(ctx context.Context) string {
	me, err := user.Current()
	if err != nil {
		return ""
	}
	if out, err := run(ctx, "", "loginctl", "show-user", me.Username, "--property=Linger"); err == nil && strings.TrimSpace(out) == "Linger=yes" {
		return ""
	}
	return "it runs while " + me.Username + " is logged in; for other times, too: loginctl enable-linger " + me.Username
}

func (s *systemd) Remove(ctx context.Context, name string) (bool, error) {
	if _, err := os.Stat(s.file(name, ".timer")); err != nil {
		return false, nil
	}
	_, err := s.control(ctx, "disable", "--now", name+".timer")
	for _, kind := range []string{".timer", ".service"} {
		if e := os.Remove(s.file(name, kind)); !errors.Is(e, os.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	_, e := s.control(ctx, "daemon-reload")
	return true, errors.Join(err, e)
}

func (s *systemd) Find(_ context.Context, name string) (string, error) {
	b, err := os.ReadFile(s.file(name, ".timer"))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(b)) {
		if when, ok := strings.CutPrefix(line, "OnCalendar="); ok {
			return strings.TrimSpace(when) + " (" + name + ".timer)", nil
		}
	}
	return "", fmt.Errorf("%s: there is no OnCalendar in it", s.file(name, ".timer"))
}

// calendar returns the times as systemd.time(7) has them.
func (w When) calendar() string {
	text := "*-*-* "
	if w.weekday >= 0 {
		text = days[w.weekday] + " " + text
	}
	if w.hour < 0 {
		return text + fmt.Sprintf("*:%02d:00", w.minute)
	}
	return text + fmt.Sprintf("%02d:%02d:00", w.hour, w.minute)
}

// timer returns the unit that starts the job: also for a time that the machine has slept
// through, and not on the second at which all others come.
func timer(j Job, w When) string {
	return fmt.Sprintf(`[Unit]
Description=%s, %s

[Timer]
OnCalendar=%s
Persistent=true
RandomizedDelaySec=5min

[Install]
WantedBy=timers.target
`, unitText(j.Description), w, w.calendar())
}

// service returns the unit of the job. Another run that is still at work (8) is no failure.
func service(j Job, system bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[Unit]\nDescription=%s\n", unitText(j.Description))
	if system {
		b.WriteString("Wants=network-online.target\nAfter=network-online.target\n")
	}
	b.WriteString("\n[Service]\nType=oneshot\nSuccessExitStatus=8\nTimeoutStartSec=infinity\nNice=10\nIOSchedulingClass=idle\n")
	for _, entry := range j.Environment {
		fmt.Fprintf(&b, "Environment=%s\n", unitWord(entry, false))
	}
	var words []string
	for _, word := range j.Command {
		words = append(words, unitWord(word, true))
	}
	fmt.Fprintf(&b, "ExecStart=%s\n", strings.Join(words, " "))
	if !system {
		return b.String()
	}
	b.WriteString(hardening)
	for _, dir := range j.Writable {
		fmt.Fprintf(&b, "ReadWritePaths=%s\n", unitWord("-"+dir, false))
	}
	return b.String()
}

// hardening is what a backup by root can do without: it reads all files, and writes to a
// few folders only.
const hardening = `CapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_DAC_OVERRIDE
LockPersonality=true
MemoryDenyWriteExecute=true
NoNewPrivileges=true
PrivateDevices=true
ProtectClock=true
ProtectControlGroups=true
ProtectHome=read-only
ProtectHostname=true
ProtectKernelLogs=true
ProtectKernelModules=true
ProtectKernelTunables=true
ProtectProc=invisible
ProtectSystem=strict
RemoveIPC=true
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=true
RestrictRealtime=true
RestrictSUIDSGID=true
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
UMask=0077
`

// unitText returns text that stands in a unit as it is: percent signs would be specifiers.
func unitText(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(strings.ToValidUTF8(text, "?")), " "), "%", "%%")
}

// unitWord returns a word as systemd.syntax(7) quotes it. In a command, a dollar sign would
// be a variable.
func unitWord(word string, command bool) string {
	word = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "%", "%%").Replace(word)
	if command {
		word = strings.ReplaceAll(word, "$", "$$")
	}
	var b strings.Builder
	for word != "" {
		r, n := utf8.DecodeRuneInString(word)
		if r == utf8.RuneError && n == 1 { // a unit is UTF-8
			fmt.Fprintf(&b, `\x%02x`, word[0])
		} else {
			b.WriteString(word[:n])
		}
		word = word[n:]
	}
	return `"` + b.String() + `"`
}
