package jserve

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// beMain makes the test binary be jserve.
const beMain = "JSERVE_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(beMain) != "" {
		os.Exit(Main())
	}
	os.Exit(m.Run())
}

// program prepares jserve with arguments and a password in the environment.
func program(args ...string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), beMain+"=1", "JSERVE_PASSWORD=secret")
	stderr := new(bytes.Buffer)
	cmd.Stderr = stderr
	return cmd, stderr
}

// start runs jserve until the test ends, and returns its address.
func start(t *testing.T, dir string, args ...string) (*exec.Cmd, string) {
	t.Helper()
	ready := filepath.Join(t.TempDir(), "ready")
	cmd, stderr := program(append([]string{"--data", dir, "--listen", "127.0.0.1:0", "--user", "u", "--ready-file", ready}, args...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		addr, err := os.ReadFile(ready)
		if err == nil {
			return cmd, strings.TrimSpace(string(addr))
		}
		if !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	t.Fatalf("jserve is not ready\n%s", stderr)
	return nil, ""
}

func status(t *testing.T, client *http.Client, url, password string) int {
	t.Helper()
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if password != "" {
		req.SetBasicAuth("u", password)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func TestServes(t *testing.T) {
	dir := t.TempDir()
	cmd, addr := start(t, dir)
	base := "http://" + addr
	if got := status(t, http.DefaultClient, base+"/jfs/u/Jotta", "secret"); got != 200 {
		t.Errorf("with the password: %d", got)
	}
	if got := status(t, http.DefaultClient, base+"/jfs/u/Jotta", "wrong"); got != 401 {
		t.Errorf("with another password: %d", got)
	}
	resp, err := http.Get(base + "/_jserve/stats")
	if err != nil {
		t.Fatal(err)
	}
	var stats struct{ Requests map[string]int }
	err = json.NewDecoder(resp.Body).Decode(&stats)
	resp.Body.Close()
	if err != nil || stats.Requests["get_device"] != 1 {
		t.Errorf("stats = %+v, %v", stats, err)
	}

	second, stderr := program("--data", dir, "--listen", "127.0.0.1:0", "--user", "u")
	if err := second.Run(); second.ProcessState.ExitCode() != 8 || !strings.Contains(stderr.String(), "in use by another server") {
		t.Errorf("second server on the same directory: %v\n%s", err, stderr)
	}

	http.DefaultClient.CloseIdleConnections()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGINT: %v\n%s", err, cmd.Stderr)
	}
}

func TestServesTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	pool := selfSigned(t, cert, key)
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte("from a file\r\nnot this\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, addr := start(t, filepath.Join(dir, "data"), "--tls-cert", cert, "--tls-key", key, "--password-file", password)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	defer client.CloseIdleConnections()
	if got := status(t, client, "https://"+addr+"/jfs/u", "from a file"); got != 200 {
		t.Errorf("over TLS: %d", got)
	}
}

func selfSigned(t *testing.T, certFile, keyFile string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	err = errors.Join(os.WriteFile(certFile, certPEM, 0o600),
		os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return pool
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	good := []string{"--data", dir, "--user", "u"}
	tests := []struct {
		args []string
		says string
	}{
		{[]string{"--user", "u"}, "--data is missing"},
		{[]string{"--data", dir}, "--user is missing"},
		{append(good, "extra"), "no arguments"},
		{append(good, "--listen", "0.0.0.0:0"), "in the clear"},
		{append(good, "--listen", ":0"), "in the clear"},
		{append(good, "--listen", "example.com:1"), "in the clear"},
		{append(good, "--listen", "127.0.0.1"), "HOST:PORT"},
		{append(good, "--tls-cert", "x"), "go together"},
		{append(good, "--password", "x", "--password-file", "y"), "not both"},
		{[]string{"--data", dir, "--user", "a/b"}, "--user"},
	}
	for _, tt := range tests {
		cmd, stderr := program(tt.args...)
		_ = cmd.Run()
		if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(stderr.String(), tt.says) {
			t.Errorf("jserve %q exits %d, want 2 and %q\n%s", tt.args, cmd.ProcessState.ExitCode(), tt.says, stderr)
		}
	}
	cmd, stderr := program(append(good, "--listen", "127.0.0.1:0")...)
	cmd.Env = append(cmd.Env, "JSERVE_PASSWORD=")
	_ = cmd.Run()
	if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(stderr.String(), "no password") {
		t.Errorf("without a password: exit %d\n%s", cmd.ProcessState.ExitCode(), stderr)
	}
}
