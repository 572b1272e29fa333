#!/bin/sh
# nats-server 2.15.3, JetStream: after a purge, or the deletion of the message, one with the same Nats-Msg-Id is taken for a duplicate, and lost.
#
# Guess: what is not in the stream any more is no original of which there could be a duplicate.
# So is: the ids are remembered for the duplicate window (two minutes unless told otherwise), whatever becomes
# of the messages, and for all subjects of the stream. The publisher gets an acknowledgement without an error.
# Who purges a queue and fills it anew, with the same ids, fills it with nothing.
# Seen: publish, purge, publish again: acknowledged with sequence 1 and Duplicate true; 0 messages.
. "$(dirname "$0")/lib.sh"
goprogram github.com/nats-io/nats-server/v2@v2.15.3 github.com/nats-io/nats.go@v1.55.0 <<'G'
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: os.Args[1], NoLog: true, NoSigs: true})
	must(err)
	go s.Start()
	if !s.ReadyForConnections(30 * time.Second) {
		panic("the server does not start")
	}
	nc, err := nats.Connect(s.ClientURL())
	must(err)
	js, err := nc.JetStream()
	must(err)
	_, err = js.AddStream(&nats.StreamConfig{Name: "S", Subjects: []string{"s.>"}})
	must(err)
	publish := func(subject string) {
		ack, err := js.Publish(subject, []byte("text"), nats.MsgId("id"))
		must(err)
		info, err := js.StreamInfo("S")
		must(err)
		fmt.Println("duplicate:", ack.Duplicate, "messages:", info.State.Msgs)
	}
	publish("s.a")
	must(js.PurgeStream("S"))
	publish("s.a")
	publish("s.b")
}
G
same 'published, purged, published' "$("$tmp/program" "$tmp/store")" 'duplicate: false messages: 1
duplicate: true messages: 0
duplicate: true messages: 0'
