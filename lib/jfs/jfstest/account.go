package jfstest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"jottatools/lib/jfs"
)

// RunAccount tests what concerns a whole account: devices, mount points, the
// newest files and the trash, which it empties. Run it with an account that
// belongs to the test and to nobody else.
func RunAccount(t *testing.T, c *jfs.Client, o AccountOptions) {
	s := suite{c, "/Jotta/Archive/jfstest account"}
	t.Run("Account", s.account)
	t.Run("Devices", s.devices)
	t.Run("MountPoints", s.mountPoints)
	t.Run("Latest", s.latest)
	t.Run("Trashed", func(t *testing.T) { s.trashed(t, o) })
}

// AccountOptions say what a client or a service is known not to do.
type AccountOptions struct {
	NoEmptyTrash bool // it is ErrForbidden
}

func (s suite) account(t *testing.T) {
	customer, err := s.c.Customer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	before, err := s.c.Account(t.Context())
	if err != nil || before.Username != customer.Username || before.Capacity != customer.Quota || before.Locked || before.WriteLocked || before.Type == "" {
		t.Errorf("Account = %+v, %v, want what Customer says: %+v", before, err, customer)
	}
	if !slices.ContainsFunc(before.Devices, func(d jfs.Device) bool { return d.Path == "/Jotta" && d.Type == jfs.DeviceBuiltIn }) {
		t.Errorf("devices are %+v, want Jotta among them", before.Devices)
	}
	s.put(t, s.root.Join("f"), "12345")
	after, err := s.c.Account(t.Context())
	if err != nil || after.Usage != before.Usage+5 {
		t.Errorf("usage is %d after 5 bytes more than %d, %v", after.Usage, before.Usage, err)
	}
}

func (s suite) devices(t *testing.T) {
	ctx := t.Context()
	p := jfs.Path(fmt.Sprintf("/jfstest é 100%% %d", time.Now().UnixNano()))
	d, err := s.c.CreateDevice(ctx, p, jfs.DeviceLaptop)
	if err != nil || d.Path != p || d.Type != jfs.DeviceLaptop || d.ID == "" || d.Foreign {
		t.Fatalf("CreateDevice = %+v, %v", d, err)
	}
	if again, err := s.c.CreateDevice(ctx, p, jfs.DeviceIMac); err != nil || again.ID != d.ID || again.Type != jfs.DeviceLaptop {
		t.Errorf("CreateDevice again = %+v, %v, want %+v", again, err, d)
	}
	has := func() bool {
		devices, err := s.c.Devices(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(devices, func(x jfs.Device) bool { return x.Path == p && x.ID == d.ID })
	}
	if !has() {
		t.Error("Devices lacks the new one")
	}
	if info := s.stat(t, p); info.Kind != jfs.KindDevice {
		t.Errorf("Stat = %+v", info)
	}
	want(t, "RemoveDevice", s.c.RemoveDevice(ctx, p), nil)
	if has() {
		t.Error("Devices has what was removed")
	}
	want(t, "RemoveDevice again", s.c.RemoveDevice(ctx, p), jfs.ErrNotExist)
	want(t, "RemoveDevice of the built-in one", s.c.RemoveDevice(ctx, "/Jotta"), jfs.ErrForbidden)
	want(t, "RemoveDevice of a mount point", s.c.RemoveDevice(ctx, "/Jotta/Archive"), jfs.ErrForbidden)
	_, err = s.c.CreateDevice(ctx, "/a/b", jfs.DeviceCLI)
	want(t, "CreateDevice at a mount point", err, jfs.ErrForbidden)
}

func (s suite) mountPoints(t *testing.T) {
	ctx, device := t.Context(), jfs.Path("/jfstest mounts")
	if _, err := s.c.CreateDevice(ctx, device, jfs.DeviceWorkstation); err != nil {
		t.Fatal(err)
	}
	defer func() { want(t, "RemoveDevice", s.c.RemoveDevice(ctx, device), nil) }()
	p := device.Join("documents")
	for _, isNew := range []bool{true, false} {
		if created, err := s.c.CreateMountPoint(ctx, p); created != isNew || err != nil {
			t.Errorf("CreateMountPoint = %t, %v, want %t", created, err, isNew)
		}
	}
	entry := func() (jfs.Entry, bool) {
		all, err := s.c.MountPoints(ctx, device)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(all, func(e jfs.Entry) bool { return e.Path == "documents" && e.Kind == jfs.KindMountPoint })
		if i < 0 {
			return jfs.Entry{}, false
		}
		return all[i], true
	}
	if e, ok := entry(); !ok || !e.Live() {
		t.Errorf("MountPoints has %+v, %t", e, ok)
	}
	s.put(t, p.Join("dir/f"), "mounted")
	if got := paths(t, s.c.ListTree(ctx, p)); !slices.Equal(got, []string{"dir/", "dir/f"}) {
		t.Errorf("ListTree = %q", got)
	}
	want(t, "TrashMountPoint", s.c.TrashMountPoint(ctx, p), nil)
	if e, ok := entry(); !ok || e.Live() {
		t.Errorf("MountPoints has %+v, %t, want it in the trash", e, ok)
	}
	found := false
	for info, err := range s.c.Trashed(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		found = found || info.Path == string(p) && info.Kind == jfs.KindMountPoint
	}
	if !found {
		t.Errorf("Trashed lacks %s", p)
	}
	want(t, "RemoveMountPoint", s.c.RemoveMountPoint(ctx, p), nil)
	if e, ok := entry(); ok {
		t.Errorf("MountPoints has %+v, which was removed", e)
	}
	want(t, "RemoveMountPoint again", s.c.RemoveMountPoint(ctx, p), jfs.ErrNotExist)
	want(t, "RemoveMountPoint of a built-in one", s.c.RemoveMountPoint(ctx, "/Jotta/Archive"), jfs.ErrForbidden)
	want(t, "RemoveMountPoint of a device", s.c.RemoveMountPoint(ctx, device), jfs.ErrForbidden)
	want(t, "TrashMountPoint of a folder", s.c.TrashMountPoint(ctx, p.Join("dir")), jfs.ErrForbidden)
	_, err := s.c.CreateMountPoint(ctx, "/jfstest no such device/m")
	want(t, "CreateMountPoint without a device", err, jfs.ErrNotExist)
}

func (s suite) latest(t *testing.T) {
	for i := range 15 {
		s.put(t, s.root.Join(fmt.Sprintf("latest/%02d", i)), unique("latest"))
	}
	for _, n := range []int{0, 1, 12} {
		count := 0
		var newest time.Time
		for info, err := range s.c.Latest(t.Context(), n) {
			if err != nil {
				t.Fatal(err)
			}
			if count++; info.Kind != jfs.KindFile || jfs.Path(info.Path).Depth() < 3 || info.UUID == "" || info.Updated.IsZero() {
				t.Errorf("Latest(%d) has %+v", n, info)
			}
			if count > 1 && info.Updated.After(newest) {
				t.Errorf("Latest(%d) has %s from %v after one from %v", n, info.Path, info.Updated, newest)
			}
			newest = info.Updated
		}
		if wanted := max(n, map[int]int{0: 10}[n]); count != wanted {
			t.Errorf("Latest(%d) has %d files, want %d", n, count, wanted)
		}
	}
}

func (s suite) trashed(t *testing.T, o AccountOptions) {
	ctx, dir := t.Context(), s.root.Join("trashed")
	for _, p := range []string{"a 100%", "d/b", "alive"} {
		s.put(t, dir.Join(p), p)
	}
	want(t, "Trash", s.c.Trash(ctx, dir.Join("a 100%")), nil)
	want(t, "TrashDir", s.c.TrashDir(ctx, dir.Join("d")), nil)
	in := func() (all []string) {
		for info, err := range s.c.Trashed(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			if info.Deleted.IsZero() || info.Foreign {
				t.Errorf("Trashed has %+v", info)
			}
			if jfs.Path(info.Path).In(dir) {
				all = append(all, string(info.Kind)+" "+info.Path[len(dir)+1:])
			}
		}
		slices.Sort(all)
		return all
	}
	if got, tops := in(), []string{"file a 100%", "folder d"}; !slices.Equal(got, tops) {
		t.Errorf("Trashed = %q, want %q", got, tops)
	}
	files, folders, err := s.c.EmptyTrash(ctx)
	if o.NoEmptyTrash {
		want(t, "EmptyTrash", err, jfs.ErrForbidden)
		return
	}
	if err != nil || files < 1 || folders < 1 {
		t.Errorf("EmptyTrash = %d, %d, %v", files, folders, err)
	}
	if got := in(); len(got) != 0 {
		t.Errorf("Trashed = %q after emptying", got)
	}
	_, err = s.c.Stat(ctx, dir.Join("a 100%"))
	want(t, "Stat of what was in the trash", err, jfs.ErrNotExist)
	if info := s.stat(t, dir.Join("alive")); !info.Live() {
		t.Errorf("Stat = %+v", info)
	}
}
