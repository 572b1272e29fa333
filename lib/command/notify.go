package command

import (
	"errors"
	"io"
	"net"
	"os"
)

// Notify tells systemd, if that has started the program and wants to know, how it is
// getting on: "READY=1", "STOPPING=1", "STATUS=…" (sd_notify(3)).
func Notify(state string) error {
	socket := os.Getenv("NOTIFY_SOCKET")
	if socket == "" {
		return nil
	}
	conn, err := net.Dial("unixgram", socket)
	if err != nil {
		return err
	}
	_, err = io.WriteString(conn, state)
	return errors.Join(err, conn.Close())
}
