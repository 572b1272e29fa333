package jfs

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"jottatools/lib/record"
)

// EventKind says what an event tells, in the service's words. Kinds that are not
// listed here come, too.
type EventKind string

// The kinds of events that programs have a use for (docs/protocol.md, section 14).
const (
	EventSubscribed      EventKind = "SUBSCRIBE" // not of the service: what happens from here on comes
	EventUpload          EventKind = "NEW_UPLOAD"
	EventTrash           EventKind = "DELETE"
	EventRestore         EventKind = "RESTORE"
	EventMove            EventKind = "MOVE"
	EventRemove          EventKind = "HARD_DELETE_FILE"
	EventMkDir           EventKind = "CREATE_DIR"
	EventTrashDir        EventKind = "DELETE_DIR"
	EventMoveDir         EventKind = "MOVE_DIR"
	EventRemoveDir       EventKind = "HARD_DELETE_DIR"
	EventCreateDevice    EventKind = "CREATE_DEVICE"
	EventRemoveDevice    EventKind = "DELETE_DEVICE"
	EventTrashMountPoint EventKind = "DELETE_MP"
	EventRestoreMount    EventKind = "RESTORE_MP"
	EventShare           EventKind = "SHARE_FILE"
	EventUnshare         EventKind = "UNSHARE_FILE"
)

// Event is something that happened in the account.
type Event struct {
	Kind     EventKind
	ID       string    // UUID; of EventSubscribed, that of the event before
	Time     time.Time // when, to the millisecond
	Path     Path      // of what; may be empty. Of what was moved, where it was.
	To       Path      // where it was moved to
	Revision Revision  // of files: what is there now; only the fields that the service tells are set
	Foreign  bool      // Path or To does not lead to it; see [Entry].Foreign
}

// How long the conversation may be silent; less in tests.
var (
	eventPing    = 30 * time.Second // between two signs of life of ours
	eventSilence = 3 * eventPing    // without one of the service
)

// maxEvent is how long a message of the service may be, in bytes.
const maxEvent = 1 << 20

const opEvents = "listen for events"

// Events listens to what happens in the account, until ctx ends or the caller
// breaks off. The first Event is of kind EventSubscribed: what a program lists
// after it and what comes later leave no gap. Nothing is repeated or made up for:
// when the connection breaks, the last value is an error of class network, and
// what happens until the next call is not told, so list anew then. It makes two
// requests and keeps one connection. Errors: ErrAuth, ErrNetwork, and ErrNotExist
// of a service that tells of nothing. Source:
// docs/protocol.md, section 14.
func (c *Client) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		if err := c.listen(ctx, yield); err != nil && err != errStopped {
			yield(Event{}, err)
		}
	}
}

func (c *Client) listen(ctx context.Context, yield func(Event, error) bool) error {
	conn, err := c.dialEvents(ctx)
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	conn.SetReadLimit(maxEvent)
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { pingEvents(ctx, conn) })
	hello, err := json.Marshal(map[string]any{"SUBSCRIBE": map[string]string{"path": "ALL", "UA": c.userAgent}})
	if err != nil {
		return err
	}
	if err := conn.Write(ctx, websocket.MessageText, hello); err != nil {
		return eventsError(ctx, err)
	}
	for {
		text, err := readEvent(ctx, conn)
		if err != nil {
			return err
		}
		event, ok, err := parseEvent(text)
		if err != nil {
			return &Error{Op: opEvents, Class: record.ClassServer, Message: err.Error(), Retry: true}
		}
		if ok && !yield(event, nil) {
			_ = conn.Close(websocket.StatusNormalClosure, "")
			return errStopped
		}
	}
}

// readEvent waits for the next message. The context of a read is the connection's
// life, so silence ends it.
func readEvent(ctx context.Context, conn *websocket.Conn) ([]byte, error) {
	short, cancel := context.WithTimeout(ctx, eventSilence)
	defer cancel()
	_, text, err := conn.Read(short)
	if err != nil && ctx.Err() == nil && short.Err() != nil {
		return nil, &Error{Op: opEvents, Class: record.ClassNetwork, Message: "the service is silent", Retry: true}
	}
	if err != nil {
		return nil, eventsError(ctx, err)
	}
	return text, nil
}

// pingEvents shows that somebody is there; the answers show it of the service.
func pingEvents(ctx context.Context, conn *websocket.Conn) {
	tick := time.NewTicker(eventPing)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if conn.Write(ctx, websocket.MessageText, []byte(`{"PING":"Ok"}`)) != nil {
				return // the next read says why
			}
		case <-ctx.Done():
			return
		}
	}
}

// eventsError is the error of a conversation that broke off.
func eventsError(ctx context.Context, err error) error {
	var closed websocket.CloseError
	if errors.As(err, &closed) && ctx.Err() == nil {
		reason := closed.Reason
		if reason == "" {
			reason = "no reason given"
		}
		return &Error{Op: opEvents, Class: record.ClassNetwork, Message: "the service ended it: " + clip(oneLine(reason), 200), Retry: true}
	}
	return transportError(ctx, opEvents, "", err)
}

// dialEvents gets a token, and with it a connection.
func (c *Client) dialEvents(ctx context.Context) (*websocket.Conn, error) {
	customer, err := c.Customer(ctx)
	if err != nil {
		return nil, err
	}
	var user strings.Builder
	escape(&user, customer.Username)
	resp, err := c.send(ctx, request{op: opEvents, method: http.MethodGet, url: c.jfs + "/rest/token/" + user.String() + "/createToken"})
	if err != nil {
		return nil, err
	}
	defer closeBody(resp)
	token, err := parseEventToken(resp.Body)
	if err != nil {
		return nil, answerError(ctx, opEvents, "", resp, err)
	}
	address := c.events + "/ws/" + user.String() + "/"
	var place strings.Builder
	escape(&place, token)
	conn, answer, err := websocket.Dial(ctx, address+place.String(), &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: c.unsigned, CheckRedirect: c.http.CheckRedirect}, // the token is the login
		HTTPHeader: http.Header{"User-Agent": {c.userAgent}},
	})
	if err == nil {
		return conn, nil
	}
	if answer != nil && answer.StatusCode < 300 {
		return nil, &Error{Op: opEvents, Class: record.ClassServer, Status: answer.StatusCode, Message: "the service does not begin the conversation: is there a proxy in between?", Retry: true, Err: err}
	}
	if answer != nil {
		return nil, statusError(opEvents, "", answer, c.refused)
	}
	return nil, transportError(ctx, opEvents, "", err)
}

// parseEventToken reads the answer of createToken.
func parseEventToken(r io.Reader) (string, error) {
	d := newDecoder(r, maxDocument)
	root, err := d.root()
	if err != nil {
		return "", err
	}
	var answer struct {
		Token string `xml:"authToken"`
	}
	if root.Name.Local == "html" {
		return "", unexpected("html")
	}
	if err := d.DecodeElement(&answer, &root); err != nil {
		return "", err
	}
	if answer.Token == "" {
		return "", &Error{Class: record.ClassServer, Message: "the answer holds no token", Retry: true}
	}
	return answer.Token, nil
}

// lenientText is a string, or what stands in its place.
type lenientText string

func (t *lenientText) UnmarshalJSON(text []byte) error {
	var s string
	if json.Unmarshal(text, &s) != nil {
		s = string(text)
	}
	*t = lenientText(s)
	return nil
}

// parseEvent reads a message of the service. ok is false for one that tells of
// nothing, such as the answer to a ping. What has another form than is known is
// left out: to miss a field is better than to miss the event.
func parseEvent(text []byte) (e Event, ok bool, err error) {
	var message struct {
		Subscribe *struct {
			Last lenientText `json:"LAST_UUID"`
		} `json:"SUBSCRIBE"`
		Event *struct {
			Kind   lenientText     `json:"ST"`
			Millis json.Number     `json:"TS"`
			UUID   lenientText     `json:"uuid"`
			Data   json.RawMessage `json:"D"`
		} `json:"EVENT"`
	}
	if err := json.Unmarshal(text, &message); err != nil {
		var word string
		if json.Unmarshal(text, &word) == nil {
			return e, false, nil
		}
		return e, false, errors.New("a message about an event is not JSON as it should be")
	}
	switch {
	case message.Subscribe != nil:
		return Event{Kind: EventSubscribed, ID: string(message.Subscribe.Last)}, true, nil
	case message.Event == nil:
		return e, false, nil
	}
	e = Event{Kind: EventKind(message.Event.Kind), ID: string(message.Event.UUID)}
	if ms, err := message.Event.Millis.Int64(); err == nil {
		e.Time = time.UnixMilli(ms).UTC()
	}
	var d struct {
		From, To                                        lenientText
		Created, Modified, Updated, MD5, Revision, Size lenientText
		MimeType                                        lenientText
	}
	if json.Unmarshal(message.Event.Data, &d) != nil {
		return e, true, nil
	}
	var odd, oddTo bool
	e.Path, odd = eventPath(string(d.From))
	e.To, oddTo = eventPath(string(d.To))
	e.Foreign = odd || oddTo
	number := lenientInt(string(d.Revision), 0)
	if number == 0 {
		return e, true, nil
	}
	e.Revision = Revision{
		Number: number, State: record.StateCompleted, Size: lenientInt(string(d.Size), SizeUnknown), MD5: lenientMD5(string(d.MD5)),
		Created: lenientTime(string(d.Created)), Modified: lenientTime(string(d.Modified)), Updated: lenientTime(string(d.Updated)),
	}
	return e, true, nil
}

// eventPath is the path for one with the account in front, or empty if there is none.
func eventPath(text string) (p Path, foreign bool) {
	if !strings.HasPrefix(text, "/") || strings.Trim(text, "/") == "" {
		return "", false
	}
	p, foreign, err := fromAbsPath(text)
	if err != nil {
		return "", true
	}
	return p, foreign
}
