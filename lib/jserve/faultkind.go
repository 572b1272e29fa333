package jserve

import (
	"bytes"
	"cmp"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// faultKinds are the kinds of request that rules can name. They are those of
// GET /_jserve/stats, except that a rule cannot tell files from folders: both
// are "stat". "token" is every endpoint of the login that hands out tokens.
// What is under /_jserve, such as login_token, never goes wrong.
var faultKinds = slices.Concat(slices.DeleteFunc(slices.Clone(requestKinds), func(kind string) bool {
	return kind == "get_folder" || kind == "login_token" || strings.HasPrefix(kind, "token_")
}), []string{"token", "other"})

// faultKind tells the kind of a request before anything is done about it. It may
// read a form, which it puts back.
func faultKind(r *http.Request) string {
	path := r.URL.EscapedPath()
	is := func(prefix string) bool { return strings.HasPrefix(path+"/", prefix+"/") }
	switch {
	case is("/jfs"):
		return jfsKind(r, path)
	case is("/upload"):
		return "upload"
	case is("/files/v1/allocate"):
		return "allocate"
	case is("/files/v1/purge_trash"):
		return "purge_trash"
	case is("/account/v1/customer"):
		return "customer"
	case is("/opin/io/downloadPublic"), is("/p"), is("/s"):
		return "public"
	case is("/rest/token"):
		return "event_token"
	case is("/ws"):
		return "events"
	case is("/auth"):
		return cmp.Or(loginKinds[path[strings.LastIndexByte(path, '/')+1:]], "other")
	}
	return "other"
}

// loginKinds are the kinds of request to the login, by the last name on the path.
var loginKinds = map[string]string{
	"openid-configuration": "discovery", "token": "token", "auth": "login_page", "userinfo": "userinfo",
	"logout": "logout", "revoke": "logout", "register": "register",
}

// jfsKind does so for what lies under /jfs.
func jfsKind(r *http.Request, path string) string {
	depth := -1 // of the user
	view := ""
	for part := range strings.SplitSeq(strings.TrimPrefix(path, "/jfs"), "/") {
		if part != "" {
			depth++
			view = strings.ToLower(part)
		}
	}
	if r.Method == http.MethodPost {
		return postKind(r, depth)
	}
	switch strings.ToLower(r.URL.Query().Get("mode")) {
	case "bin":
		return "download"
	case "list", "liststream", "thumb":
		return strings.ToLower(r.URL.Query().Get("mode"))
	case "enableshare":
		return "share"
	case "disableshare":
		return "unshare"
	}
	switch {
	case depth <= 0:
		return "get_user"
	case depth == 1:
		return "get_device"
	case depth == 2 && (view == "trash" || view == "latest" || view == "links"):
		return view
	case depth == 2:
		return "get_mountpoint"
	}
	return "stat"
}

// postKind follows the order of docs/protocol.md, section 7.1.
func postKind(r *http.Request, depth int) string {
	params := r.URL.Query()
	contentType := strings.ToLower(r.Header.Get("Content-Type"))
	if strings.HasPrefix(contentType, "application/x-www-form-urlencoded") && r.Body != nil {
		head, err := io.ReadAll(io.LimitReader(r.Body, maxForm))
		r.Body = putBack{io.MultiReader(bytes.NewReader(head), failing(err), r.Body), r.Body}
		if form, err := url.ParseQuery(string(head)); err == nil {
			for k, v := range form {
				params[k] = append(params[k], v...)
			}
		}
	}
	for _, cmd := range commands {
		if v, ok := params[cmd.name]; ok && v[0] != "false" {
			return strings.ToLower(cmd.name)
		}
	}
	multipart := strings.HasPrefix(contentType, "multipart/form-data")
	content := multipart || params.Get("umode") == "nomultipart" || r.Header.Get("JMd5") != "" || r.Header.Get("JSize") != ""
	switch {
	case params.Get("cphash") != "" && r.ContentLength == 0:
		return "cphash"
	case depth > 2 && multipart:
		return "upload_multipart"
	case depth > 2 && content:
		return "upload_raw"
	case depth == 1:
		return "create_device"
	case depth == 2:
		return "create_mountpoint"
	}
	return "other"
}

// putBack is a body of which a part had been read.
type putBack struct {
	io.Reader
	io.Closer
}

// failing gives an error that reading had ended with, if any, in its place.
func failing(err error) io.Reader {
	if err == nil {
		return bytes.NewReader(nil)
	}
	return errorReader{err}
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }
