package command

import (
	"io"

	"github.com/mdp/qrterminal/v3"
)

// PrintQR draws text as a QR code on standard output, for the camera of a phone.
func (e *Env) PrintQR(text string) {
	e.draw(func() {
		qrterminal.GenerateWithConfig(text, qrterminal.Config{
			Level: qrterminal.L, Writer: e.Stdout, QuietZone: 2, HalfBlocks: true,
			BlackChar: qrterminal.BLACK_BLACK, WhiteChar: qrterminal.WHITE_WHITE,
			BlackWhiteChar: qrterminal.BLACK_WHITE, WhiteBlackChar: qrterminal.WHITE_BLACK,
		})
		io.WriteString(e.Stdout, "\n")
	})
}
