package command

import "syscall"

// dup makes the descriptor to stand for what from does.
func dup(from, to int) error { return syscall.Dup3(from, to, 0) }
