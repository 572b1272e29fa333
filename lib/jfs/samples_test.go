package jfs

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// readers say which parser reads which samples, by the beginning of the name.
// The first that matches counts; nil stands for what is not this package's.
var readers = []struct {
	prefix string
	read   func(r io.Reader) error
}{
	{"README.md", nil},
	{"requests-", nil},     // what others send
	{"name-encoding", nil}, // see TestNameVectors
	{"constructed-ws-token", func(r io.Reader) error { _, err := parseEventToken(r); return err }},
	{"websocket-event-data", nil}, // a part of a message; see TestParseEvent
	{"websocket-", func(r io.Reader) error {
		text, err := io.ReadAll(r)
		if err == nil {
			_, _, err = parseEvent(text)
		}
		return err
	}},
	{"legacy-", nil},
	{"oidc-", nil},
	{"constructed-legacy-", nil},
	{"constructed-login-", nil},
	{"constructed-oidc-", nil},
	{"constructed-openid-", nil},
	{"constructed-userinfo", nil},
	{"constructed-allocate-request", nil}, // see FuzzAllocateBody

	{"user-get", func(r io.Reader) error { _, err := parseAccount(r); return err }},
	{"constructed-error-", readError}, {"error-", readError}, {"constructed-api-error-", readError}, {"constructed-upload-error-", readError},
	{"trash-get", readFound}, {"constructed-trash-", readFound}, {"links-", readFound}, {"latest-", readFound},
	{"folder-mode-list", func(r io.Reader) error {
		return parseAll(r, []string{"Jotta", "Archive"}, func(Entry) bool { return true })
	}},
	{"constructed-liststream", func(r io.Reader) error {
		return parseTree(r, []string{"Archive", "root"}, func(Entry, error) bool { return true })
	}},
	{"constructed-allocate-response-", func(r io.Reader) error {
		var answer allocateAnswer
		if err := json.NewDecoder(r).Decode(&answer); err != nil {
			return err
		}
		c, err := New(Options{Credentials: basic{}})
		if err == nil {
			_, err = c.allocation("/Jotta/Archive/a", hello, &answer)
		}
		return err
	}},
	{"constructed-customer", readJSON}, {"purge-", readJSON}, {"constructed-upload-response", readJSON},
	{"file-get-fragment", func(r io.Reader) error {
		body, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		_, err = parseNode(strings.NewReader("<folder name='x'><files>"+string(body)+"</files></folder>"), func(Entry) {})
		return err
	}},
	{"mountpoint-rm-response", func(r io.Reader) error { _, err := parseDevice(r); return err }},
	{"device-", readNode}, {"mountpoint-", readNode}, {"folder-", readNode}, {"file-", readNode},
}

func readFound(r io.Reader) error { return parseFound(r, func(Info) bool { return true }) }

func readNode(r io.Reader) error { _, err := parseNode(r, func(Entry) {}); return err }

func readJSON(r io.Reader) error { return json.NewDecoder(r).Decode(new(struct{})) }

func readError(r io.Reader) error {
	body, err := io.ReadAll(r)
	if e := parseErrorBody(body); err == nil && (!e.parsed || e.id == "") {
		err = errors.New("it is not taken for an error with a name")
	}
	return err
}

// Every sample is read by the parser it is meant for, and none is forgotten. Cut
// short it is refused.
func TestEverySample(t *testing.T) {
	files, err := os.ReadDir(samples)
	if err != nil || len(files) < 60 {
		t.Fatalf("%d samples, %v", len(files), err)
	}
	for _, file := range files {
		name := file.Name()
		i := 0
		for i < len(readers) && !strings.HasPrefix(name, readers[i].prefix) {
			i++
		}
		if i == len(readers) {
			t.Errorf("%s: no parser reads it", name)
			continue
		}
		if readers[i].read == nil {
			continue
		}
		text := strings.TrimSpace(sample(t, name))
		if err := readers[i].read(strings.NewReader(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, cut := range []int{1, 8, len(text) / 2} {
			if err := readers[i].read(strings.NewReader(text[:len(text)-cut])); err == nil {
				t.Errorf("%s without its last %d bytes was taken for whole", name, cut)
			}
		}
	}
}

// The README of the samples says of each of them where its shape is known from.
func TestSamplesAreExplained(t *testing.T) {
	readme := sample(t, "README.md")
	files, err := os.ReadDir(samples)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := file.Name()
		if row := "| [`" + name + "`](" + name + ") | "; name != "README.md" && strings.Count(readme, row) != 1 {
			t.Errorf("the table has %d rows for %s, want 1", strings.Count(readme, row), name)
		}
	}
}

func TestAccountSample(t *testing.T) {
	got, err := parseAccount(strings.NewReader(sample(t, "user-get-2018.xml")))
	if err != nil {
		t.Fatal(err)
	}
	want := Account{
		Username: "k4m9x2c7t1w8z5b3n6d0h2qa", Type: "free", Capacity: 5368709120, MaxDevices: -1, MaxMobileDevices: -1, Sync: true, FolderShare: true,
		Devices: []Device{{
			Path: "/Jotta", DisplayName: "Jotta", Type: DeviceBuiltIn, ID: "118de336-f9bd-4c16-afe3-291807cbc035", Modified: at("2018-06-21T19:55:06Z"),
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("parseAccount differs (-want +got):\n%s", diff)
	}
}

// found returns kind, path and share of each entry.
func found(t *testing.T, name string) []string {
	t.Helper()
	var all []string
	if err := parseFound(strings.NewReader(sample(t, name)), func(info Info) bool {
		line := string(info.Kind) + " " + info.Path
		if !info.Deleted.IsZero() {
			line += " " + info.Deleted.Format("15:04:05")
		}
		all = append(all, strings.TrimSpace(line+" "+info.PublicURI))
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestFoundSamples(t *testing.T) {
	if diff := cmp.Diff([]string{
		"folder /Jotta/Archive/Albums 18:51:33", "mountPoint /BENCH/Backups 11:47:55", "folder /Jotta/Archive/Drafts 12:30:09",
		"folder /Jotta/Sync/Drafts 12:29:41", "folder /Jotta/Archive/Weather/Readings 09:18:26", "folder /Jotta/Sync/Readings 17:05:50",
		"mountPoint /BENCH/scans 12:21:40", "folder /Jotta/Archive/Tmp 22:14:08", "file /Jotta/Archive/Weather/anemometer.py 15:40:27",
		"file /Jotta/Archive/Weather/cloudheight.py 20:07:13", "file /Jotta/Archive/Weather/rain.py 19:36:02",
	}, found(t, "trash-get.xml")); diff != "" {
		t.Errorf("trash differs (-want +got):\n%s", diff)
	}
	if got := found(t, "links-searchresult.xml"); len(got) != 4 || got[0] != "file /BENCH/scans/rules.in 12:21:40 be3bab09990045d5a1a8e6e3a038d24f" {
		t.Errorf("links = %q", got)
	}
	if got := found(t, "latest-searchresult-2017.xml"); len(got) == 0 || !strings.HasPrefix(got[0], "file /Jotta/") {
		t.Errorf("latest = %q", got)
	}
}

func TestListAllSample(t *testing.T) {
	var got []string
	err := parseAll(strings.NewReader(sample(t, "folder-mode-list.xml")), []string{"Jotta", "archive"}, func(e Entry) bool {
		got = append(got, string(e.Kind)+" "+e.Path)
		return true
	})
	if err != nil || len(got) < 5 || !slices.Equal(got[:3], []string{"file packing.md", "folder Weather", "file Weather/anemometer.py"}) || !slices.Contains(got, "folder Weather/charts") {
		t.Errorf("ListAll = %q, %v", got, err)
	}
}

func TestListAllThatIsNone(t *testing.T) {
	const place = "<path>/u/Jotta</path><abspath>/u/Jotta</abspath>"
	for _, test := range []struct {
		body string
		err  error
	}{
		{"<filedirlist><folders><folder name='Archive'>" + place + "</folder></folders></filedirlist>", nil},
		{"<filedirlist/>", ErrListing},
		{"<filedirlist><folders><folder name='Other'>" + place + "</folder></folders></filedirlist>", ErrListing},
		{"<filedirlist><folders><folder name='Archive'/></folders></filedirlist>", ErrListing},
		{"<filedirlist><folders><folder name='Archive'><files/>" + place + "</folder></folders></filedirlist>", ErrListing},
		{"<folder name='Archive'/>", ErrServer},
		{"<html/>", ErrServer},
	} {
		err := parseAll(strings.NewReader(test.body), []string{"Jotta", "Archive"}, func(Entry) bool { return true })
		if !errors.Is(err, test.err) {
			t.Errorf("%s: %v, want %v", test.body, err, test.err)
		}
	}
}
