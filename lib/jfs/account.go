package jfs

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"jottatools/lib/record"
)

// Account is the account as the XML API describes it: its limits and devices.
// Source: docs/protocol.md, section 6.1.
type Account struct {
	Username         string // internal name, the first part of every path of the service
	Type             string // "free", "unlimited" …
	Capacity         int64  // bytes; negative if there is no limit
	Usage            int64  // bytes, of all devices together
	MaxDevices       int64  // negative if there is no limit
	MaxMobileDevices int64  // likewise
	Locked           bool   // the whole account
	ReadLocked       bool   // the service hands nothing out
	WriteLocked      bool   // the service takes no uploads
	Throttled        bool   // quota-write-locked: uploads are slow, since there is so much already
	Sync             bool   // enable-sync
	FolderShare      bool   // enable-foldershare
	BusinessName     string // of business accounts
	BusinessRole     string // likewise, such as "ADMIN"
	Devices          []Device
}

// DeviceType says what a device is. The service ignores its letter case.
type DeviceType string

// The types of devices that were seen (docs/protocol.md, section 6.2).
const (
	DeviceBuiltIn      DeviceType = "JOTTA" // the one called Jotta; no other can be made of this type
	DeviceWorkstation  DeviceType = "WORKSTATION"
	DeviceLaptop       DeviceType = "LAPTOP"
	DeviceIMac         DeviceType = "IMAC"
	DeviceMacBook      DeviceType = "MACBOOK"
	DeviceIPad         DeviceType = "IPAD"
	DeviceIPhone       DeviceType = "IPHONE"
	DeviceAndroid      DeviceType = "ANDROID"
	DeviceWindowsPhone DeviceType = "WINDOWS_PHONE"
	DeviceCLI          DeviceType = "CLI"
)

// Device is a computer or phone of the account, or the built-in device that
// holds what belongs to none. Source: docs/protocol.md, section 6.2.
type Device struct {
	Path        Path       // such as /Jotta
	DisplayName string     // as people see it
	Type        DeviceType // in capitals
	ID          string     // UUID
	Size        int64      // bytes in it; SizeUnknown if not given
	Modified    time.Time  // when something in it last changed; zero if not given
	Foreign     bool       // Path does not lead to it; see [Entry].Foreign
}

type xmlDevice struct {
	Name        string `xml:"name"`
	DisplayName string `xml:"display_name"`
	Type        string `xml:"type"`
	ID          string `xml:"sid"`
	Size        string `xml:"size"`
	Modified    string `xml:"modified"`
}

func (x *xmlDevice) device() (Device, error) {
	local, foreign, err := fromWire(x.Name)
	return Device{
		Path: Path("/" + local), DisplayName: x.DisplayName, Type: DeviceType(strings.ToUpper(x.Type)), ID: x.ID,
		Size: lenientInt(x.Size, SizeUnknown), Modified: lenientTime(x.Modified), Foreign: foreign,
	}, err
}

// Account returns the account with its limits and devices. Unlike
// [Client.Customer] it asks each time, so the usage is that of now.
func (c *Client) Account(ctx context.Context) (Account, error) {
	customer, err := c.Customer(ctx)
	if err != nil {
		return Account{}, err
	}
	return c.account(ctx, customer.Username)
}

func (c *Client) account(ctx context.Context, user string) (Account, error) {
	const op = "ask for the account"
	var name strings.Builder
	escape(&name, user)
	resp, err := c.send(ctx, request{op: op, method: http.MethodGet, url: c.jfs + "/jfs/" + name.String()})
	if err != nil {
		return Account{}, err
	}
	defer closeBody(resp)
	account, err := parseAccount(resp.Body)
	if err != nil {
		return Account{}, answerError(ctx, op, "", resp, err)
	}
	return account, nil
}

func parseAccount(r io.Reader) (Account, error) {
	d := newDecoder(r, maxDocument)
	root, err := d.root()
	if err != nil {
		return Account{}, err
	}
	if Kind(root.Name.Local) != KindAccount {
		return Account{}, unexpected(root.Name.Local)
	}
	var a Account
	fields := map[string]string{}
	err = d.each(func(name string) error {
		if name != "devices" {
			text, err := d.text()
			fields[name] = strings.TrimSpace(text)
			return err
		}
		return d.each(func(string) error {
			d.entry()
			var x xmlDevice
			if err := d.DecodeElement(&x, &d.at); err != nil {
				return err
			}
			device, err := x.device()
			a.Devices = append(a.Devices, device)
			return err
		})
	})
	if err != nil {
		return Account{}, err
	}
	is := func(name string) bool { return strings.EqualFold(fields[name], "true") }
	a.Username, a.Type = fields["username"], fields["account-type"]
	a.Capacity, a.Usage = lenientInt(fields["capacity"], -1), lenientInt(fields["usage"], 0)
	a.MaxDevices, a.MaxMobileDevices = lenientInt(fields["max-devices"], -1), lenientInt(fields["max-mobile-devices"], -1)
	a.Locked, a.ReadLocked, a.WriteLocked, a.Throttled = is("locked"), is("read-locked"), is("write-locked"), is("quota-write-locked")
	a.Sync, a.FolderShare = is("enable-sync"), is("enable-foldershare")
	a.BusinessName, a.BusinessRole = fields["business-name"], fields["business-role"]
	return a, nil
}

// Devices returns the devices of the account.
func (c *Client) Devices(ctx context.Context) ([]Device, error) {
	account, err := c.Account(ctx)
	return account.Devices, err
}

// CreateDevice makes the device at p, such as "/my laptop", and returns it. One
// that exists is returned as it is, with its own type. Errors: ErrNameInvalid.
// Source: docs/protocol.md, section 7.9.
func (c *Client) CreateDevice(ctx context.Context, p Path, t DeviceType) (Device, error) {
	const op = "make device"
	if err := needDepth(op, p, 1); err != nil {
		return Device{}, err
	}
	address, err := c.entryURL(ctx, op, p, url.Values{"type": {string(t)}}.Encode())
	if err != nil {
		return Device{}, err
	}
	resp, err := c.send(ctx, request{op: op, path: p, method: http.MethodPost, url: address})
	if err != nil {
		return Device{}, err
	}
	defer closeBody(resp)
	device, err := parseDevice(resp.Body)
	if err != nil {
		return Device{}, answerError(ctx, op, p, resp, err)
	}
	return device, nil
}

func parseDevice(r io.Reader) (Device, error) {
	d := newDecoder(r, maxDocument)
	root, err := d.root()
	if err != nil {
		return Device{}, err
	}
	if Kind(root.Name.Local) != KindDevice {
		return Device{}, unexpected(root.Name.Local)
	}
	var x xmlDevice
	if err := d.DecodeElement(&x, &root); err != nil {
		return Device{}, err
	}
	return x.device()
}

// RemoveDevice deletes the device at p for good, with everything in it: there is
// no trash for devices. Errors: ErrNotExist; ErrForbidden at the built-in one.
// Source: docs/protocol.md, section 7.4.
func (c *Client) RemoveDevice(ctx context.Context, p Path) error {
	const op = "delete device"
	if err := needOwn(op, p, 1); err != nil {
		return err
	}
	return c.command(ctx, op, p, "rm=true")
}

// MountPoints returns the mount points of the device at p, also those in the
// trash. The built-in views Trash, Links and Latest may be among them or not.
// Errors: ErrNotExist. Source: docs/protocol.md, section 6.2.
func (c *Client) MountPoints(ctx context.Context, p Path) ([]Entry, error) {
	if err := needDepth("list", p, 1); err != nil {
		return nil, err
	}
	_, entries, err := c.List(ctx, p)
	return entries, err
}

// CreateMountPoint makes the mount point at p, such as "/my laptop/documents",
// and says whether it is new. One in the trash may come back. The web interface
// does not show new ones on the built-in device. Errors: ErrNotExist if there is
// no such device, ErrNameInvalid. Source: docs/protocol.md, section 7.10.
func (c *Client) CreateMountPoint(ctx context.Context, p Path) (created bool, err error) {
	const op = "make mount point"
	if err := needDepth(op, p, 2); err != nil {
		return false, err
	}
	address, err := c.entryURL(ctx, op, p, "")
	if err != nil {
		return false, err
	}
	resp, err := c.send(ctx, request{op: op, path: p, method: http.MethodPost, url: address})
	if err != nil {
		return false, err
	}
	defer closeBody(resp)
	info, err := parseNode(resp.Body, nil)
	if err == nil && info.Kind != KindMountPoint {
		err = unexpected(string(info.Kind))
	}
	if err != nil {
		return false, answerError(ctx, op, p, resp, err)
	}
	return resp.StatusCode == http.StatusCreated, nil
}

// TrashMountPoint puts the mount point at p and all that is in it into the
// trash. Errors: ErrNotExist; ErrForbidden at a built-in one. Source:
// docs/protocol.md, section 7.3.
func (c *Client) TrashMountPoint(ctx context.Context, p Path) error {
	const op = "move to trash"
	if err := needOwn(op, p, 2); err != nil {
		return err
	}
	return c.command(ctx, op, p, "dl=true")
}

// RemoveMountPoint deletes the mount point at p for good, with everything in it,
// alive or in the trash. Errors: ErrNotExist; ErrForbidden at a built-in one.
// Source: docs/protocol.md, section 7.4.
func (c *Client) RemoveMountPoint(ctx context.Context, p Path) error {
	const op = "delete mount point"
	if err := needOwn(op, p, 2); err != nil {
		return err
	}
	return c.command(ctx, op, p, "rm=true")
}

// needDepth keeps a command for a device or mount point away from everything
// else: the service would carry it out.
func needDepth(op string, p Path, depth int) error {
	if p.Depth() == depth {
		return nil
	}
	what := "it is not a device, such as /Jotta"
	if depth == 2 {
		what = "it is not a mount point, such as /Jotta/Archive"
	}
	return &Error{Op: op, Path: p, Class: record.ClassForbidden, Message: what}
}

// builtIn are the mount points that every account has (docs/protocol.md, section
// 2).
var builtIn = []string{"Archive", "Sync", "Shared", "Latest", "Links", "Trash"}

// needOwn is needDepth that also keeps a command away from what is built in. It
// is not known that the service refuses, and everything would be gone.
func needOwn(op string, p Path, depth int) error {
	if err := needDepth(op, p, depth); err != nil {
		return err
	}
	device, mountPoint, _ := strings.Cut(record.Fold(string(p[1:])), "/")
	own := device != record.Fold("Jotta")
	if !own && depth == 2 {
		own = !slices.ContainsFunc(builtIn, func(name string) bool { return record.Fold(name) == mountPoint })
	}
	if own {
		return nil
	}
	return &Error{Op: op, Path: p, Class: record.ClassForbidden, Message: "it belongs to every account and is never deleted"}
}

// notExist reports whether err says that something is not there.
func notExist(err error) bool { return errors.Is(err, ErrNotExist) }
