package command

import "errors"

// Detached reports false.
func Detached() bool { return false }

// Detach fails.
func (e *Env) Detach() error { return errors.New("this system knows no programs in the background") }

// Ready does nothing.
func Ready(string) error { return nil }
