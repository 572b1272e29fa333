package jserve

import (
	"bytes"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestStoreTools fills a store, checks it, moves it, and damages it.
func TestStoreTools(t *testing.T) {
	dir, moved := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	server, addr := start(t, dir)
	req, err := http.NewRequest("POST", "http://"+addr+"/jfs/u/Jotta/Archive/f?umode=nomultipart", strings.NewReader("content"))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("u", "secret")
	req.Header.Set("JMd5", "9a0364b9e99bb480dd25e1f0284c8555")
	req.Header.Set("JSize", "7")
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != 201 {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	login, err := http.PostForm("http://"+addr+"/auth/v1/token", url.Values{
		"grant_type": {"PASSWORD"}, "client_id": {"nibfk8biu12ju7hpqomr8b1e40"}, "username": {"u"}, "password": {"secret"},
	})
	if err != nil || login.StatusCode != 200 {
		t.Fatal(login, err)
	}
	login.Body.Close()
	http.DefaultClient.CloseIdleConnections()

	run := func(want int, stdin []byte, args ...string) (stdout []byte, stderr string) {
		t.Helper()
		cmd, errs := program(args...)
		var out bytes.Buffer
		cmd.Stdin, cmd.Stdout = bytes.NewReader(stdin), &out
		_ = cmd.Run()
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Errorf("jserve %q exits %d, want %d\n%s%s", args, got, want, out.String(), errs)
		}
		return out.Bytes(), errs.String()
	}
	run(8, nil, "fsck", dir) // the server has it
	run(8, nil, "export", dir)
	run(8, nil, "logout", "--data", dir, "--user", "u")
	if err := server.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := server.Wait(); err != nil {
		t.Fatal(err)
	}
	if out, _ := run(0, nil, "fsck", dir); !strings.Contains(string(out), "1 contents, 7 bytes read: 0 problems, 0 leftovers") {
		t.Errorf("fsck says\n%s", out)
	}
	if said, _ := run(0, nil, "logout", "--data", dir, "--user", "U"); !strings.Contains(string(said), "1 logins of U have ended") {
		t.Errorf("logout says %s", said)
	}
	run(2, nil, "logout", "--data", dir)
	run(2, nil, "logout", "--data", dir, "--user", "nobody")
	run(2, nil, "logout", "--data", filepath.Join(t.TempDir(), "none"), "--user", "u")
	stream, _ := run(0, nil, "export", dir)
	run(0, stream, "import", moved)
	run(0, nil, "fsck", "--data", moved)
	run(5, stream, "import", moved)
	run(3, stream[:len(stream)/2], "import", filepath.Join(t.TempDir(), "c"))
	run(2, nil, "fsck")
	run(2, nil, "fsck", t.TempDir())
	run(2, nil, "export", filepath.Join(t.TempDir(), "none"))
	run(2, nil, "fsck", dir, moved)

	blobs, err := filepath.Glob(filepath.Join(dir, "blobs", "*", "*"))
	if err != nil || len(blobs) != 1 {
		t.Fatal(blobs, err)
	}
	if err := os.WriteFile(blobs[0], []byte("CONTENT"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, errs := run(1, nil, "fsck", dir); !strings.Contains(string(out), "problem: content 9a0364b9") || !strings.Contains(errs, "has 1 problems") {
		t.Errorf("fsck of a damaged store says\n%s%s", out, errs)
	}
}

func TestFaultFlags(t *testing.T) {
	_, addr := start(t, t.TempDir(), "--fault", "customer:503:every=2", "--fault", "get_user:500", "--seed", "5", "--rate", "10M/conn")
	base := "http://" + addr
	for _, want := range []int{200, 503, 200, 503} {
		if got := status(t, http.DefaultClient, base+"/account/v1/customer", "secret"); got != want {
			t.Errorf("status = %d, want %d", got, want)
		}
	}
	if got := status(t, http.DefaultClient, base+"/jfs/u", "secret"); got != 500 {
		t.Errorf("status = %d, want 500", got)
	}
	http.DefaultClient.CloseIdleConnections()
	for _, args := range [][]string{{"--fault", "nonsense"}, {"--rate", "fast"}, {"--seed", "-1"}} {
		cmd, stderr := program(append([]string{"--data", t.TempDir(), "--user", "u"}, args...)...)
		_ = cmd.Run()
		if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(stderr.String(), args[0]) {
			t.Errorf("jserve %q exits %d, want 2\n%s", args, cmd.ProcessState.ExitCode(), stderr)
		}
	}
}
