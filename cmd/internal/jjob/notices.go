package jjob

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"jottatools/lib/command"
	"jottatools/lib/job"
	"jottatools/lib/notify"
	"jottatools/lib/report"
)

// notices are who wants to hear of a run.
type notices struct {
	ping, hook notify.Address
	onFailure  string

	client *http.Client
	heard  *ear
}

func (n *notices) declare(cmd *command.Command) {
	f := cmd.Flags()
	command.ParseVar(f, &n.ping, notify.ParseAddress, "ping", "tell the monitor at `URL` when the run begins and how it ends, with its last messages, as healthchecks.io takes it")
	command.ParseVar(f, &n.hook, notify.ParseAddress, "webhook", "post the exit code and the JSON report to `URL` when the run has ended")
	f.StringVar(&n.onFailure, "on-failure", "", "run `CMD` with the shell if the run fails; the last messages are its input, and JOTTA_EXIT_CODE, JOTTA_SOURCE, JOTTA_DEST and JOTTA_REPORT say the rest")
}

// wanted reports whether anybody wants to hear of the run.
func (n *notices) wanted() bool { return !n.ping.IsZero() || !n.hook.IsZero() || n.onFailure != "" }

// began tells that a run begins.
func (n *notices) began(ctx context.Context, r *run, c *common) {
	if c.dryRun || !n.wanted() {
		return
	}
	n.client = notify.Client("jottatools/" + command.Version())
	if !n.ping.IsZero() {
		n.failed(r.env, "--ping", notify.Start(ctx, n.client, n.ping))
	}
}

func (n *notices) failed(env *command.Env, flag string, err error) {
	if err != nil {
		env.Errorf("%s: %v", flag, err)
	}
}

// ended tells how a run has ended.
func (n *notices) ended(r *run, c *common, code int) {
	if c.dryRun {
		return
	}
	r.remember(c, code)
	if !n.wanted() {
		return
	}
	said := n.heard.last()
	ctx := context.Background() // a run that was interrupted has ended, too; each has a time limit
	if !n.ping.IsZero() {
		n.failed(r.env, "--ping", notify.End(ctx, n.client, n.ping, code, said))
	}
	if !n.hook.IsZero() {
		n.failed(r.env, "--webhook", notify.Hook(ctx, n.client, n.hook, r.document(code, said)))
	}
	if n.onFailure != "" && code != command.ExitOK {
		n.failed(r.env, "--on-failure", notify.Run(ctx, n.onFailure, []string{
			"JOTTA_EXIT_CODE=" + strconv.Itoa(code), "JOTTA_SOURCE=" + r.id.source, "JOTTA_DEST=" + string(r.id.dest), "JOTTA_REPORT=" + r.final,
		}, said, r.log))
	}
}

// document is what a web hook gets.
func (r *run) document(code int, said []byte) []byte {
	host, _ := job.Host()
	last, _ := report.Load(r.final) // a report that cannot be read was said to be so
	b, err := json.Marshal(struct {
		Version  int            `json:"v"`
		Host     string         `json:"host"`
		Source   string         `json:"source"`
		Dest     string         `json:"dest"`
		Started  time.Time      `json:"started"`
		Ended    time.Time      `json:"ended"`
		Code     int            `json:"code"`
		Messages string         `json:"messages,omitempty"`
		Report   *report.Report `json:"report,omitempty"`
	}{1, host, r.id.source, string(r.id.dest), r.started, time.Now().UTC(), code, string(said), last})
	if err != nil {
		return []byte("null")
	}
	return b
}

// remember adds the run to the history of the job.
func (r *run) remember(c *common, code int) {
	last, err := report.Load(r.final)
	p := report.Past{Started: r.started, Ended: time.Now().UTC(), Kind: r.kind, Code: code}
	switch {
	case err == nil && last != nil && last.Started.Equal(r.started):
		p = last.Past(code)
	case last == nil: // nothing is known of the job, which a mistake should not change
		return
	case r.failure != nil:
		p.Why = fmt.Sprint(r.failure)
	}
	if err := report.AddHistory(c.folders.History(r.id.key), p); err != nil {
		r.env.Errorf("the history of the job: %v", err)
	}
}

// ear hears what the programs of a run say, and passes it on.
type ear struct {
	to    *os.File
	write *os.File // for the programs
	done  chan struct{}

	mu   sync.Mutex // guards tail
	tail []byte
}

// listen returns an ear for messages that go to a file.
func listen(to *os.File) (*ear, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	e := &ear{to: to, write: write, done: make(chan struct{})}
	go func() {
		defer close(e.done)
		defer read.Close()
		io.Copy(e, read)
	}()
	return e, nil
}

// Write takes messages.
func (e *ear) Write(b []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tail = append(e.tail, b...)
	if over := len(e.tail) - 2*notify.MaxSaid; over > 0 {
		e.tail = append(e.tail[:0], e.tail[over+notify.MaxSaid:]...)
	}
	e.to.Write(b) // nobody could be told that it fails
	return len(b), nil
}

// earPatience is how long a program may hold its standard error open once the run is over.
const earPatience = time.Second

// close stops listening. What is said from now on goes to the file alone.
func (e *ear) close() {
	if e == nil {
		return
	}
	e.write.Close()
	select {
	case <-e.done:
	case <-time.After(earPatience):
	}
}

// last returns the last messages.
func (e *ear) last() []byte {
	if e == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]byte(nil), e.tail[max(0, len(e.tail)-notify.MaxSaid):]...)
}
