package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"strconv"
)

// manyListed lists folders of different sizes, which the benchmark itself makes up:
// no server is filled with ten million files for this.
func manyListed() job {
	return job{
		name: "records-jls", title: "Listing of 10,000,000 files", unit: "records", runs: 2, goal: recordsGoal,
		prepare: func(ctx context.Context, w *world) ([]rival, error) {
			address, err := serveListings(ctx)
			if err != nil {
				return nil, err
			}
			w.setenv("JOTTA_ENDPOINT", "http://"+address, "JOTTACLOUD_USERNAME", "bench", "JOTTACLOUD_PASSWORD", "bench")
			var rivals []rival
			for _, n := range []int{w.scale(10_000_000, 3000), w.scale(1_000_000, 300), w.scale(100_000, 30)} {
				rivals = append(rivals, rival{
					name: thousands(n) + " files", units: float64(n),
					pipe: pipe{w.ours("jls", "/Jotta/Archive/"+strconv.Itoa(n))},
				})
			}
			return rivals, nil
		},
	}
}

// serveListings answers until ctx ends: a folder called N has N files in it. Its
// first half comes last, so that there is something to sort.
func serveListings(ctx context.Context) (address string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(resp http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/account/v1/customer" {
			io.WriteString(resp, `{"username":"bench"}`)
			return
		}
		n, err := strconv.Atoi(path.Base(req.URL.Path))
		if err != nil || req.FormValue("mode") != "liststream" {
			http.NotFound(resp, req)
			return
		}
		writeListing(resp, n) // an error means that jls had enough, which it says itself
	})}
	context.AfterFunc(ctx, func() { server.Close() })
	go server.Serve(listener)
	return listener.Addr().String(), nil
}

func writeListing(to io.Writer, n int) error {
	out := bufio.NewWriterSize(to, 1<<20)
	_, err := io.WriteString(out, `<?xml version="1.0" encoding="UTF-8"?><liststream>`)
	albums := (n + perFolder - 1) / perFolder
	for i := 0; i < albums && err == nil; i++ {
		album := (i + albums/2) % albums
		for file := album * perFolder; file < min(n, (album+1)*perFolder); file++ {
			_, err = fmt.Fprintf(out, `<file><path>/Archive/%d/year/album %06d</path><filename>IMG_%08d.jpg</filename><md5>%032x</md5><size>%d</size>`+
				`<modified>2025-07-04T10:20:30.000Z</modified><created>2025-07-04T10:20:30.000Z</created></file>`, n, album, file, file, file)
		}
	}
	fmt.Fprintf(out, `<stats><folders>%d</folders><files>%d</files></stats></liststream>`, albums, n)
	return errors.Join(err, out.Flush())
}
