//go:build standalone

package main

// Built for a system that has nothing but this file, such as the container image: with
// the certificates that say who the service is, and the time zones of the world.
import (
	_ "time/tzdata"

	_ "golang.org/x/crypto/x509roots/fallback"
)
