package jfs

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/time/rate"
)

// RetryOptions bound what [Retry] does. Zero values mean the defaults.
type RetryOptions struct {
	Attempts   uint          // tries of one request, the first included; default 8
	MaxElapsed time.Duration // for one request altogether; default 2 minutes
	First      time.Duration // pause after the first try, doubled each time, half of it by chance; default 250 ms
	// Notify, if set, hears of each failed try, in one line that a terminal can take,
	// and the pause that follows. It may be called concurrently.
	Notify func(err error, pause time.Duration)
}

const (
	defaultAttempts   = 8
	defaultMaxElapsed = 2 * time.Minute
	defaultFirst      = 250 * time.Millisecond
	maxPause          = 30 * time.Second
)

// Retry returns a RoundTripper that sends requests again which met a passing
// trouble: no answer, or status 429, 500, 502, 503, 504 or 509 (docs/protocol.md,
// section 12). A Retry-After header is honoured, as far as MaxElapsed allows.
//
// Only requests that can do no harm when they are carried out twice are sent
// again: not those that move or copy, and none whose content cannot be sent
// from its start. An upload is therefore tried once; package transfer resumes it.
func Retry(next http.RoundTripper, o RetryOptions) http.RoundTripper {
	if o.Attempts == 0 {
		o.Attempts = defaultAttempts
	}
	if o.MaxElapsed == 0 {
		o.MaxElapsed = defaultMaxElapsed
	}
	if o.First == 0 {
		o.First = defaultFirst
	}
	return &retrier{next: next, options: o}
}

type retrier struct {
	next    http.RoundTripper
	options RetryOptions
}

func (r *retrier) RoundTrip(req *http.Request) (*http.Response, error) {
	if !repeatable(req) {
		return r.next.RoundTrip(req)
	}
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval = r.options.First
	pauses.Multiplier = 2
	pauses.MaxInterval = maxPause

	ctx := req.Context()
	var last *http.Response // of a failing answer; the caller gets the final one
	first := true
	try := func() (*http.Response, error) {
		if last != nil {
			closeBody(last)
			last = nil
		}
		attempt := req
		if !first && req.GetBody != nil {
			body, err := req.GetBody()
			if err != nil {
				return nil, backoff.Permanent(err)
			}
			attempt = req.Clone(ctx)
			attempt.Body = body
		}
		first = false
		resp, err := r.next.RoundTrip(attempt)
		if err != nil {
			if ctx.Err() != nil || !passing(err) {
				return nil, backoff.Permanent(err)
			}
			return nil, err
		}
		if !passingStatus(resp.StatusCode) {
			return resp, nil
		}
		last = resp
		if wait := retryAfter(resp); wait > 0 {
			return nil, &backoff.RetryAfterError{Duration: wait}
		}
		return nil, errors.New(resp.Status)
	}
	options := []backoff.RetryOption{
		backoff.WithBackOff(pauses),
		backoff.WithMaxTries(r.options.Attempts),
		backoff.WithMaxElapsedTime(r.options.MaxElapsed),
	}
	if r.options.Notify != nil {
		options = append(options, backoff.WithNotify(func(err error, pause time.Duration) {
			r.options.Notify(errors.New(clip(oneLine(err.Error()), maxSaid)), pause)
		}))
	}
	resp, err := backoff.Retry(ctx, try, options...)
	if err != nil && last != nil {
		if ctx.Err() != nil {
			closeBody(last)
			return nil, context.Cause(ctx)
		}
		return last, nil // it says more than our error
	}
	return resp, err
}

// CloseIdleConnections passes on http.Client.CloseIdleConnections.
func (r *retrier) CloseIdleConnections() { closeIdle(r.next) }

// repeatable reports whether a request may be carried out twice.
func repeatable(req *http.Request) bool {
	if req.Body != nil && req.Body != http.NoBody && req.GetBody == nil {
		return false
	}
	q := req.URL.Query()
	return !q.Has("mv") && !q.Has("mvDir") && !q.Has("cp")
}

// passingStatus reports whether a status tells of a passing trouble.
func passingStatus(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout, 509:
		return true
	}
	return false
}

// passing reports whether an error of the transport may go away by itself.
func passing(err error) bool {
	var e *Error
	if errors.As(transportError(context.Background(), "", "", err), &e) {
		return e.Retry
	}
	return false
}

// Limit returns a RoundTripper that starts at most perSecond requests a second,
// evenly spaced; 0 means no limit. Put it inside [Retry], so that repeated
// requests count too.
func Limit(next http.RoundTripper, perSecond float64) http.RoundTripper {
	if perSecond <= 0 {
		return next
	}
	return &limiter{next: next, rate: rate.NewLimiter(rate.Limit(perSecond), 1)}
}

type limiter struct {
	next http.RoundTripper
	rate *rate.Limiter
}

func (l *limiter) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := l.rate.Wait(req.Context()); err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	return l.next.RoundTrip(req)
}

// CloseIdleConnections passes on http.Client.CloseIdleConnections.
func (l *limiter) CloseIdleConnections() { closeIdle(l.next) }
