package test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// proxy [FLAG…] starts jserve with a proxy, and points the programs of others
// at it: rclone and curl then take it for the real service. After serve -kill it
// starts it again.
func proxied(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("proxy cannot be negated")
	}
	ready, ca := ts.MkAbs(".proxy"), ts.MkAbs("ca.pem")
	serve(ts, false, append([]string{"--proxy", "127.0.0.1:0", "--proxy-ready-file", ready}, args...))
	address, err := os.ReadFile(ready)
	ts.Check(err)
	pem, err := exec.Command(filepath.Join(bin, "jserve"), "ca", "--data", ts.MkAbs(".store")).Output()
	ts.Check(err)
	ts.Check(os.WriteFile(ca, pem, 0o600))
	proxy := "http://" + strings.TrimSpace(string(address))
	for name, value := range map[string]string{
		"HTTPS_PROXY": proxy, "https_proxy": proxy, "http_proxy": proxy, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1",
		"CURL_CA_BUNDLE": ca, "RCLONE_CA_CERT": ca, "RCLONE_CONFIG": ts.MkAbs(".rclone.conf"),
		"RCLONE_RETRIES": "1", "RCLONE_LOW_LEVEL_RETRIES": "3", "RCLONE_STATS_ONE_LINE": "true",
	} {
		ts.Setenv(name, value)
	}
}

// await COUNTER N waits until the server has counted that far.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await COUNTER N")
	}
	want, err := strconv.ParseFloat(args[1], 64)
	ts.Check(err)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); <-tick.C {
		resp, err := http.Get(ts.Getenv("JOTTA_ENDPOINT") + "/_jserve/stats")
		ts.Check(err)
		var counters map[string]any
		err = json.NewDecoder(resp.Body).Decode(&counters)
		resp.Body.Close()
		ts.Check(err)
		if got, ok := counters[args[0]].(float64); ok && got >= want {
			return
		}
	}
	ts.Fatalf("%s does not reach %s", args[0], args[1])
}
