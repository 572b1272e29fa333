package jserve

import (
	"crypto/sha256"
	"encoding/base64"
	"image/jpeg"
	"regexp"
	"strings"
	"testing"
)

// share makes an entry public and returns the 32 digits of its link.
func (w *world) share(path string) string {
	w.t.Helper()
	return w.get(path + "?mode=enableShare").text("publicURI")
}

func TestPublicPage(t *testing.T) {
	w := newWorld(t)
	w.put("/Jotta/Archive/a&amp;'b'.txt", "0123456789")
	w.put("/Jotta/Archive/red.jpg", asJPEG(t, picture(1200, 600)))
	w.put("/Jotta/Archive/torn.jpg", "not a picture")
	w.put("/Jotta/Archive/photo\u202egpj.exe", "x")
	w.put("/Jotta/Archive/dir/f", "12")
	tests := []struct {
		path    string
		want    []string
		without string
	}{
		{"/Jotta/Archive/a&amp;'b'.txt", []string{"<bdi>a&amp;amp;&#39;b&#39;.txt</bdi>", "10 bytes · text/plain · modified 1 May 2024", `<a href="?download">Download</a>`}, "<img"},
		{"/Jotta/Archive/red.jpg", []string{"<bdi>red.jpg</bdi>", `<img src="?preview" alt="">`, "image/jpeg"}, ""},
		{"/Jotta/Archive/photo%E2%80%AEgpj.exe", []string{"<title>photo\ufffdgpj.exe</title>", "<bdi>photo\ufffdgpj.exe</bdi>", "1 byte ·"}, "\u202e"},
		{"/Jotta/Archive/dir", []string{"<bdi>dir</bdi>", "2 bytes · folder<", "Download as ZIP"}, "<img"},
	}
	for _, tt := range tests {
		uri := w.share(tt.path)
		for _, link := range []string{"/s/" + uri, "/p/user01/" + uri} {
			a := w.want(200, "GET", link)
			for _, want := range tt.want {
				if !strings.Contains(a.body, want) {
					t.Errorf("%s (%s) lacks %s:\n%s", tt.path, link, want, a.body)
				}
			}
			if tt.without != "" && strings.Contains(a.body, tt.without) {
				t.Errorf("%s has %q", tt.path, tt.without)
			}
			if kind := a.header.Get("Content-Type"); kind != "text/html; charset=utf-8" || a.header.Get("Content-Disposition") != "" {
				t.Errorf("%s is %s, %v", link, kind, a.header)
			}
		}
	}
	preview := w.want(200, "GET", "/s/"+w.share("/Jotta/Archive/red.jpg")+"?preview")
	if m, err := jpeg.DecodeConfig(strings.NewReader(preview.body)); err != nil || m.Width != 1024 {
		t.Errorf("the preview is %v wide, %v", m.Width, err)
	}
	for _, none := range []string{"/Jotta/Archive/torn.jpg", "/Jotta/Archive/dir"} {
		w.want(404, "GET", "/s/"+w.share(none)+"?preview")
	}
}

// TestPublicPageIsShutIn holds that the page can load what it has and nothing
// else, and that what is downloaded is not run.
func TestPublicPageIsShutIn(t *testing.T) {
	w := newWorld(t)
	w.put("/Jotta/Archive/evil.html", "<script>alert(1)</script>")
	uri := w.share("/Jotta/Archive/evil.html")
	a := w.want(200, "GET", "/s/"+uri)
	policy := a.header.Get("Content-Security-Policy")
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(a.body)
	if style == nil {
		t.Fatalf("no style in %s", a.body)
	}
	digest := sha256.Sum256([]byte(style[1]))
	want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(digest[:]) + "'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	if policy != want {
		t.Errorf("policy of the page:\n%s, want\n%s", policy, want)
	}
	for _, link := range []string{"/s/" + uri + "?download", "/opin/io/downloadPublic/user01/" + uri} {
		h := w.want(200, "GET", link).header
		if !strings.HasPrefix(h.Get("Content-Disposition"), "attachment;") || h.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(h.Get("Content-Security-Policy"), "sandbox;") {
			t.Errorf("%s has the header %v", link, h)
		}
	}
}

func TestPublicPageOfNothing(t *testing.T) {
	w := newWorld(t)
	w.put("/Jotta/Archive/f", "1")
	uri := w.share("/Jotta/Archive/f")
	w.get("/Jotta/Archive/f?mode=disableShare")
	for _, link := range []string{"/s/" + uri, "/p/user01/" + uri, "/s/x", "/p/", "/s", "/p/nobody/" + uri, "/s/%2e%2e", "/s/" + uri + "?download", "/s/" + uri + "?preview"} {
		a := w.want(404, "GET", link)
		if !strings.Contains(a.body, "There is nothing here") || a.header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s = %s", link, a.body)
		}
	}
	w.want(405, "POST", "/s/"+uri)
	if a := w.want(404, "HEAD", "/s/"+uri); a.body != "" {
		t.Errorf("HEAD has a body: %s", a.body)
	}
}
