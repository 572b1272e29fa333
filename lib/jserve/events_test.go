package jserve

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"jottatools/lib/jserve/proxy"
)

// ear is a client that listens for events.
type ear struct {
	t    *testing.T
	conn *websocket.Conn
}

// eventURL asks for a token and returns where it lets its bearer listen.
func (w *world) eventURL(t *testing.T) string {
	t.Helper()
	token := w.want(200, "GET", "/rest/token/user01/createToken").xml(t).text("authToken")
	return strings.Replace(w.url, "http:", "ws:", 1) + "/ws/user01/" + token
}

// listen opens a conversation.
func (w *world) listen(t *testing.T) *ear {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), w.eventURL(t), &websocket.DialOptions{HTTPClient: w.http})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return &ear{t, conn}
}

// subscribed opens one and subscribes.
func (w *world) subscribed(t *testing.T) *ear {
	t.Helper()
	e := w.listen(t)
	e.say(`{"SUBSCRIBE":{"path":"ALL","UA":"test"}}`)
	var answer struct {
		Subscribe struct{ Path, LastUUID string } `json:"SUBSCRIBE"`
	}
	text := strings.Replace(e.hear(), "LAST_UUID", "LastUUID", 1)
	if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.Subscribe.Path != "ALL" || len(answer.Subscribe.LastUUID) != 36 {
		t.Fatalf("subscribing was answered with %s", text)
	}
	return e
}

func (e *ear) say(text string) {
	e.t.Helper()
	if err := e.conn.Write(e.t.Context(), websocket.MessageText, []byte(text)); err != nil {
		e.t.Fatal(err)
	}
}

func (e *ear) hear() string {
	e.t.Helper()
	_, text, err := e.conn.Read(e.t.Context())
	if err != nil {
		e.t.Fatal(err)
	}
	return string(text)
}

// happened returns the next event.
func (e *ear) happened() event {
	e.t.Helper()
	var message struct {
		Event  json.RawMessage `json:"EVENT"`
		Length int
	}
	text := e.hear()
	var got event
	if err := errors.Join(json.Unmarshal([]byte(text), &message), json.Unmarshal(message.Event, &got)); err != nil {
		e.t.Fatalf("%v in %s", err, text)
	}
	if message.Length != len(message.Event) || got.User != "user01" || got.Actor != "user01" || got.Type != "PATH" ||
		len(got.UUID) != 36 || got.Data.UUID != got.UUID || got.Millis == 0 || got.Seconds != float64(got.Millis)/1000 {
		e.t.Errorf("event %s", text)
	}
	return got
}

// want compares the next event with one written as "NAME FROM TO".
func (e *ear) want(what string) event {
	e.t.Helper()
	got := e.happened()
	if text := strings.TrimSpace(got.Subtype + " " + got.Data.From + " " + got.Data.To); text != what {
		e.t.Errorf("event %s, want %s", text, what)
	}
	return got
}

// TestEvents does whatever there is an event for.
func TestEvents(t *testing.T) {
	w := newWorld(t)
	w.put("/Jotta/Archive/before.txt", "before")
	e := w.subscribed(t)
	other := w.subscribed(t)
	const archive = "/user01/Jotta/Archive"

	w.put("/Jotta/Archive/a/f.txt", "content")
	e.want("CREATE_DIR " + archive + "/a")
	up := e.want("NEW_UPLOAD " + archive + "/a/f.txt")
	want := eventData{
		From: archive + "/a/f.txt", ActorDevice: "JSERVE", UUID: up.UUID, DFS: up.Data.DFS, FileUUID: up.Data.FileUUID,
		Created: "2024-05-01-T08:11:12Z", Modified: "2024-05-01-T08:11:12Z", Updated: "2024-05-01-T08:11:12Z",
		MD5: sum("content"), MimeType: "TEXT_PLAIN", Revision: "1", Size: "7",
	}
	if up.Data != want || len(up.Data.FileUUID) != 36 {
		t.Errorf("event of an upload has %+v, want %+v", up.Data, want)
	}
	w.post("/Jotta/Archive/new/deep?mkDir=true")
	e.want("CREATE_DIR " + archive + "/new")
	e.want("CREATE_DIR " + archive + "/new/deep")
	w.post("/Jotta/Archive/new/deep?mkDir=true") // nothing happens

	w.post("/Jotta/Archive/a/f.txt?mv=/user01/Jotta/Archive/b/g.txt")
	e.want("CREATE_DIR " + archive + "/b")
	e.want("MOVE " + archive + "/a/f.txt " + archive + "/b/g.txt")
	w.post("/Jotta/Archive/b?mvDir=/user01/Jotta/Archive/new/b")
	e.want("MOVE_DIR " + archive + "/b " + archive + "/new/b")
	w.post("/Jotta/Archive/new/b/g.txt?cp=/user01/Jotta/Archive/copy.txt")
	e.want("NEW_UPLOAD " + archive + "/copy.txt")
	w.post("/Jotta/Archive/copy.txt?mv=/user01/Jotta/Archive/before.txt")
	e.want("DELETE " + archive + "/before.txt")
	e.want("MOVE " + archive + "/copy.txt " + archive + "/before.txt")

	w.get("/Jotta/Archive/before.txt?mode=enableShare")
	e.want("SHARE_FILE " + archive + "/before.txt")
	w.get("/Jotta/Archive/before.txt?mode=enableShare") // is shared already
	w.get("/Jotta/Archive/before.txt?mode=disableShare")
	e.want("UNSHARE_FILE " + archive + "/before.txt")

	w.post("/Jotta/Archive/before.txt?dl=true")
	e.want("DELETE " + archive + "/before.txt")
	w.announce("/Jotta/Archive/before.txt", "content", nil)
	e.want("RESTORE " + archive + "/before.txt")
	w.announce("/Jotta/Archive/before.txt", "content", nil) // neither content nor times are new
	w.announce("/Jotta/Archive/before.txt", "content", map[string]any{"modified": "2001-02-03T04:05:06Z"})
	if got := e.want("NEW_UPLOAD " + archive + "/before.txt"); got.Data.Modified != "2001-02-03-T04:05:06Z" {
		t.Errorf("touched, modified is %s", got.Data.Modified)
	}
	w.post("/Jotta/Archive/before.txt?rm=true")
	e.want("HARD_DELETE_FILE " + archive + "/before.txt")

	w.post("/Jotta/Archive/new?dlDir=true")
	e.want("DELETE_DIR " + archive + "/new")
	w.post("/Jotta/Archive/new?mkDir=true")
	e.want("RESTORE " + archive + "/new")
	w.post("/Jotta/Archive/new?rmDir=true")
	e.want("HARD_DELETE_DIR " + archive + "/new")
	w.post("/Jotta/Archive/a?dlDir=true")
	e.want("DELETE_DIR " + archive + "/a")
	w.want(200, "POST", "/files/v1/purge_trash") // of two files called before.txt one is in the trash
	e.want("HARD_DELETE_FILE " + archive + "/before.txt")
	e.want("HARD_DELETE_DIR " + archive + "/a")

	w.want(201, "POST", "/jfs/user01/BENCH?type=LAPTOP")
	e.want("CREATE_DEVICE /user01/BENCH")
	w.want(201, "POST", "/jfs/user01/BENCH")
	w.want(201, "POST", "/jfs/user01/BENCH/docs")
	e.want("CREATE_MP /user01/BENCH/docs")
	w.post("/BENCH/docs?dl=true")
	e.want("DELETE_MP /user01/BENCH/docs")
	w.want(200, "POST", "/jfs/user01/BENCH/docs")
	e.want("RESTORE_MP /user01/BENCH/docs")
	w.post("/BENCH/docs?rm=true")
	e.want("DELETE_MP /user01/BENCH/docs")
	w.post("/BENCH?rm=true")
	e.want("DELETE_DEVICE /user01/BENCH")

	// Everybody who listens hears everything, and others hear nothing of it.
	other.want("CREATE_DIR " + archive + "/a")
	if other.happened().UUID != up.UUID {
		t.Error("two listeners heard of two events")
	}
}

func TestEventPings(t *testing.T) {
	w := newWorld(t)
	e := w.listen(t)
	for _, ping := range []string{`{"PING":"Ok"}`, `"PING"`} {
		e.say(ping)
		if got := e.hear(); got != `{"PONG":"ok"}` {
			t.Errorf("%s was answered with %s", ping, got)
		}
	}
	w.post("/Jotta/Archive/unheard?mkDir=true")
	e.say(`{"SUBSCRIBE":{"path":"ALL"}}`)
	if got := e.hear(); !strings.HasPrefix(got, `{"SUBSCRIBE":{"PATH":"ALL","LAST_UUID":"`) {
		t.Errorf("heard %s; nothing is told before the subscription", got)
	}
	if got := w.srv.Stats().Requests; got["events"] != 1 || got["event_token"] != 1 {
		t.Errorf("stats count %d conversations and %d tokens", got["events"], got["event_token"])
	}
}

func TestEventsNeedTheToken(t *testing.T) {
	var log bytes.Buffer
	var mu sync.Mutex
	w := newWorld(t, func(c *Config) { c.Log = slog.New(slog.NewTextHandler(lockedWriter{&mu, &log}, nil)) })
	good := w.eventURL(t)
	token := good[strings.LastIndexByte(good, '/')+1:]
	login := w.logIn()
	for path, status := range map[string]int{
		"/ws/user01/" + token:                 426, // no websocket is asked for
		"/ws/other/" + token:                  401, // somebody else's
		"/ws/user01/" + token[:len(token)-1]:  401,
		"/ws/user01/":                         404,
		"/ws/user01/" + login.AccessToken:     401, // good for other things
		"/ws/user01/" + token + "/more":       404,
		"/rest/token/other/createToken":       401,
		"/rest/token/user01/createSomethings": 404,
	} {
		if a := w.send("GET", path, nil); a.status != status {
			t.Errorf("GET %s = %d, want %d", strings.ReplaceAll(path, token, "TOKEN"), a.status, status)
		}
	}
	if a := w.send("GET", "/jfs/user01", nil, "Authorization", "Bearer "+token); a.status != 401 {
		t.Errorf("an event token opens the account: %d", a.status)
	}
	w.clock.Add(3601)
	if _, resp, err := websocket.Dial(t.Context(), good, &websocket.DialOptions{HTTPClient: w.http}); err == nil || resp == nil || resp.StatusCode != 401 {
		t.Errorf("an expired token: %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	if strings.Contains(log.String(), token[len(token)-20:]) {
		t.Error("the log shows the token")
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// ends reads until the server ends the conversation, and returns how.
func (e *ear) ends() websocket.CloseError {
	e.t.Helper()
	for {
		_, _, err := e.conn.Read(e.t.Context())
		var closed websocket.CloseError
		if errors.As(err, &closed) {
			return closed
		}
		if err != nil {
			e.t.Fatal(err)
		}
	}
}

func TestEventsRefuseNonsense(t *testing.T) {
	w := newWorld(t)
	for _, text := range []string{`nonsense`, `"PONG"`, `{}`, `[]`, `null`, `7`, `{"SUBSCRIBE":{"path":"SOME"}}`, `{"SUBSCRIBE":"ALL"}`} {
		e := w.listen(t)
		e.say(text)
		if got := e.ends(); got.Code != websocket.StatusPolicyViolation {
			t.Errorf("%s ends the conversation with %v", text, got)
		}
	}
	e := w.listen(t)
	e.say(`"` + strings.Repeat("x", maxMessage) + `"`)
	if got := e.ends(); got.Code != websocket.StatusMessageTooBig {
		t.Errorf("a long message ends the conversation with %v", got)
	}
}

func TestEventListenersAreBounded(t *testing.T) {
	w := newWorld(t)
	for range maxListeners {
		w.listen(t)
	}
	_, resp, err := websocket.Dial(t.Context(), w.eventURL(t), &websocket.DialOptions{HTTPClient: w.http})
	if err == nil || resp == nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("one listener too many: %v", err)
	}
	// Another account has listeners of its own.
	theirs := w.as(w.legacyLogIn("other", "pass"), "GET", "/rest/token/other/createToken").xml(t).text("authToken")
	conn, _, err := websocket.Dial(t.Context(), w.url+"/ws/other/"+theirs, &websocket.DialOptions{HTTPClient: w.http})
	if err != nil {
		t.Fatalf("another account cannot listen: %v", err)
	}
	_ = conn.CloseNow()
}

// stuckConn is a connection that takes nothing any more once it is stuck.
type stuckConn struct {
	net.Conn
	stuck  chan struct{} // closed when it is
	closed chan struct{}
	once   sync.Once
}

func (c *stuckConn) Write(p []byte) (int, error) {
	select {
	case <-c.stuck:
		<-c.closed
		return 0, net.ErrClosed
	default:
		return c.Conn.Write(p)
	}
}

func (c *stuckConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

type stuckListener struct {
	net.Listener
	stuck chan struct{}
}

func (l stuckListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return &stuckConn{Conn: conn, stuck: l.stuck, closed: make(chan struct{})}, err
}

// TestSlowListenerIsDropped has a listener that takes nothing, while changes go on.
func TestSlowListenerIsDropped(t *testing.T) {
	w := newWorld(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stuck := make(chan struct{})
	slow := &httptest.Server{Listener: stuckListener{ln, stuck}, Config: &http.Server{Handler: w.srv}}
	slow.Start()
	defer slow.Close()
	address := strings.Replace(w.eventURL(t), w.url[len("http://"):], ln.Addr().String(), 1)
	conn, _, err := websocket.Dial(t.Context(), address, &websocket.DialOptions{HTTPClient: w.http})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	e := &ear{t, conn}
	e.say(`{"SUBSCRIBE":{"path":"ALL"}}`)
	e.hear()
	close(stuck)
	for i := range maxWaiting + 2 { // one is on its way, and one has to be too many
		w.post(fmt.Sprintf("/Jotta/Archive/d%d?mkDir=true", i))
	}
	if _, _, err := conn.Read(t.Context()); err == nil {
		t.Error("the server still talks to a client that does not listen")
	}
}

// TestEventsEndWithTheServer stops a real server while somebody listens.
func TestEventsEndWithTheServer(t *testing.T) {
	w := newWorld(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- w.srv.Serve(ctx, ln) }()
	w.url = "http://" + ln.Addr().String()
	polite, deaf := w.subscribed(t), w.subscribed(t)
	began := time.Now()
	stop()
	if got := polite.ends(); got.Code != websocket.StatusGoingAway || got.Reason != serverStops {
		t.Errorf("the conversation ends with %v", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := w.srv.Close(); err != nil { // waits for the one that does not answer
		t.Error(err)
	}
	t.Logf("ended after %v", time.Since(began))
	_ = deaf.conn.CloseNow()
}

// TestEventsThroughTheProxy listens as a client does that was made for the service.
func TestEventsThroughTheProxy(t *testing.T) {
	w := newWorld(t)
	ca, err := proxy.OpenCA(t.TempDir(), ServiceDomains())
	if err != nil {
		t.Fatal(err)
	}
	ln, err := proxy.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- proxy.Serve(ctx, ln, proxy.Config{Handler: w.srv, CA: ca, Serves: IsServiceHost}) }()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.PEM())
	transport := &http.Transport{
		Proxy:           http.ProxyURL(&url.URL{Scheme: "http", Host: ln.Addr().String()}),
		TLSClientConfig: &tls.Config{RootCAs: roots},
	}
	defer transport.CloseIdleConnections()
	address := strings.Replace(w.eventURL(t), strings.Replace(w.url, "http:", "ws:", 1), "wss://websocket.jottacloud.com", 1)
	conn, _, err := websocket.Dial(t.Context(), address, &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	e := &ear{t, conn}
	e.say(`{"SUBSCRIBE":{"path":"ALL"}}`)
	e.hear()
	w.post("/Jotta/Archive/d?mkDir=true")
	e.want("CREATE_DIR /user01/Jotta/Archive/d")
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	w.srv.announcer.stop() // as Serve and Close do
	if got := e.ends(); got.Code != websocket.StatusGoingAway {
		t.Errorf("the conversation ends with %v", got)
	}
}

// Rules that cut a connection cut this one, too, and others refuse it.
func TestEventFaults(t *testing.T) {
	w := newWorld(t)
	address := w.eventURL(t)
	for _, rule := range []string{"events:503", "events:expired", "events:cut-out=0"} {
		w.srv.trouble.setRules(mustFaults(t, rule), 1)
		if conn, _, err := websocket.Dial(t.Context(), address, &websocket.DialOptions{HTTPClient: w.http}); err == nil {
			_ = conn.CloseNow()
			t.Errorf("%s did nothing", rule)
		}
	}
}
