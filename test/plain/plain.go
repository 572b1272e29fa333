// Package plain reads an account over plain HTTP, with nothing of our client but
// the mapping of names: what it finds is what any other program would.
//
// Tests hold against it what our programs have stored.
package plain

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"jottatools/lib/jfs"
)

// Client knows where the account is.
type Client struct {
	Endpoint, User, Password string

	HTTP *http.Client // nil: http.DefaultClient
}

// Entry is a file or folder that is not in the trash.
type Entry struct {
	Path     string // beneath the folder that was asked for, in local names
	Remote   string // where to find it, in the service's names
	Dir      bool
	State    string // of a file: COMPLETED, or else there is no content
	Size     int64
	MD5      string
	Modified time.Time // of a file with content
}

// Open returns the content of a file. The caller closes it.
func (c *Client) Open(remote string) (io.ReadCloser, error) { return c.get(remote, "?mode=bin") }

func (c *Client) get(remote, query string) (io.ReadCloser, error) {
	var escaped strings.Builder
	for part := range strings.SplitSeq(strings.TrimPrefix(remote, "/"), "/") {
		escaped.WriteString("/" + strings.ReplaceAll(url.PathEscape(part), "+", "%2B"))
	}
	req, err := http.NewRequest(http.MethodGet, c.Endpoint+"/jfs/"+c.User+escaped.String()+query, nil)
	if err != nil {
		return nil, err
	}
	req.SetBasicAuth(c.User, c.Password)
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, &StatusError{remote + query, resp.StatusCode}
	}
	return resp.Body, nil
}

// StatusError is an answer other than 200.
type StatusError struct {
	What   string
	Status int
}

// Error returns what was asked for, and the status.
func (e *StatusError) Error() string { return fmt.Sprintf("GET %s: status %d", e.What, e.Status) }

// Tree returns what is in a folder of the service, at any depth: each folder
// before what is in it.
func (c *Client) Tree(remote string) ([]Entry, error) { return c.tree(nil, remote, "") }

func (c *Client) tree(all []Entry, remote, under string) ([]Entry, error) {
	body, err := c.get(remote, "")
	if err != nil {
		return nil, err
	}
	defer body.Close()
	var listing struct {
		Folders []struct {
			Name    string `xml:"name,attr"`
			Deleted string `xml:"deleted,attr"`
		} `xml:"folders>folder"`
		Files []file `xml:"files>file"`
	}
	if err := xml.NewDecoder(body).Decode(&listing); err != nil {
		return nil, fmt.Errorf("listing of %s: %w", remote, err)
	}
	for _, f := range listing.Files {
		if f.Deleted != "" {
			continue
		}
		e, err := f.entry(remote, under)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	for _, f := range listing.Folders {
		if f.Deleted != "" {
			continue
		}
		e := Entry{Path: under + jfs.LocalName(f.Name), Remote: remote + "/" + f.Name, Dir: true}
		if all, err = c.tree(append(all, e), e.Remote, e.Path+"/"); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// file is a file of a listing.
type file struct {
	Name    string   `xml:"name,attr"`
	Deleted string   `xml:"deleted,attr"`
	Current revision `xml:"currentRevision"`
	Latest  revision `xml:"latestRevision"`
}

type revision struct {
	State    string `xml:"state"`
	Size     int64  `xml:"size"`
	MD5      string `xml:"md5"`
	Modified string `xml:"modified"`
}

func (f *file) entry(remote, under string) (Entry, error) {
	e := Entry{Path: under + jfs.LocalName(f.Name), Remote: remote + "/" + f.Name, State: f.Current.State, Size: f.Current.Size, MD5: f.Current.MD5}
	if e.State == "" { // it was never complete
		e.State = f.Latest.State
		return e, nil
	}
	var err error
	e.Modified, err = time.Parse("2006-01-02-T15:04:05Z", f.Current.Modified)
	return e, err
}
