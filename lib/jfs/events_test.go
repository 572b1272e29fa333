package jfs

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"jottatools/lib/record"
)

func TestParseEvent(t *testing.T) {
	data := sample(t, "websocket-event-data-file.json")
	revision := Revision{
		Number: 1, State: record.StateCompleted, Size: 29, MD5: "bdc252c2949c0e8b3f35e487f2bafe90",
		Created: time.Date(2016, 3, 18, 10, 21, 37, 0, time.UTC), Modified: time.Date(2016, 3, 18, 10, 21, 37, 0, time.UTC),
		Updated: time.Date(2016, 3, 18, 10, 23, 4, 0, time.UTC),
	}
	when := time.Date(2022, 9, 15, 9, 1, 5, 250e6, time.UTC)
	tests := []struct {
		text string
		want Event
		ok   bool
	}{
		{sample(t, "websocket-server-subscribe.json"), Event{Kind: EventSubscribed, ID: "c33b5261-2623-11ec-9458-5954be4628cc"}, true},
		{`{"EVENT":{"U":"u","A":"u","T":"PATH","ST":"NEW_UPLOAD","TS":1663232465250,"D":` + data + `,"uuid":"id","unixnano":1663232465.25},"Length":123}`,
			Event{Kind: EventUpload, ID: "id", Time: when, Path: "/Jotta/Sync/buoy", Revision: revision}, true},
		{`{"EVENT":{"ST":"MOVE_DIR","TS":1663232465250,"D":{"FROM":"/u/Jotta/Archive/a＊","TO":"/u/PC/b"}}}`,
			Event{Kind: EventMoveDir, Time: when, Path: "/Jotta/Archive/a*", To: "/PC/b"}, true},
		{`{"EVENT":{"ST":"DELETE","D":{"FROM":"/u/Jotta/Archive/a*"}}}`, Event{Kind: EventTrash, Path: "/Jotta/Archive/a*", Foreign: true}, true},
		{`{"EVENT":{"ST":"PhotoAdded","T":"PHOTOS","D":{"FROM":7,"size":["x"],"revision":"nine"}}}`, Event{Kind: "PhotoAdded"}, true},
		{`{"EVENT":{"ST":"NEW","D":"of another kind","TS":"1"}}`, Event{Kind: "NEW", Time: time.UnixMilli(1).UTC()}, true},
		{`{"EVENT":{"ST":"DELETE","D":{"FROM":"/"}}}`, Event{Kind: EventTrash}, true},
		{`{"PONG":"ok"}`, Event{}, false},
		{`"PONG"`, Event{}, false},
		{`{}`, Event{}, false},
	}
	for _, test := range tests {
		got, ok, err := parseEvent([]byte(test.text))
		if got != test.want || ok != test.ok || err != nil {
			t.Errorf("%s\n = %+v, %t, %v,\nwant %+v, %t", test.text, got, ok, err, test.want, test.ok)
		}
	}
	for _, text := range []string{"", "x", `{"EVENT":`, "[]", `{"EVENT":7}`} {
		if _, ok, err := parseEvent([]byte(text)); ok || err == nil {
			t.Errorf("%s is taken for an event", text)
		}
	}
}

func FuzzParseEvent(f *testing.F) {
	f.Add([]byte(sample(f, "websocket-server-subscribe.json")))
	f.Add([]byte(`{"EVENT":{"ST":"NEW_UPLOAD","TS":1663232465250,"D":` + sample(f, "websocket-event-data-file.json") + `}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, ok, err := parseEvent(text)
		if err != nil && ok || e.Path != "" && e.Path[0] != '/' || e.To != "" && e.To[0] != '/' {
			t.Errorf("parseEvent = %+v, %t, %v", e, ok, err)
		}
		if err == nil && !json.Valid(text) {
			t.Error("what is no JSON was understood")
		}
	})
}

// eventClient returns a client of a server that gives a token and then talks as
// say wants it.
func eventClient(t *testing.T, say func(conn *websocket.Conn)) *Client {
	token := sample(t, "constructed-ws-token.xml")
	return newTestClient(t, func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/rest/token/7f2b1c9d3e4f5a6b7c8d9e0f/createToken":
			io.WriteString(w, token)
		case "/ws/7f2b1c9d3e4f5a6b7c8d9e0f/3c2b1a09f8e7d6c5b4a3":
			conn, err := websocket.Accept(w, req, nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.CloseNow()
			if _, text, err := conn.Read(t.Context()); err != nil || string(text) != `{"SUBSCRIBE":{"UA":"test/1","path":"ALL"}}` {
				t.Errorf("the client said %s, %v", text, err)
			}
			say(conn)
		default:
			t.Errorf("request for %s", req.URL)
		}
	})
}

func tell(t *testing.T, conn *websocket.Conn, messages ...string) {
	for _, m := range messages {
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(m)); err != nil {
			t.Error(err)
		}
	}
}

const subscribed = `{"SUBSCRIBE":{"PATH":"ALL","LAST_UUID":"x"}}`

func TestEvents(t *testing.T) {
	c := eventClient(t, func(conn *websocket.Conn) {
		tell(t, conn, subscribed, `{"PONG":"ok"}`, `{"EVENT":{"ST":"DELETE","D":{"FROM":"/u/Jotta/Archive/a"}}}`)
		_ = conn.Close(websocket.StatusGoingAway, "the server stops")
	})
	var heard []EventKind
	var last error
	for e, err := range c.Events(t.Context()) {
		if last = err; err == nil {
			heard = append(heard, e.Kind)
		}
	}
	if want := []EventKind{EventSubscribed, EventTrash}; !slices.Equal(heard, want) {
		t.Errorf("heard of %v, want %v", heard, want)
	}
	var e *Error
	if !errors.As(last, &e) || !errors.Is(last, ErrNetwork) || !e.Retry || !strings.Contains(last.Error(), "listen for events: the service ended it: the server stops") {
		t.Errorf("the end is %v", last)
	}
}

// Whoever has heard enough leaves nothing behind (goleak looks).
func TestEventsBrokenOff(t *testing.T) {
	ended := make(chan error, 1)
	c := eventClient(t, func(conn *websocket.Conn) {
		tell(t, conn, subscribed)
		_, _, err := conn.Read(t.Context())
		ended <- err
	})
	for _, err := range c.Events(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	if err := <-ended; websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Errorf("the service hears %v at the end", err)
	}
}

func TestEventsCancelled(t *testing.T) {
	c := eventClient(t, func(conn *websocket.Conn) {
		tell(t, conn, subscribed)
		_, _, _ = conn.Read(t.Context())
	})
	why := errors.New("no more")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var last error
	for _, err := range c.Events(ctx) {
		last = err
		cancel(why)
	}
	if last != why {
		t.Errorf("the end is %v, want the cause of the context", last)
	}
}

// A service that says nothing, or too much at a time, is given up.
func TestEventsWithoutEnd(t *testing.T) {
	defer func(ping, silence time.Duration) { eventPing, eventSilence = ping, silence }(eventPing, eventSilence)
	eventPing, eventSilence = 10*time.Millisecond, 500*time.Millisecond
	for what, test := range map[string]struct {
		say  string
		want string
	}{
		"silence":      {"", "the service is silent"},
		"too long":     {`"` + strings.Repeat("x", maxEvent) + `"`, "read limited at"},
		"just fits":    {`"` + strings.Repeat("x", maxEvent-2) + `"`, "the service is silent"},
		"empty events": {`{}`, "the service is silent"},
	} {
		ended := make(chan struct{})
		c := eventClient(t, func(conn *websocket.Conn) {
			tell(t, conn, subscribed)
			if test.say != "" {
				_ = conn.Write(t.Context(), websocket.MessageText, []byte(test.say)) // may be broken off
			}
			for err := error(nil); err == nil; {
				_, _, err = conn.Read(t.Context())
			}
			close(ended)
		})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		var last error
		for _, err := range c.Events(ctx) {
			last = err
		}
		cancel()
		<-ended
		if !errors.Is(last, ErrNetwork) || !strings.Contains(last.Error(), test.want) {
			t.Errorf("%s: the end is %v, want %q", what, last, test.want)
		}
	}
}

// An error shows neither the token nor where it would have been good for.
func TestEventsRefused(t *testing.T) {
	token := sample(t, "constructed-ws-token.xml")
	for _, test := range []struct {
		token  string
		answer func(w http.ResponseWriter)
		kind   error
	}{
		{token, func(w http.ResponseWriter) { w.WriteHeader(401) }, ErrAuth},
		{token, func(w http.ResponseWriter) { w.WriteHeader(503) }, ErrServer},
		{token, func(w http.ResponseWriter) { w.Header().Set("Location", "http://elsewhere/"); w.WriteHeader(302) }, ErrNetwork},
		{token, func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, ErrNetwork},
		{token, func(http.ResponseWriter) {}, nil},
		{"<token><authToken/></token>", nil, ErrServer},
		{"<html>", nil, ErrServer},
	} {
		c := newTestClient(t, func(w http.ResponseWriter, req *http.Request) {
			if strings.HasPrefix(req.URL.Path, "/ws/") {
				test.answer(w)
				return
			}
			io.WriteString(w, test.token)
		})
		var last error
		for _, err := range c.Events(t.Context()) {
			last = err
		}
		if last == nil || test.kind != nil && !errors.Is(last, test.kind) || strings.Contains(last.Error(), "3c2b1a09f8e7d6c5b4a3") {
			t.Errorf("Events = %v, want %v", last, test.kind)
		}
	}
}

// FuzzParseEventToken: an answer without a token is an error, never an empty token.
func FuzzParseEventToken(f *testing.F) {
	for _, s := range []string{"<authToken>", "<x><authToken>abc</authToken></x>", "<x><authToken/></x>", "<html><authToken>a</authToken></html>", "", "<x><authToken>a<b/>c</authToken><authToken>d</authToken></x>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if token, err := parseEventToken(strings.NewReader(body)); (err == nil) == (token == "") {
			t.Fatalf("parseEventToken(%q) = %q, %v", body, token, err)
		}
	})
}

// TestDrippingEvents: a message that goes on for ever, byte by byte, or a server that only
// ever asks whether we are there, is silence.
func TestDrippingEvents(t *testing.T) {
	defer func(ping, silence time.Duration) { eventPing, eventSilence = ping, silence }(eventPing, eventSilence)
	eventPing, eventSilence = time.Hour, 500*time.Millisecond
	for what, drip := range map[string]func(ctx context.Context, conn *websocket.Conn) error{
		"a message byte by byte": func(ctx context.Context, conn *websocket.Conn) error {
			w, err := conn.Writer(ctx, websocket.MessageText)
			for err == nil && ctx.Err() == nil {
				_, err = w.Write([]byte(" "))
				time.Sleep(time.Millisecond)
			}
			return err
		},
		"pings": func(ctx context.Context, conn *websocket.Conn) error {
			for {
				if err := conn.Ping(ctx); err != nil {
					return err
				}
				time.Sleep(time.Millisecond)
			}
		},
	} {
		c := eventClient(t, func(conn *websocket.Conn) {
			tell(t, conn, subscribed)
			ctx := conn.CloseRead(t.Context())
			_ = drip(ctx, conn)
		})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		var last error
		for _, err := range c.Events(ctx) {
			last = err
		}
		cancel()
		if e := (*Error)(nil); !errors.As(last, &e) || e.Message != "the service is silent" {
			t.Errorf("%s: the end is %v", what, last)
		}
	}
}
