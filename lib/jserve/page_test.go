package jserve

import (
	"strings"
	"testing"
)

// TestPagesEscape: what clients and users chose is text in the pages, never markup.
func TestPagesEscape(t *testing.T) {
	const evil, text = `a"><b>&'`, `a&#34;&gt;&lt;b&gt;&amp;&#39;`
	shared := sharedPage{Name: evil, Size: evil, Type: evil, Modified: evil, Folder: true, Picture: true}
	for _, page := range []struct {
		name string
		html []byte
		want int
	}{
		{"the login page", loginPage(evil, evil, evil), 3},
		{"the page of a link", shared.html(), 5},
	} {
		if got := strings.Count(string(page.html), text); got != page.want || strings.Contains(string(page.html), evil) {
			t.Errorf("%s has it %d times, want %d:\n%s", page.name, got, page.want, page.html)
		}
	}
}
