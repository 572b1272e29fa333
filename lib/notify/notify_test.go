package notify

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMonitor: how a run begins and ends is told as healthchecks.io takes it.
func TestMonitor(t *testing.T) {
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, fmt.Sprintf("%s %s %s", r.Method, r.URL, body))
		if r.UserAgent() != "test/1" {
			t.Errorf("the program calls itself %q", r.UserAgent())
		}
		io.WriteString(w, "OK")
	}))
	defer server.Close()
	client := Client("test/1")
	for _, text := range []string{server.URL + "/uuid", server.URL + "/uuid/?key=a%20b#part"} {
		a, err := ParseAddress(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{
			Start(t.Context(), client, a), End(t.Context(), client, a, 0, nil),
			End(t.Context(), client, a, 75, []byte(strings.Repeat("x", MaxSaid)+"last line\n")),
		} {
			if err != nil {
				t.Error(err)
			}
		}
		if body := got[len(got)-1]; len(body) > MaxSaid+100 || !strings.HasSuffix(body, "xlast line\n") {
			t.Errorf("of %d bytes it gets %d, which end in %q", MaxSaid+10, len(body), body[len(body)-20:])
		}
		got[len(got)-1], _, _ = strings.Cut(got[len(got)-1], " x")
	}
	want := []string{"POST /uuid/start ", "POST /uuid ", "POST /uuid/75", "POST /uuid/start?key=a%20b ", "POST /uuid?key=a%20b ", "POST /uuid/75?key=a%20b"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestParseAddress(t *testing.T) {
	for _, text := range []string{"x", "ftp://x/y", "https://", "http:///x", "hc-ping.com/uuid", "http://[::1/x", "\x00"} {
		if _, err := ParseAddress(text); err == nil {
			t.Errorf("ParseAddress(%q) takes it", text)
		}
	}
}

// TestTrouble: a monitor that is in trouble is said to be, in time, and without the
// address, which is a secret.
func TestTrouble(t *testing.T) {
	before := patience
	patience = 200 * time.Millisecond
	defer func() { patience = before }()
	hang := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/hang-secret", func(w http.ResponseWriter, _ *http.Request) { <-hang })
	mux.HandleFunc("/broken-secret", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	mux.HandleFunc("/page-secret", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "<!DOCTYPE html><html><body>log in</body></html>")
	})
	mux.HandleFunc("/round-secret", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/round-secret", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/moved-secret", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/fine", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/fine", func(w http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); r.Method != http.MethodPost || string(body) != "{}" {
			t.Errorf("after a redirect, it gets %s with %q", r.Method, body)
		}
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	defer close(hang)
	gone := httptest.NewServer(mux)
	gone.Close()

	for _, test := range []struct{ address, want string }{
		{server.URL + "/moved-secret", ""},
		{server.URL + "/hang-secret", "it does not answer"},
		{server.URL + "/broken-secret", "it answers 500 Internal Server Error"},
		{server.URL + "/page-secret", "it answers with a web page; is the address right, and does this network ask for a login?"},
		{server.URL + "/round-secret", "it redirects without end"},
		{gone.URL + "/gone-secret", "connection refused"},
		{"http://monitor.invalid/name-secret", "monitor.invalid"},
	} {
		a, err := ParseAddress(test.address)
		if err != nil {
			t.Fatal(err)
		}
		err = Hook(t.Context(), Client(""), a, []byte("{}"))
		switch {
		case test.want == "" && err != nil, test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: %v, want %q", test.address, err, test.want)
		case err != nil && strings.Contains(err.Error(), "secret"):
			t.Errorf("the address is told: %v", err)
		}
	}
}

// TestDowngrade: what goes over https does not go over http.
func TestDowngrade(t *testing.T) {
	from, _ := http.NewRequest(http.MethodPost, "https://monitor/x", nil)
	to, _ := http.NewRequest(http.MethodPost, "http://monitor/x", nil)
	if err := Client("").CheckRedirect(to, []*http.Request{from}); err == nil {
		t.Error("it follows")
	}
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("JOTTACLOUD_PASSWORD", "secret")
	t.Setenv("JOTTA_LEASH_FD", "4")
	t.Setenv("KEPT", "kept")
	run := func(command string) error {
		return Run(t.Context(), command, []string{"JOTTA_EXIT_CODE=7", "DIR=" + dir}, []byte("last\n"), os.Stderr)
	}
	if err := run(`{ cat; echo "$JOTTA_EXIT_CODE $KEPT $JOTTACLOUD_PASSWORD$JOTTA_LEASH_FD"; } >"$DIR/got"`); err != nil {
		t.Error(err)
	}
	if got, _ := os.ReadFile(filepath.Join(dir, "got")); string(got) != "last\n7 kept \n" {
		t.Errorf("the command got %q", got)
	}
	if err := run("exit 3"); err == nil || err.Error() != "it ended with exit status 3" {
		t.Error(err)
	}
	if err := run("true; exec <&-"); err != nil { // it does not read along
		t.Error(err)
	}

	before := commandPatience
	commandPatience = 100 * time.Millisecond
	defer func() { commandPatience = before }()
	// What it has started ends with it: the FIFO has no writer any more.
	err := run(`mkfifo "$DIR/fifo"; (exec sleep 1000 >"$DIR/fifo") & cat "$DIR/fifo"`)
	if err == nil || err.Error() != "it did not end in time" {
		t.Error(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(context.Canceled)
	if err := Run(ctx, "true", nil, nil, os.Stderr); err == nil {
		t.Error("a run that is over tells nobody")
	}
}
