package jfs

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestShare(t *testing.T) {
	const uri = "2c0227d746dd428e8023b5ffdb110b81"
	tests := []struct {
		name, answer string
		link         Link // without the host
		err          error
	}{
		{"with its page", `<file name="x"><publicURI>` + uri + `</publicURI><publicSharePath>s/` + uri + `</publicSharePath></file>`, Link{uri, "/opin/io/downloadPublic/" + testUser + "/" + uri, "/s/" + uri}, nil},
		{"without its page", sample(t, "file-enableshare-response.xml"), Link{uri, "/opin/io/downloadPublic/" + testUser + "/" + uri, "/p/" + testUser + "/" + uri}, nil},
		{"not shared", `<folder name="x"/>`, Link{}, ErrServer},
		{"web page", `<html/>`, Link{}, ErrServer},
	}
	for _, test := range tests {
		c := newTestClient(t, func(w http.ResponseWriter, req *http.Request) {
			if req.Method != "GET" || req.URL.RawQuery != "mode=enableShare" {
				t.Errorf("request is %s %s", req.Method, req.RequestURI)
			}
			io.WriteString(w, test.answer)
		})
		link, err := c.Share(t.Context(), "/Jotta/Archive/x")
		link.Download, link.Page = strings.TrimPrefix(link.Download, c.web), strings.TrimPrefix(link.Page, c.web)
		if link != test.link || !errors.Is(err, test.err) {
			t.Errorf("%s: Share = %+v, %v, want %+v, %v", test.name, link, err, test.link, test.err)
		}
	}
	for answer, kind := range map[string]error{`<folder name="x"/>`: nil, `<folder name="x"><publicURI>u</publicURI></folder>`: ErrServer} {
		c := newTestClient(t, func(w http.ResponseWriter, req *http.Request) {
			if req.URL.RawQuery != "mode=disableShare" {
				t.Errorf("request is %s", req.RequestURI)
			}
			io.WriteString(w, answer)
		})
		if err := c.Unshare(t.Context(), "/Jotta/Archive/x"); !errors.Is(err, kind) {
			t.Errorf("%s: Unshare = %v, want %v", answer, err, kind)
		}
	}
}

func TestThumbnail(t *testing.T) {
	for _, test := range []struct {
		kind string
		err  error
	}{{"image/jpeg", nil}, {"text/html", ErrServer}, {"", ErrServer}} {
		c := newTestClient(t, func(w http.ResponseWriter, req *http.Request) {
			if req.URL.RawQuery != "mode=thumb&ts=WXL" {
				t.Errorf("request is %s", req.RequestURI)
			}
			w.Header()["Content-Type"] = []string{test.kind}
			io.WriteString(w, "picture")
		})
		body, err := c.Thumbnail(t.Context(), "/Jotta/Archive/x.png", ThumbExtraLarge)
		if !errors.Is(err, test.err) {
			t.Errorf("%q: Thumbnail = %v, want %v", test.kind, err, test.err)
		}
		if err == nil {
			text, err := io.ReadAll(body)
			if string(text) != "picture" || err != nil {
				t.Errorf("picture = %q, %v", text, err)
			}
			body.Close()
		}
	}
}

// Listings hand out what has arrived: the service sends the second half only
// when the first has been read, so none of it can wait for the end.
func TestListingsAreStreamed(t *testing.T) {
	const rev = "<currentRevision><state>COMPLETED</state></currentRevision>"
	pad := strings.Repeat(" ", 16<<10) // more than any buffer on the way
	tests := []struct {
		name, first, second string
		list                func(c *Client) func(yield func(error) bool)
	}{
		{"ListTree", "<l><file><path>/Archive</path><filename>a</filename></file>", "<stats><folders>1</folders><files>1</files></stats></l>",
			func(c *Client) func(func(error) bool) { return errorsOf(c.ListTree(t.Context(), "/Jotta/Archive")) }},
		{"ListAll", "<filedirlist><folders><folder name='Archive'><path>/u/Jotta</path><files><file name='a'>" + rev + "</file>", "</files></folder></folders></filedirlist>",
			func(c *Client) func(func(error) bool) { return errorsOf(c.ListAll(t.Context(), "/Jotta/Archive")) }},
		{"WalkTree", "<folder name='Archive'><files><file name='a'>" + rev + "</file>", "</files></folder>",
			func(c *Client) func(func(error) bool) { return errorsOf(c.WalkTree(t.Context(), "/Jotta/Archive")) }},
		{"Latest", "<searchresult><files><file name='a'><path>/u/Jotta/Archive</path></file>", "</files></searchresult>",
			func(c *Client) func(func(error) bool) { return errorsOf(c.Latest(t.Context(), 0)) }},
		{"Links", "<searchresult><files><file name='a'><path>/u/Jotta/Archive</path></file>", "</files></searchresult>",
			func(c *Client) func(func(error) bool) { return errorsOf(c.Links(t.Context())) }},
		{"Trashed", "<mountPoint><files><file name='a' deleted='x'><abspath>/u/Jotta/Archive</abspath></file>", "</files></mountPoint>",
			func(c *Client) func(func(error) bool) { return errorsOf(c.Trashed(t.Context())) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := make(chan struct{})
			c := newTestClient(t, func(w http.ResponseWriter, req *http.Request) {
				io.WriteString(w, test.first+pad)
				http.NewResponseController(w).Flush()
				select {
				case <-got:
				case <-req.Context().Done():
				case <-time.After(10 * time.Second):
					t.Error("the first entry was not handed out")
				}
				io.WriteString(w, test.second)
			})
			n := 0
			for err := range test.list(c) {
				if err != nil {
					t.Fatal(err)
				}
				if n++; n == 1 {
					close(got)
				}
			}
			if n != 1 {
				t.Errorf("%d entries, want 1", n)
			}
		})
	}
}

func errorsOf[E any](seq func(func(E, error) bool)) func(func(error) bool) {
	return func(yield func(error) bool) {
		seq(func(_ E, err error) bool { return yield(err) })
	}
}

// What cannot be read says why; what is not there says that.
func TestProblem(t *testing.T) {
	const latest = `<file name="x"><latestRevision><state>%s</state></latestRevision></file>`
	tests := []struct {
		there string
		err   error
	}{
		{"", ErrNotExist},
		{fmt.Sprintf(latest, "INCOMPLETE"), ErrIncomplete},
		{fmt.Sprintf(latest, "CORRUPT"), ErrCorrupt},
		{`<folder name="x"/>`, ErrNotExist},
	}
	for _, test := range tests {
		c := newTestClient(t, func(w http.ResponseWriter, req *http.Request) {
			if req.URL.RawQuery == "mode=bin" || test.there == "" {
				w.WriteHeader(404)
				return
			}
			io.WriteString(w, test.there)
		})
		_, err := c.Open(t.Context(), "/Jotta/Archive/x", 0, -1)
		if !errors.Is(err, test.err) || !strings.HasPrefix(err.Error(), "download /Jotta/Archive/x: ") {
			t.Errorf("Open of %q = %v, want %v", test.there, err, test.err)
		}
	}
}

// What is restored never goes over what is alive or newer.
func TestRestoreDirLeavesTheLivingAlone(t *testing.T) {
	const file = `<file name="%s" deleted="%s"><currentRevision><number>1</number><state>COMPLETED</state><size>11</size><md5>5eb63bbbe01eeed093cb22bb8f5acdc3</md5></currentRevision></file>`
	const early, late = "2017-05-17-T15:40:27Z", "2017-05-18-T15:40:27Z"
	listing := `<folder name="d">%s<files>` + fmt.Sprintf(file, "twice", early) + fmt.Sprintf(file, "Twice", late) +
		fmt.Sprintf(file, "alive", early) + strings.Replace(fmt.Sprintf(file, "ALIVE", ""), ` deleted=""`, "", 1) + `</files></folder>`
	var touched []string
	folders := ""
	c := newTestClient(t, func(w http.ResponseWriter, req *http.Request) {
		switch {
		case req.URL.Query().Has("cphash"):
			touched = append(touched, req.URL.Path[strings.LastIndexByte(req.URL.Path, '/')+1:])
			io.WriteString(w, strings.Replace(fmt.Sprintf(file, "x", ""), ` deleted=""`, "", 1))
		case strings.HasSuffix(req.URL.Path, "/d"):
			fmt.Fprintf(w, listing, folders)
		default:
			io.WriteString(w, "<folder name='x'/>")
		}
	})
	n, err := c.RestoreDir(t.Context(), "/Jotta/Archive/d", time.Time{})
	if n != 1 || err != nil || !slices.Equal(touched, []string{"Twice"}) {
		t.Errorf("RestoreDir = %d, %v, touched %q, want only the later Twice", n, err, touched)
	}
	folders = "<folders><folder name='twice'/></folders>"
	if _, err := c.RestoreDir(t.Context(), "/Jotta/Archive/d", time.Time{}); !errors.Is(err, ErrExist) {
		t.Errorf("RestoreDir = %v, want ErrExist for a file whose name a folder has", err)
	}
}
