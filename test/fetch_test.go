package test

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"jottatools/lib/jfs"
)

// fetch REMOTE DIR brings a remote folder back over plain HTTP, with nothing of
// our client but the mapping of names: what it finds is what any other program
// would.
func fetch(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: fetch REMOTE DIR")
	}
	f := fetcher{base: ts.Getenv("JOTTA_ENDPOINT") + "/jfs/" + ts.Getenv("JOTTACLOUD_USERNAME"), user: ts.Getenv("JOTTACLOUD_USERNAME"), password: ts.Getenv("JOTTACLOUD_PASSWORD")}
	ts.Check(f.folder(args[0], ts.MkAbs(args[1])))
}

type fetcher struct{ base, user, password string }

func (f *fetcher) get(remote, query string) (io.ReadCloser, error) {
	var escaped strings.Builder
	for part := range strings.SplitSeq(strings.TrimPrefix(remote, "/"), "/") {
		escaped.WriteString("/" + strings.ReplaceAll(url.PathEscape(part), "+", "%2B"))
	}
	req, err := http.NewRequest(http.MethodGet, f.base+escaped.String()+query, nil)
	if err != nil {
		return nil, err
	}
	req.SetBasicAuth(f.user, f.password)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("GET %s%s: %s", remote, query, resp.Status)
	}
	return resp.Body, nil
}

func (f *fetcher) folder(remote, dir string) error {
	body, err := f.get(remote, "")
	if err != nil {
		return err
	}
	defer body.Close()
	var listing struct {
		Folders []struct {
			Name    string `xml:"name,attr"`
			Deleted string `xml:"deleted,attr"`
		} `xml:"folders>folder"`
		Files []struct {
			Name    string `xml:"name,attr"`
			Deleted string `xml:"deleted,attr"`
			Current struct {
				State    string `xml:"state"`
				Modified string `xml:"modified"`
			} `xml:"currentRevision"`
		} `xml:"files>file"`
	}
	if err := xml.NewDecoder(body).Decode(&listing); err != nil {
		return fmt.Errorf("listing of %s: %w", remote, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, file := range listing.Files {
		if file.Deleted != "" || file.Current.State != "COMPLETED" {
			continue
		}
		modified, err := time.Parse("2006-01-02-T15:04:05Z", file.Current.Modified)
		if err != nil {
			return err
		}
		if err := f.file(remote+"/"+file.Name, filepath.Join(dir, jfs.LocalName(file.Name)), modified); err != nil {
			return err
		}
	}
	for _, folder := range listing.Folders {
		if folder.Deleted == "" {
			if err := f.folder(remote+"/"+folder.Name, filepath.Join(dir, jfs.LocalName(folder.Name))); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *fetcher) file(remote, name string, modified time.Time) error {
	body, err := f.get(remote, "?mode=bin")
	if err != nil {
		return err
	}
	defer body.Close()
	out, err := os.Create(name)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(out, body); err != nil {
		return err
	}
	return os.Chtimes(name, modified, modified)
}
