package jserve

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"jottatools/lib/jserve/store"
)

// Limits on what those who listen for events may cost.
const (
	maxListeners  = 100                // connections of one account
	maxWaiting    = 256                // messages that wait for one of them; who falls further behind is cut off
	maxMessage    = 4 << 10            // bytes that a client may send at once
	eventTokenTTL = time.Hour          // a connection lives on beyond it
	hello         = 30 * time.Second   // to subscribe
	pingEvery     = time.Minute        // to find out who is gone
	messageLimit  = 10 * time.Second   // for a message or the answer to a ping
	farewell      = time.Second        // for all that is left to say in the end
	farBehind     = "too far behind"   // reasons of the end, as the client is told
	serverStops   = "the server stops" // …
)

// Why a conversation ends.
var (
	errFarBehind  = errors.New(farBehind)
	errServerEnds = errors.New(serverStops)
	errNoHello    = errors.New("nothing was subscribed to")
	errSilent     = errors.New("no answer to a ping")
	errLoggedOut  = errors.New("the login has ended")
	errTooMany    = &failure{status: http.StatusServiceUnavailable, text: "Too many connections listen for events"}
)

// announcer reports changes in the store to its listeners. The zero value is
// not ready; see open.
type announcer struct {
	store *store.Store
	life  context.Context // ends with the server
	end   context.CancelCauseFunc
	wg    sync.WaitGroup // one for each listener

	pings time.Duration // between two of them; set before there are listeners

	mu        sync.Mutex
	last      string                 // id of the newest event; guarded by mu, as all that follows
	listeners map[*listener]struct{} // also those that have not subscribed yet
}

// listener is one connection.
type listener struct {
	user    string // account, as first spelled
	waiting chan []byte
	ready   bool // has subscribed; guarded by the announcer's mu
	end     context.CancelCauseFunc
}

func (a *announcer) open(st *store.Store) {
	a.store, a.pings, a.last, a.listeners = st, pingEvery, newUUID(), make(map[*listener]struct{})
	a.life, a.end = context.WithCancelCause(context.Background())
}

// stop ends all conversations, and close waits for it, too.
func (a *announcer) stop() {
	a.mu.Lock() // nobody joins once this is over
	defer a.mu.Unlock()
	a.end(errServerEnds)
}

func (a *announcer) close() {
	a.stop()
	a.wg.Wait()
}

// join adds a listener. The store is only watched as long as there is one.
func (a *announcer) join(user string) (*listener, context.Context, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	others := 0 // of the same account: none takes the place of another's
	for l := range a.listeners {
		if l.user == user {
			others++
		}
	}
	if a.life.Err() != nil || others >= maxListeners {
		return nil, nil, errTooMany
	}
	l := &listener{user: user, waiting: make(chan []byte, maxWaiting)}
	var ctx context.Context
	ctx, l.end = context.WithCancelCause(a.life)
	a.listeners[l] = struct{}{}
	if len(a.listeners) == 1 {
		a.store.Watch(a.announce)
	}
	a.wg.Add(1)
	return l, ctx, nil
}

func (a *announcer) leave(l *listener) {
	a.mu.Lock()
	defer a.mu.Unlock()
	defer a.wg.Done()
	l.end(nil)
	delete(a.listeners, l)
	if len(a.listeners) == 0 {
		a.store.Watch(nil)
	}
}

// subscribe lets a listener have the events from here on, and tells it the id of
// the one before.
func (a *announcer) subscribe(l *listener) {
	a.mu.Lock()
	defer a.mu.Unlock()
	l.ready = true
	l.send([]byte(`{"SUBSCRIBE":{"PATH":"ALL","LAST_UUID":"` + a.last + `"}}`))
}

// send has a message sent, or ends the conversation if the client does not take
// what there is: memory must not grow with its slowness, nor may others wait.
func (l *listener) send(message []byte) {
	select {
	case l.waiting <- message:
	default:
		l.end(errFarBehind)
	}
}

// announce tells the listeners of an account what has happened in it.
func (a *announcer) announce(changes []store.Change) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range changes {
		c := &changes[i]
		var message []byte
		for l := range a.listeners {
			if !l.ready || l.user != c.User {
				continue
			}
			if message == nil {
				a.last = newUUID()
				message = eventMessage(c, a.last, time.Now())
			}
			l.send(message)
		}
	}
}

// eventNames are the names of what can happen to devices, mount points, folders
// and files, in this order (docs/protocol.md, section 14).
var eventNames = map[store.ChangeKind][4]string{
	store.ChangeMade:     {"CREATE_DEVICE", "CREATE_MP", "CREATE_DIR", ""},
	store.ChangeContent:  {"", "", "", "NEW_UPLOAD"},
	store.ChangeTrashed:  {"", "DELETE_MP", "DELETE_DIR", "DELETE"},
	store.ChangeRestored: {"", "RESTORE_MP", "RESTORE", "RESTORE"},
	store.ChangeRemoved:  {"DELETE_DEVICE", "DELETE_MP", "HARD_DELETE_DIR", "HARD_DELETE_FILE"},
	store.ChangeMoved:    {"", "", "MOVE_DIR", "MOVE"},
	store.ChangeShared:   {"", "", "SHARE_FILE", "SHARE_FILE"},
	store.ChangeUnshared: {"", "", "UNSHARE_FILE", "UNSHARE_FILE"},
}

// eventData is what an event is about. Folders have only the first fields.
type eventData struct {
	From        string `json:"FROM"`         // full path, with the account
	To          string `json:"TO,omitempty"` // of what was moved
	ActorDevice string `json:"actorDevice"`
	UUID        string `json:"uuid"` // of the event
	Created     string `json:"created,omitempty"`
	Modified    string `json:"modified,omitempty"`
	Updated     string `json:"updated,omitempty"`
	DFS         string `json:"dfs,omitempty"` // names the content
	FileUUID    string `json:"fileuuid,omitempty"`
	MD5         string `json:"md5,omitempty"`
	MimeType    string `json:"mimeType,omitempty"`
	Revision    string `json:"revision,omitempty"`
	Size        string `json:"size,omitempty"` // bytes
}

// event is the notification of a change.
type event struct {
	User    string    `json:"U"`
	Actor   string    `json:"A"`
	Type    string    `json:"T"`
	Subtype string    `json:"ST"`
	Millis  int64     `json:"TS"` // Unix milliseconds
	Data    eventData `json:"D"`
	UUID    string    `json:"uuid"`
	Seconds float64   `json:"unixnano"` // sic; Unix seconds
}

// eventMessage is a change as clients are told of it.
func eventMessage(c *store.Change, id string, now time.Time) []byte {
	e := &c.Entry
	d := eventData{From: e.Path(), ActorDevice: "JSERVE", UUID: id}
	if c.Kind == store.ChangeMoved {
		d.From, d.To = c.From, e.Path()
	}
	if r := e.Current(); r != nil {
		d.Created, d.Modified, d.Updated = formatJFS(r.Created), formatJFS(r.Modified), formatJFS(r.Updated)
		d.DFS, d.FileUUID, d.MD5 = contentID(r), formatUUID(e.UUID), r.MD5.String()
		d.MimeType = strings.ToUpper(strings.NewReplacer("/", "_", "-", "_", ".", "_", "+", "_").Replace(mimeType(e.Name)))
		d.Revision, d.Size = number(r.Number), number(r.Size)
	}
	millis := now.UnixMilli()
	text, err := json.Marshal(event{
		User: c.User, Actor: c.User, Type: "PATH", Subtype: eventNames[c.Kind][e.Kind-store.KindDevice],
		Millis: millis, Data: d, UUID: id, Seconds: float64(millis) / 1000,
	})
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	return []byte(`{"EVENT":` + string(text) + `,"Length":` + strconv.Itoa(len(text)) + `}`)
}

func newUUID() string {
	var u [16]byte
	rand.Read(u[:]) // never fails
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return formatUUID(u)
}

// eventToken answers GET /rest/token/<user>/createToken with what /ws/<user>/…
// wants to see (docs/protocol.md, section 14).
func (c *call) eventToken() error {
	c.stats.count("event_token")
	p, err := splitURLPath(strings.TrimPrefix(c.r.URL.EscapedPath(), "/rest/token"))
	if err != nil {
		return err
	}
	if len(p) != 2 || p[1].Name != "createToken" {
		return errNotFound
	}
	if !c.user.isCalled(p[0]) {
		return errBadCredentials
	}
	token, err := c.login.keys.sign(claims{Kind: tokenEvents, User: c.user.name, Session: c.session, ID: randomID(), Expires: c.cfg.Now().Add(eventTokenTTL).Unix()})
	if err != nil {
		return err
	}
	d := c.document(http.StatusOK)
	d.open("token")
	d.leaf("username", c.user.name)
	d.leaf("authToken", token)
	d.close("token")
	return d.finish()
}

// events answers GET /ws/<user>/<token>, the token being the whole of its login.
func (c *call) events() error {
	c.stats.count("events")
	p, err := splitURLPath(strings.TrimPrefix(c.r.URL.EscapedPath(), "/ws"))
	if err != nil || len(p) != 2 {
		return errNotFound
	}
	shown, err := c.login.keys.verify(p[1].Name, tokenEvents)
	user := c.users[store.Fold(shown.User)]
	if err != nil || c.cfg.Now().Unix() >= shown.Expires || user == nil || !user.isCalled(p[0]) || !c.lasts(user, shown.Session) {
		return errBadCredentials
	}
	l, life, err := c.announcer.join(user.name)
	if err != nil {
		return err
	}
	defer c.announcer.leave(l)
	conn, err := websocket.Accept(c.w, c.r, nil)
	if err != nil {
		c.cfg.Log.Info("no websocket", "error", err)
		return nil // the answer has been given
	}
	if c.w.tamper.is(effectCut, effectCutIn, effectCutOut, effectShort) {
		return conn.CloseNow() // rules count the bytes of bodies, and here are none
	}
	conn.SetReadLimit(maxMessage)
	c.user, c.session = user, shown.Session
	c.converse(conn, l, life)
	return nil
}

// converse talks to a listener until one of the two has enough.
func (c *call) converse(conn *websocket.Conn, l *listener, life context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	// The end of the context that a read or write has is the end of the
	// connection. So that there is time for a word at parting, theirs ends later.
	talk, hangUp := context.WithCancel(context.Background())
	defer hangUp()
	defer context.AfterFunc(life, func() { time.AfterFunc(farewell, hangUp) })()
	wg.Go(func() { l.end(c.hear(talk, conn, l)) })
	wg.Go(func() { l.end(c.keepAlive(life, talk, conn)) })
	for life.Err() == nil {
		select {
		case message := <-l.waiting:
			ctx, cancel := context.WithTimeout(talk, messageLimit)
			if err := conn.Write(ctx, websocket.MessageText, message); err != nil {
				l.end(err)
			}
			cancel()
		case <-life.Done():
		}
	}
	cause := context.Cause(life)
	c.cfg.Log.Info("a listener for events leaves", "user", l.user, "cause", cause)
	switch {
	case errors.Is(cause, errServerEnds):
		_ = conn.Close(websocket.StatusGoingAway, serverStops)
	case errors.Is(cause, errFarBehind):
		_ = conn.Close(websocket.StatusPolicyViolation, farBehind)
	case errors.Is(cause, errNotUnderstood), errors.Is(cause, errNoHello), errors.Is(cause, errLoggedOut):
		_ = conn.Close(websocket.StatusPolicyViolation, cause.Error())
	default:
		_ = conn.CloseNow()
	}
}

// keepAlive finds out when a client is gone without a word, or its login is.
func (c *call) keepAlive(life, talk context.Context, conn *websocket.Conn) error {
	tick := time.NewTicker(c.announcer.pings)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-life.Done():
			return context.Cause(life)
		}
		ctx, cancel := context.WithTimeout(talk, messageLimit)
		err := conn.Ping(ctx)
		cancel()
		if err != nil {
			return fmt.Errorf("%w: %w", errSilent, err)
		}
		if !c.lasts(c.user, c.session) {
			return errLoggedOut
		}
	}
}

var errNotUnderstood = errors.New(`send {"SUBSCRIBE":{"path":"ALL"}} or {"PING":"Ok"}`)

// hear takes what a client says until it has nothing more to say.
func (c *call) hear(ctx context.Context, conn *websocket.Conn, l *listener) error {
	late := time.AfterFunc(hello, func() { l.end(errNoHello) })
	defer late.Stop()
	for {
		_, text, err := conn.Read(ctx)
		if err != nil {
			return err
		}
		ping, err := parseSaid(text)
		switch {
		case err != nil:
			return err
		case ping:
			l.send([]byte(`{"PONG":"ok"}`))
		default:
			late.Stop()
			c.announcer.subscribe(l)
		}
	}
}

// parseSaid reads a message of a client: a ping, in either spelling, or else a
// subscription. There is nothing to subscribe to but all.
func parseSaid(text []byte) (ping bool, err error) {
	var word string
	if json.Unmarshal(text, &word) == nil {
		if word == "PING" {
			return true, nil
		}
		return false, errNotUnderstood
	}
	var said struct {
		Ping      *json.RawMessage `json:"PING"`
		Subscribe *struct {
			Path string `json:"path"`
		} `json:"SUBSCRIBE"`
	}
	switch err := json.Unmarshal(text, &said); {
	case err != nil:
		return false, errNotUnderstood
	case said.Ping != nil:
		return true, nil
	case said.Subscribe != nil && strings.EqualFold(said.Subscribe.Path, "ALL"):
		return false, nil
	}
	return false, errNotUnderstood
}
