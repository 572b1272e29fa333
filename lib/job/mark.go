package job

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"

	"jottatools/lib/jfs"
)

// Service is the part of a [jfs.Client] that marks need.
type Service interface {
	List(context.Context, jfs.Path) (jfs.Info, []jfs.Entry, error)
	Open(ctx context.Context, p jfs.Path, offset, length int64) (io.ReadCloser, error)
	Allocate(context.Context, jfs.Path, jfs.Content) (*jfs.Allocation, error)
	Upload(context.Context, *jfs.Allocation, io.Reader) error
	Trash(context.Context, jfs.Path) error
}

// marks returns the folder in which the jobs that store in a mount point leave theirs.
func marks(dest string) jfs.Path { return jfs.Path(dest).MountPoint() + "/.jottatools/jobs" }

// maxMark is the size of the largest mark that is read, in bytes.
const maxMark = 1 << 20

// Meeting says how a run begins.
type Meeting struct {
	ReadOnly bool // change nothing at the service
	Adopt    bool // what is in DEST is this job's from now on; other jobs of the same DEST are no more
}

// Meet reads what jobs have left in the mount point of DEST. It takes up the job's own
// mark if this machine has lost its state, notes the jobs that store in DEST, above or
// beneath it, and leaves the job's mark if it is not there or not as it should be.
//
// Errors are those of the service. A mark that cannot be understood is no error; see
// [State.Withhold].
func (s *State) Meet(ctx context.Context, service Service, m Meeting) error {
	known := s.Past.Known
	if err := s.read(ctx, service); err != nil {
		return err
	}
	first := s.pushed() == nil
	if first {
		empty, err := isEmpty(ctx, service, jfs.Path(s.Dest))
		if err != nil {
			return err
		}
		s.Alone = s.Alone || empty || !s.company()
		if !known && empty {
			s.Past = s.Past.Begin(0)
		}
	}
	if m.Adopt {
		s.Alone = true
	}
	if m.ReadOnly {
		return nil
	}
	if err := s.Push(ctx, service); err != nil {
		return err
	}
	if first { // somebody may have begun at the same moment, who now sees this mark, or is seen
		if err := s.read(ctx, service); err != nil {
			return err
		}
	}
	if m.Adopt {
		return s.adopt(ctx, service)
	}
	return nil
}

// company reports whether another job stores in DEST or above.
func (s *State) company() bool {
	for _, o := range s.Others {
		if r := relate(s.Dest, o.Dest); r == equal || r == above {
			return true
		}
	}
	return len(s.Unknown) > 0
}

// adopt removes the marks of other jobs with the same DEST. What they knew to be stored
// when all was last well goes on to count: a brake that held them holds this job, too.
func (s *State) adopt(ctx context.Context, service Service) error {
	var rest []Mark
	for _, o := range s.Others {
		if relate(s.Dest, o.Dest) != equal {
			rest = append(rest, o)
			continue
		}
		if known := o.Past.Files; known > 0 && (s.Past.Files == 0 || known < s.Past.Files) {
			s.Past = o.Past
		}
		if err := service.Trash(ctx, s.file(o.ID)); err != nil && !errors.Is(err, jfs.ErrNotExist) {
			return fmt.Errorf("remove the mark of another job: %w", err)
		}
	}
	s.Others = rest
	return nil
}

func (s *State) file(id string) jfs.Path { return marks(s.Dest).Join(id + ".json") }

// isEmpty reports whether a remote folder holds nothing.
func isEmpty(ctx context.Context, service Service, p jfs.Path) (bool, error) {
	_, entries, err := service.List(ctx, p)
	if errors.Is(err, jfs.ErrNotExist) {
		return true, nil
	}
	for _, e := range entries {
		if e.Live() && !(p.Depth() == 2 && strings.EqualFold(e.Path, ".jottatools")) {
			return false, err
		}
	}
	return err == nil, err
}

// read reads the marks, of which most are as they were the last time.
func (s *State) read(ctx context.Context, service Service) error {
	before := s.Marks
	s.Others, s.Unknown, s.Marks = nil, nil, nil
	folder := marks(s.Dest)
	_, entries, err := service.List(ctx, folder)
	if errors.Is(err, jfs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the marks of jobs: %w", err)
	}
	s.Marks = make(map[string]Stored)
	for _, e := range entries {
		id, isMark := strings.CutSuffix(e.Path, ".json")
		if !isMark || e.Kind != jfs.KindFile || !e.Live() {
			continue
		}
		stored, known := before[id]
		if !known || stored.MD5 != e.MD5 || e.MD5 == "" {
			m, err := readMark(ctx, service, folder.Join(e.Path))
			if errors.Is(err, jfs.ErrNotExist) {
				continue // removed a moment ago
			}
			if err != nil && !errors.Is(err, errNoMark) {
				return fmt.Errorf("read the mark of a job: %w", err)
			}
			stored = Stored{MD5: e.MD5, Mark: m}
		}
		s.Marks[id] = stored
		switch m := stored.Mark; {
		case m == nil:
			s.Unknown = append(s.Unknown, string(folder.Join(e.Path)))
		case id == s.ID:
			s.takeUp(m)
		case relate(s.Dest, m.Dest) != apart:
			other := *m
			other.ID = id // what it is called is what counts
			s.Others = append(s.Others, other)
		}
	}
	return nil
}

// pushed returns the job's mark as the service has it, or nil.
func (s *State) pushed() *Mark { return s.Marks[s.ID].Mark }

// takeUp takes from the job's own mark what this machine does not know.
func (s *State) takeUp(m *Mark) {
	s.Alone = s.Alone || m.Alone
	if !s.Past.Known {
		s.Past, s.Since, s.Mounts = m.Past, m.Since, m.Mounts
	}
}

var errNoMark = errors.New("it is no mark of a job")

func readMark(ctx context.Context, service Service, p jfs.Path) (*Mark, error) {
	body, err := service.Open(ctx, p, 0, -1)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	b, err := io.ReadAll(io.LimitReader(body, maxMark+1))
	if err != nil {
		return nil, err
	}
	return parseMark(b)
}

// parseMark reads a mark. It comes from the service, and anybody with access to the
// account may have written it.
func parseMark(b []byte) (*Mark, error) {
	m := new(Mark)
	if len(b) > maxMark || json.Unmarshal(b, m) != nil || m.Version != version {
		return nil, errNoMark
	}
	dest, err := jfs.ParsePath(m.Dest)
	if err != nil || m.Past.Files < 0 {
		return nil, errNoMark
	}
	m.Dest = string(dest)
	return m, nil
}

// Push brings the mark to the service, unless it is there as it is but for Since, by a
// day: whoever has lost the state is well served with an earlier time.
func (s *State) Push(ctx context.Context, service Service) error {
	s.Version = version
	if was := s.pushed(); was != nil && s.Since.Sub(was.Since).Abs() < 24*time.Hour && s.same(*was) {
		return nil
	}
	mark := s.Mark
	b, err := json.MarshalIndent(mark, "", "  ")
	if err != nil {
		return err
	}
	now := time.Now()
	sum := md5.Sum(b)
	digest := hex.EncodeToString(sum[:])
	p := s.file(s.ID)
	a, err := service.Allocate(ctx, p, jfs.Content{Size: int64(len(b)), MD5: digest, Created: now, Modified: now})
	if err == nil && !a.Uploaded {
		err = service.Upload(ctx, a, bytes.NewReader(b[a.Offset:]))
	}
	if err != nil {
		return fmt.Errorf("leave the mark of the job in %s: %w", path.Dir(string(p)), err)
	}
	if s.Marks == nil {
		s.Marks = make(map[string]Stored)
	}
	mark.Mounts = slices.Clone(mark.Mounts)
	s.Marks[s.ID] = Stored{MD5: digest, Mark: &mark}
	return nil
}

// same reports whether the job's mark and m differ in Since at most.
func (s *State) same(m Mark) bool {
	m.ID, m.Since = s.ID, s.Since
	if len(m.Mounts)+len(s.Mounts) == 0 {
		m.Mounts = s.Mounts
	}
	return reflect.DeepEqual(m, s.Mark)
}

// Forget removes the mark of the job from the service.
func (s *State) Forget(ctx context.Context, service Service) error {
	err := service.Trash(ctx, s.file(s.ID))
	if errors.Is(err, jfs.ErrNotExist) {
		return nil
	}
	return err
}
