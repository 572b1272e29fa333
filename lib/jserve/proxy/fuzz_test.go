package proxy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzParseCA: a file that is taken for a certificate authority can sign, and an error
// about one that is not shows nothing of the key.
func FuzzParseCA(f *testing.F) {
	dir := f.TempDir()
	if _, err := OpenCA(dir, []string{"example.com"}); err != nil {
		f.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, caFile))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(text[:len(text)/2])
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		ca, err := parseCA(text)
		if err == nil {
			_, err = ca.Certificate("www.example.com")
		}
		if _, secret, ok := strings.Cut(string(text), "PRIVATE KEY-----\n"); ok && err != nil && len(secret) > 40 && strings.Contains(err.Error(), secret[:40]) {
			t.Fatalf("the error is %v", err)
		}
	})
}

// FuzzHostPort: a host that is served is named the same however it is written.
func FuzzHostPort(f *testing.F) {
	for _, s := range []string{"jfs.jottacloud.com:443", "JFS.jottacloud.com.", "[::1]:80", "::1", ":", "a:b:c", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, authority string) {
		host, port := hostPort(authority, "443")
		if strings.ToLower(host) != host || port == "" && !strings.HasSuffix(authority, ":") {
			t.Fatalf("hostPort(%q) = %q, %q", authority, host, port)
		}
	})
}
