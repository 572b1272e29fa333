#!/bin/sh
# go-resty 2.17.2: SetRetryCount(3) does not try again after 503 or 429, with Retry-After neither.
#
# Guess: three more tries on answers that ask for it.
# So is: only errors of the connection are tried again, until a condition is added. The answer 503 comes back
# without an error, after one request.
# Seen: requests 1, status 503, error nil; and with 429 and Retry-After: 0 likewise.
. "$(dirname "$0")/lib.sh"
goprogram github.com/go-resty/resty/v2@v2.17.2 <<'G'
package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/go-resty/resty/v2"
)

func main() {
	for _, status := range []int{503, 429} {
		asked := 0
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked++
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(status)
		}))
		r, err := resty.New().SetRetryCount(3).SetRetryWaitTime(time.Millisecond).R().Get(s.URL)
		fmt.Println(asked, r.StatusCode(), err)
		s.Close()
	}
}
G
same 'requests, status, error' "$("$tmp/program")" '1 503 <nil>
1 429 <nil>'
