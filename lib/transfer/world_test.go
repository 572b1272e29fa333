package transfer

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"jottatools/lib/jfs"
	"jottatools/lib/local"
	"jottatools/lib/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dest is where the plans of the tests put things.
const dest = "/Jotta/Archive/dest"

// fake is a service in memory. It is safe for concurrent use.
type fake struct {
	// before, if set, is called before each request. An error is the answer.
	before func(op string, p jfs.Path) error
	// accept, if set, says how many bytes of an upload arrive before it breaks with
	// the error; a negative number means all, and then the error comes after them.
	accept func(p jfs.Path) (int64, error)

	locked bool

	mu      sync.Mutex // guards what follows
	calls   []string   // "op path"
	known   map[string]bool
	files   map[jfs.Path]*stored
	folders map[jfs.Path]bool
}

type stored struct {
	content  jfs.Content
	data     []byte // received so far
	complete bool
	foreign  bool
}

func newFake() *fake {
	return &fake{known: map[string]bool{}, files: map[jfs.Path]*stored{}, folders: map[jfs.Path]bool{}}
}

func (f *fake) call(op string, p jfs.Path) error {
	f.mu.Lock()
	f.calls = append(f.calls, op+" "+strings.TrimPrefix(string(p), dest+"/"))
	f.mu.Unlock()
	if f.before != nil {
		return f.before(op, p)
	}
	return nil
}

// count returns how many requests of a kind there were.
func (f *fake) count(op string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, c := range f.calls {
		if strings.HasPrefix(c, op+" ") {
			n++
		}
	}
	return n
}

func (f *fake) Customer(context.Context) (jfs.Customer, error) {
	return jfs.Customer{Username: "u", WriteLocked: f.locked}, f.call("customer", "")
}

func (f *fake) MkDir(_ context.Context, p jfs.Path) error {
	if err := f.call("mkdir", p); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.folders[p] = true
	return nil
}

func (f *fake) TouchFile(_ context.Context, p jfs.Path, c jfs.Content) error {
	if err := f.call("touch", p); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.known[c.MD5] {
		return &jfs.Error{Op: "touch", Path: p, Class: record.ClassNotFound, Status: 404, Message: "not found"}
	}
	f.files[p] = &stored{content: c, complete: true}
	return nil
}

func (f *fake) Allocate(_ context.Context, p jfs.Path, c jfs.Content) (*jfs.Allocation, error) {
	if err := f.call("allocate", p); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	a := &jfs.Allocation{Path: p, Content: c, State: record.StateIncomplete}
	s := f.files[p]
	switch {
	case f.known[c.MD5]:
		f.files[p] = &stored{content: c, complete: true}
		a.State, a.Uploaded, a.Offset = record.StateCompleted, true, c.Size
	case s != nil && !s.complete && s.content.MD5 == c.MD5:
		a.Offset = int64(len(s.data))
	default:
		f.files[p] = &stored{content: c}
	}
	return a, nil
}

func (f *fake) Upload(ctx context.Context, a *jfs.Allocation, body io.Reader) error {
	if err := f.call("upload", a.Path); err != nil {
		return err
	}
	limit, after := int64(-1), error(nil)
	if f.accept != nil {
		limit, after = f.accept(a.Path)
	}
	in := body
	if limit >= 0 {
		in = io.LimitReader(body, limit)
	}
	data, err := io.ReadAll(in)
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.files[a.Path]
	s.data = append(s.data[:a.Offset], data...)
	switch {
	case err != nil:
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return &jfs.Error{Op: "upload", Path: a.Path, Class: record.ClassNetwork, Message: "broken", Retry: true}
	case after != nil:
		if errors.Is(after, jfs.ErrCorrupt) {
			s.data = nil // as the service does
		}
		return after
	case int64(len(s.data)) < a.Content.Size:
		return answer(a.Path, record.ClassIncomplete, 420)
	case sum(s.data) != a.Content.MD5:
		s.data = nil
		return answer(a.Path, record.ClassCorrupt, 421)
	}
	s.complete = true
	f.known[a.Content.MD5] = true
	return nil
}

func answer(p jfs.Path, class record.Class, status int) error {
	retry := map[record.Class]bool{record.ClassNetwork: true, record.ClassServer: true, record.ClassRateLimited: true, record.ClassIncomplete: true, record.ClassCorrupt: true}
	return &jfs.Error{Op: "do", Path: p, Class: class, Status: status, Message: string(class), Retry: retry[class], XID: "x"}
}

func (f *fake) ListTree(_ context.Context, p jfs.Path) iter.Seq2[jfs.Entry, error] {
	return f.list("list", p)
}

func (f *fake) WalkTree(_ context.Context, p jfs.Path) iter.Seq2[jfs.Entry, error] {
	return f.list("walk", p)
}

func (f *fake) list(op string, p jfs.Path) iter.Seq2[jfs.Entry, error] {
	return func(yield func(jfs.Entry, error) bool) {
		if err := f.call(op, p); err != nil {
			yield(jfs.Entry{}, err)
			return
		}
		f.mu.Lock()
		var all []jfs.Entry
		found := f.folders[p]
		for folder := range f.folders {
			if folder.In(p) && folder != p {
				all = append(all, jfs.Entry{Path: string(folder[len(p)+1:]), Kind: jfs.KindFolder})
			}
		}
		for file, s := range f.files {
			if file.In(p) {
				all = append(all, jfs.Entry{Path: string(file[len(p)+1:]), Kind: jfs.KindFile, Foreign: s.foreign,
					Revision: jfs.Revision{State: record.StateCompleted, Size: s.content.Size, MD5: s.content.MD5}})
			}
		}
		f.mu.Unlock()
		if !found {
			yield(jfs.Entry{}, answer(p, record.ClassNotFound, 404))
			return
		}
		// In no order that anybody could rely on.
		slices.SortFunc(all, func(a, b jfs.Entry) int { return strings.Compare(b.Path, a.Path) })
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// Stat is not counted among the calls, which are about what changes.
func (f *fake) Stat(_ context.Context, p jfs.Path) (jfs.Info, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var info jfs.Info
	switch s := f.files[p]; {
	case s != nil:
		info.Kind, info.MD5, info.State = jfs.KindFile, s.content.MD5, record.StateCompleted
		info.Size, info.Modified = s.content.Size, s.content.Modified.Truncate(time.Second)
	case f.folders[p]:
		info.Kind = jfs.KindFolder
	default:
		return info, answer(p, record.ClassNotFound, 404)
	}
	return info, nil
}

// ListEach shows what is directly in a folder, like Stat without being counted. Nothing
// of it is in the trash.
func (f *fake) ListEach(_ context.Context, p jfs.Path, each func(jfs.Entry) bool) (jfs.Info, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	found, whole := f.folders[p] || p.Depth() < 3, true
	var all []jfs.Entry
	for folder := range f.folders {
		if found = found || folder.In(p); folder.Parent() == p {
			all = append(all, jfs.Entry{Path: folder.Name(), Kind: jfs.KindFolder})
		}
	}
	for file, s := range f.files {
		if found = found || file.In(p) && file != p; file.Parent() == p {
			state := record.StateCompleted
			if !s.complete {
				state = record.StateIncomplete
			}
			all = append(all, jfs.Entry{Path: file.Name(), Kind: jfs.KindFile, Revision: jfs.Revision{State: state}})
		}
	}
	info := jfs.Info{Entry: jfs.Entry{Path: string(p), Kind: jfs.KindFolder}}
	if !found {
		return info, false, answer(p, record.ClassNotFound, 404)
	}
	for _, e := range all {
		if whole && !each(e) {
			whole = false
		}
	}
	return info, whole, nil
}

// MoveDir is not for this service.
func (f *fake) MoveDir(_ context.Context, from, _ jfs.Path) error { return f.call("mvDir", from) }

// Move moves a file, and says that it is not there if it is asked again.
func (f *fake) Move(_ context.Context, from, to jfs.Path) error {
	if err := f.call("mv", from); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.files[from] == nil:
		return answer(from, record.ClassNotFound, 404)
	case f.files[to] != nil:
		return answer(to, record.ClassKindConflict, 409)
	}
	f.files[to] = f.files[from]
	delete(f.files, from)
	return nil
}

func (f *fake) Trash(_ context.Context, p jfs.Path) error     { return f.remove("dl", p) }
func (f *fake) Remove(_ context.Context, p jfs.Path) error    { return f.remove("rm", p) }
func (f *fake) TrashDir(_ context.Context, p jfs.Path) error  { return f.remove("dlDir", p) }
func (f *fake) RemoveDir(_ context.Context, p jfs.Path) error { return f.remove("rmDir", p) }

func (f *fake) remove(op string, p jfs.Path) error {
	if err := f.call(op, p); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	found := false
	if strings.HasSuffix(op, "Dir") {
		for folder := range f.folders {
			if folder.In(p) {
				delete(f.folders, folder)
				found = true
			}
		}
		for file := range f.files {
			if found && file.In(p) {
				delete(f.files, file)
			}
		}
	} else if f.files[p] != nil {
		delete(f.files, p)
		found = true
	}
	if !found {
		return answer(p, record.ClassNotFound, 404)
	}
	return nil
}

// content returns a file of the service, "" if there is no complete one.
func (f *fake) content(path string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.files[jfs.Path(dest+"/"+path)]; s != nil && s.complete {
		return string(s.data)
	}
	return ""
}

func sum(data []byte) string {
	h := md5.Sum(data)
	return hex.EncodeToString(h[:])
}

// tree is a local folder.
type tree string

func newTree(t testing.TB) tree { return tree(t.TempDir()) }

// write makes a file and returns the record that says to upload it.
func (d tree) write(t testing.TB, path, text string) *record.Record {
	t.Helper()
	name := filepath.Join(string(d), filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	fi, err := local.Lstat(name)
	if err != nil {
		t.Fatal(err)
	}
	rec := &record.Record{
		Kind: record.KindFile, Root: string(d), Path: path, MD5: sum([]byte(text)),
		Remote: dest + "/" + path, Action: record.ActionPut, Reason: record.ReasonNew,
	}
	local.Fill(rec, fi)
	return rec
}

func mkdir(path string) *record.Record {
	return &record.Record{Kind: record.KindDir, Root: "/", Path: path, Remote: dest + "/" + path, Action: record.ActionMkdir, Reason: record.ReasonNew}
}

// stream returns records as a whole stream.
func stream(t testing.TB, records ...*record.Record) string {
	t.Helper()
	var b bytes.Buffer
	w := record.NewWriter(&b, "test")
	for _, r := range records {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// result is what came out of an Upload or Delete.
type result struct {
	err      error
	records  []*record.Record
	messages int // errors that people heard of
}

// carryOut runs do over a plan and reads what it writes.
func carryOut(t testing.TB, plan string, do func(*record.Reader, *record.Writer) error) result {
	t.Helper()
	var b bytes.Buffer
	var res result
	out := record.NewWriter(&b, "test")
	out.OnError = func(*record.Record) { res.messages++ }
	res.err = do(record.NewReader(strings.NewReader(plan)), out)
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	in := record.NewReader(&b)
	for r := range in.All() {
		res.records = append(res.records, r)
	}
	if err := in.Whole(); err != nil {
		t.Fatal(err)
	}
	return res
}

func uploadPlan(t testing.TB, service Uploader, o UploadOptions, records ...*record.Record) result {
	t.Helper()
	if o.Jobs == 0 {
		o.Jobs = 3
	}
	return carryOut(t, stream(t, records...), func(in *record.Reader, out *record.Writer) error {
		return Upload(t.Context(), in, out, service, o)
	})
}

// summary returns one sorted line for each record: path, status, and what else
// became of it.
func (r result) summary() []string {
	var all []string
	for _, rec := range r.records {
		line := rec.Path + " " + string(rec.Status)
		if rec.Status == record.StatusSkipped {
			line += " " + string(rec.Reason)
		}
		if rec.Error != nil {
			line += " " + string(rec.Error.Class)
		}
		if rec.Transfer != nil {
			line += fmt.Sprintf(" sent %d from %d", rec.Transfer.Sent, rec.Transfer.ResumedAt)
		}
		all = append(all, line)
	}
	slices.Sort(all)
	return all
}

var someDay = time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
