package jserve

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"jottatools/lib/jserve/store"
)

// modes are the values of ?mode= that ask for something else than the document of an
// entry, in any case of letters. Some change something, although they are GETs.
var modes = []struct {
	name    string
	changes bool
	run     func(*call, store.Path) error
}{
	{"bin", false, (*call).download},
	{"thumb", false, (*call).thumb},
	{"list", false, (*call).list},
	{"liststream", false, (*call).listStream},
	{"enableShare", true, func(c *call, p store.Path) error {
		c.stats.count("share")
		return c.sharing(p, c.store.Share, true)
	}},
	{"disableShare", true, func(c *call, p store.Path) error {
		c.stats.count("unshare")
		return c.sharing(p, c.store.Unshare, false)
	}},
}

// sharing has a link made or ended, and shows the entry.
func (c *call) sharing(p store.Path, change func(string, store.Path) (store.Entry, error), page bool) error {
	e, err := change(c.user.name, p)
	if err != nil {
		return err
	}
	return c.show(&e, page)
}

// read answers GET under /jfs (docs/protocol.md, section 6).
func (c *call) read(p store.Path) error {
	q := c.r.URL.Query()
	mode := q.Get("mode")
	if len(p) >= 2 {
		if view, ok := store.IsView(p[0].Name, p[1].Name); ok {
			if len(p) > 2 || mode != "" {
				return fmt.Errorf("%w: Directory %s", store.ErrNoPath, c.fullPath(p))
			}
			return c.view(view)
		}
	}
	for i := range modes {
		if strings.EqualFold(modes[i].name, mode) {
			if modes[i].changes {
				if err := c.ownSite(); err != nil {
					return err
				}
			}
			return modes[i].run(c, p)
		}
	}
	e, err := c.store.Stat(c.user.name, p)
	if err != nil {
		c.stats.count("stat")
		return err
	}
	c.stats.count([...]string{store.KindUser: "get_user", store.KindDevice: "get_device", store.KindMountPoint: "get_mountpoint", store.KindFolder: "get_folder", store.KindFile: "stat"}[e.Kind])
	return c.show(&e, false)
}

// show answers with the document of an entry. page asks for the landing page of
// a shared one.
func (c *call) show(e *store.Entry, page bool) error {
	d := c.document(http.StatusOK)
	var err error
	switch e.Kind {
	case store.KindUser:
		err = c.userDocument(d, e)
	case store.KindDevice:
		err = c.deviceDocument(d, e, true)
	case store.KindFile:
		c.fileDocument(d.xmlWriter, e, page)
	default:
		err = c.folderDocument(d, e, page)
	}
	if err != nil {
		return err
	}
	return d.finish()
}

// folderDocument writes a folder or mount point with its children.
func (c *call) folderDocument(d *document, e *store.Entry, page bool) error {
	tag, err := c.folderStart(d.xmlWriter, e, page)
	if err != nil {
		return err
	}
	list := childList{document: d, dir: e.Path()}
	if err := c.store.Children(e.ID, e.Deleted, list.add); err != nil {
		return err
	}
	list.end()
	d.close(tag)
	return nil
}

// childList writes folders, files and metadata as they come, folders first.
type childList struct {
	*document
	dir            string // of the children
	extra          []string
	group          string // "folders" or "files" while one is open
	folders, files int
}

func (l *childList) add(n *store.Node) error {
	if n.Kind == store.KindFile {
		l.enter("files")
		l.files++
		l.fileChild(n, l.dir, l.extra...)
	} else {
		l.enter("folders")
		l.folders++
		l.folderChild(n, l.dir, l.extra...)
	}
	return l.flush()
}

func (l *childList) enter(group string) {
	if l.group == group {
		return
	}
	l.leave()
	l.open(group)
	l.group = group
}

func (l *childList) leave() {
	if l.group != "" {
		l.close(l.group)
		l.group = ""
	}
}

// end closes the lists, which are left out when empty, and counts them.
func (l *childList) end() {
	l.leave()
	l.empty("metadata", "first", "", "max", "", "total", strconv.Itoa(l.folders+l.files),
		"num_folders", strconv.Itoa(l.folders), "num_files", strconv.Itoa(l.files))
}

// userDocument writes an account with its devices.
func (c *call) userDocument(d *document, e *store.Entry) error {
	used, err := c.used(e)
	if err != nil {
		return err
	}
	d.open("user", c.rootAttrs()...)
	d.leaf("username", c.user.name)
	d.leaf("account-type", c.user.accountType())
	d.leaf("locked", "false")
	d.leaf("capacity", number(c.user.quota))
	d.leaf("max-devices", "-1")
	d.leaf("max-mobile-devices", "-1")
	d.leaf("usage", number(used))
	d.leaf("read-locked", "false")
	d.leaf("write-locked", "false")
	d.leaf("quota-write-locked", "false")
	d.leaf("enable-sync", "true")
	d.leaf("enable-foldershare", "true")
	d.open("devices")
	err = c.store.Children(e.ID, 0, func(n *store.Node) error {
		d.open("device")
		if err := c.deviceFields(d.xmlWriter, n); err != nil {
			return err
		}
		d.close("device")
		return d.flush()
	})
	if err != nil {
		return err
	}
	d.close("devices")
	d.close("user")
	return nil
}

// used is how much an account uses: of its quota, so that what is left is what it may
// still send, or what its live files hold if there is no quota.
func (c *call) used(e *store.Entry) (int64, error) {
	if c.user.quota >= 0 {
		return c.store.Held(c.user.name)
	}
	u, err := c.store.Usage(e.ID)
	return u.Bytes, err
}

func (a *account) accountType() string {
	if a.quota < 0 {
		return "unlimited"
	}
	return "free"
}

// deviceDocument writes a device, with its mount points if asked to.
func (c *call) deviceDocument(d *document, e *store.Entry, full bool) error {
	d.open("device", c.rootAttrs()...)
	if err := c.deviceFields(d.xmlWriter, &e.Node); err != nil {
		return err
	}
	d.leaf("user", c.user.name)
	if full {
		if err := c.mountPoints(d, e); err != nil {
			return err
		}
	}
	d.close("device")
	return nil
}

func (c *call) mountPoints(d *document, e *store.Entry) error {
	total := 0
	begin := func() {
		if total == 0 {
			d.open("mountPoints")
		}
		total++
	}
	write := func(n *store.Node) error {
		u, err := c.store.Usage(n.ID)
		if err != nil {
			return err
		}
		begin()
		d.open("mountPoint")
		d.leaf("name", n.Name, preserve...)
		if n.Deleted != 0 {
			d.leaf("deleted", formatJFS(n.Deleted))
			d.leaf("abspath", e.Path(), preserve...)
		}
		d.leaf("size", number(u.Bytes))
		d.leaf("modified", stamp(u.Modified))
		d.close("mountPoint")
		return d.flush()
	}
	// Of the views only the trash is listed, in its place among the names.
	trash := &store.Node{Name: "Trash"}
	_, pending := store.IsView(e.Name, trash.Name)
	err := c.store.Children(e.ID, 0, func(n *store.Node) error {
		if pending && store.Fold(trash.Name) < store.Fold(n.Name) {
			pending = false
			if err := write(trash); err != nil {
				return err
			}
		}
		return write(n)
	})
	if err == nil && pending {
		err = write(trash)
	}
	if err != nil {
		return err
	}
	if total > 0 {
		d.close("mountPoints")
	}
	d.empty("metadata", "first", "", "max", "", "total", strconv.Itoa(total), "num_mountpoints", strconv.Itoa(total))
	return nil
}

// customer answers GET /account/v1/customer (docs/protocol.md, section 5).
func (c *call) customer() error {
	c.stats.count("customer")
	e, err := c.store.Stat(c.user.name, nil)
	if err != nil {
		return err
	}
	used, err := c.used(&e)
	if err != nil {
		return err
	}
	kind := c.user.accountType()
	return c.answerJSON(http.StatusOK, struct {
		Username          string  `json:"username"`
		Email             string  `json:"email"`
		Name              string  `json:"name"`
		CountryCode       string  `json:"country_code"`
		LanguageCode      string  `json:"language_code"`
		CustomerGroupCode string  `json:"customer_group_code"`
		BrandCode         string  `json:"brand_code"`
		AccountType       string  `json:"account_type"`
		SubscriptionType  string  `json:"subscription_type"`
		Usage             int64   `json:"usage"`
		Quota             int64   `json:"quota"`
		BusinessUsage     int64   `json:"business_usage"`
		BusinessQuota     int64   `json:"business_quota"`
		WriteLocked       bool    `json:"write_locked"`
		ReadLocked        bool    `json:"read_locked"`
		LockedCause       *string `json:"locked_cause"`
		WebHash           string  `json:"web_hash"`
		AndroidHash       string  `json:"android_hash"`
		IOSHash           string  `json:"ios_hash"`
	}{
		Username: c.user.name, Email: c.user.email, Name: c.user.name, CountryCode: "NO", LanguageCode: "en", BrandCode: "jotta",
		AccountType: kind, SubscriptionType: kind, Usage: used, Quota: c.user.quota,
	})
}
