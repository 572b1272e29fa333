#!/bin/sh
# gjson 1.20.4 and fastjson 1.6.10: an integer from 2^63 on is read as 9223372036854775807 by one and as 0 by the other, without an error; of two equal keys both take the first.
#
# Guess: as with encoding/json, such a number is an error for int64, and of equal keys the last counts.
# So is: Int() and GetInt64() have no error to return. All large inode numbers become one. fastjson
# also reads 1e3 as 0, and leaves "\ud800" as six characters.
# Seen: see the last lines of this script.
. "$(dirname "$0")/lib.sh"
goprogram github.com/tidwall/gjson@v1.20.4 github.com/valyala/fastjson@v1.6.10 <<'G'
package main

import (
	"encoding/json"
	"fmt"

	"github.com/tidwall/gjson"
	"github.com/valyala/fastjson"
)

const line = `{"ino":9223372036854775809,"size":1e3,"path":"a","path":"b","name":"\ud800"}`

func main() {
	var r struct {
		Path string
		Ino  int64
	}
	err := json.Unmarshal([]byte(line), &r)
	fmt.Println("encoding/json:", err != nil, r.Path)
	g := gjson.Parse(line)
	fmt.Println("gjson:", g.Get("ino").Int(), g.Get("size").Int(), g.Get("path"))
	f := fastjson.MustParse(line)
	fmt.Println("fastjson:", f.GetInt64("ino"), f.GetInt64("size"), string(f.GetStringBytes("path")), string(f.GetStringBytes("name")))
}
G
same 'what is read' "$("$tmp/program")" 'encoding/json: true b
gjson: 9223372036854775807 1000 a
fastjson: 0 0 a \ud800'
