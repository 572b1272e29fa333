package jfs_test

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"jottatools/lib/auth"
	"jottatools/lib/jfs"
	"jottatools/lib/jserve"
)

var ctx = context.Background()

// demo returns a client of a service of its own, and what ends it. A program
// takes what auth.Find returns for credentials and leaves out the endpoint.
func demo() (*jfs.Client, func()) {
	dir, err := os.MkdirTemp("", "jfs-example-")
	check(err)
	server, err := jserve.New(jserve.Config{Dir: dir, Users: []jserve.User{{Name: "me", Password: "secret", Quota: 5 << 30}}})
	check(err)
	listener := httptest.NewServer(server)
	login, err := auth.NewBasic("me", "secret")
	check(err)
	transport := jfs.NewTransport("")
	c, err := jfs.New(jfs.Options{Endpoint: listener.URL, Credentials: login, Transport: transport})
	check(err)
	return c, func() {
		transport.(interface{ CloseIdleConnections() }).CloseIdleConnections()
		listener.Close()
		check(errors.Join(server.Close(), os.RemoveAll(dir)))
	}
}

func check(err error) {
	if err != nil {
		log.Panic(err)
	}
}

// put stores a text as a file.
func put(c *jfs.Client, p jfs.Path, text string) {
	sum := md5.Sum([]byte(text))
	when := time.Date(2024, 5, 1, 8, 11, 12, 0, time.UTC)
	a, err := c.Allocate(ctx, p, jfs.Content{Size: int64(len(text)), MD5: hex.EncodeToString(sum[:]), Created: when, Modified: when})
	check(err)
	if !a.Uploaded {
		check(c.Upload(ctx, a, strings.NewReader(text[a.Offset:])))
	}
}

// A program makes one client and uses it from as many goroutines as it likes.
func ExampleNew() {
	login, err := auth.NewBasic("me", "secret") // or auth.Find()
	check(err)
	c, err := jfs.New(jfs.Options{
		Credentials: login,
		UserAgent:   "example/1.0",
		Wrap: func(next http.RoundTripper) http.RoundTripper {
			return jfs.Retry(jfs.Limit(next, 10), jfs.RetryOptions{}) // at most 10 requests a second, repeated where that can help
		},
	})
	fmt.Println(c != nil, err)
	// Output: true <nil>
}

func ExampleClient_Account() {
	c, end := demo()
	defer end()
	account, err := c.Account(ctx)
	check(err)
	fmt.Printf("%d of %d bytes used\n", account.Usage, account.Capacity)
	for _, device := range account.Devices {
		fmt.Println(device.Path, device.Type)
	}
	// Output:
	// 0 of 5368709120 bytes used
	// /Jotta JOTTA
}

func ExampleClient_List() {
	c, end := demo()
	defer end()
	put(c, "/Jotta/Archive/photos/2024/a.jpg", "a")
	put(c, "/Jotta/Archive/photos/b.jpg", "b b")

	_, entries, err := c.List(ctx, "/Jotta/Archive/photos")
	check(err)
	for _, e := range entries {
		if e.Live() { // neither in the trash nor half uploaded
			fmt.Println(e.Kind, e.Path, e.Size)
		}
	}
	// Output:
	// folder 2024 -1
	// file b.jpg 3
}

func ExampleClient_ListTree() {
	c, end := demo()
	defer end()
	put(c, "/Jotta/Archive/photos/2024/a.jpg", "a")
	put(c, "/Jotta/Archive/photos/2024/b.jpg", "b")

	for e, err := range c.ListTree(ctx, "/Jotta/Archive/photos") {
		check(err) // what came before is not the whole tree then
		fmt.Println(e.Kind, e.Path, e.Size)
	}
	// Output:
	// folder 2024 -1
	// file 2024/a.jpg 1
	// file 2024/b.jpg 1
}

// Uploading takes two requests, and only one if the service has the content.
func ExampleClient_Upload() {
	c, end := demo()
	defer end()
	text := "hello world"
	sum := md5.Sum([]byte(text))
	content := jfs.Content{Size: int64(len(text)), MD5: hex.EncodeToString(sum[:]), Modified: time.Date(2024, 5, 1, 8, 11, 12, 0, time.UTC)}

	a, err := c.Allocate(ctx, "/Jotta/Archive/hello.txt", content)
	check(err)
	fmt.Println("send from byte", a.Offset)
	check(c.Upload(ctx, a, strings.NewReader(text[a.Offset:])))

	a, err = c.Allocate(ctx, "/Jotta/Archive/copy.txt", content)
	check(err)
	fmt.Println("the copy needs no upload:", a.Uploaded)
	// Output:
	// send from byte 0
	// the copy needs no upload: true
}

func ExampleClient_Open() {
	c, end := demo()
	defer end()
	put(c, "/Jotta/Archive/hello.txt", "hello world")

	body, err := c.Open(ctx, "/Jotta/Archive/hello.txt", 6, -1) // from byte 6 to the end
	check(err)
	defer body.Close()
	text, err := io.ReadAll(body)
	check(err)
	fmt.Printf("%s\n", text)
	// Output: world
}

func ExampleClient_OpenRevision() {
	c, end := demo()
	defer end()
	put(c, "/Jotta/Archive/notes.txt", "first")
	put(c, "/Jotta/Archive/notes.txt", "second")

	info, err := c.Stat(ctx, "/Jotta/Archive/notes.txt")
	check(err)
	body, err := c.OpenRevision(ctx, "/Jotta/Archive/notes.txt", info.Older[0].Number, 0, -1)
	check(err)
	defer body.Close()
	text, err := io.ReadAll(body)
	check(err)
	fmt.Printf("revision %d is current; %d was %q\n", info.Number, info.Older[0].Number, text)
	// Output: revision 2 is current; 1 was "first"
}

func ExampleClient_Move() {
	c, end := demo()
	defer end()
	put(c, "/Jotta/Archive/a.txt", "a")

	check(c.Move(ctx, "/Jotta/Archive/a.txt", "/Jotta/Archive/letters/a.txt"))
	err := c.Move(ctx, "/Jotta/Archive/a.txt", "/Jotta/Archive/b.txt")
	fmt.Println(errors.Is(err, jfs.ErrNotExist))
	// Output: true
}

func ExampleClient_Restore() {
	c, end := demo()
	defer end()
	put(c, "/Jotta/Archive/a.txt", "a")

	check(c.Trash(ctx, "/Jotta/Archive/a.txt"))
	for info, err := range c.Trashed(ctx) {
		check(err)
		fmt.Println("in the trash:", info.Path)
	}
	check(c.Restore(ctx, "/Jotta/Archive/a.txt"))
	info, err := c.Stat(ctx, "/Jotta/Archive/a.txt")
	check(err)
	fmt.Println("alive:", info.Live())
	// Output:
	// in the trash: /Jotta/Archive/a.txt
	// alive: true
}

func ExampleClient_Share() {
	c, end := demo()
	defer end()
	put(c, "/Jotta/Archive/a.txt", "for everybody")

	link, err := c.Share(ctx, "/Jotta/Archive/a.txt")
	check(err)
	fmt.Println(strings.HasSuffix(link.Download, "/opin/io/downloadPublic/me/"+link.URI))
	check(c.Unshare(ctx, "/Jotta/Archive/a.txt"))
	// Output: true
}

func ExampleClient_CreateDevice() {
	c, end := demo()
	defer end()
	_, err := c.CreateDevice(ctx, "/nas", jfs.DeviceWorkstation)
	check(err)
	created, err := c.CreateMountPoint(ctx, "/nas/photos")
	check(err)
	fmt.Println("created:", created)
	// Output: created: true
}

// Listing after the first event leaves no gap.
func ExampleClient_Events() {
	c, end := demo()
	defer end()
	for e, err := range c.Events(ctx) {
		check(err)
		if e.Kind == jfs.EventSubscribed {
			put(c, "/Jotta/Archive/a.txt", "hello") // or somebody else, somewhere else
			continue
		}
		fmt.Println(e.Kind, e.Path, e.Revision.Size)
		break
	}
	// Output: NEW_UPLOAD /Jotta/Archive/a.txt 5
}

// Every error says what kind it is, what the service said, and whether trying
// again can help.
func ExampleError() {
	c, end := demo()
	defer end()
	_, err := c.Stat(ctx, "/Jotta/Archive/nothing")
	fmt.Println(errors.Is(err, jfs.ErrNotExist))
	var e *jfs.Error
	if errors.As(err, &e) {
		fmt.Println(e.Class, e.Status, e.ErrorID, e.Retry)
	}
	// Output:
	// true
	// not_found 404 NoSuchPathException false
}
