// Package secret holds text that must not be printed: peppers, database
// addresses, upstream URLs and headers with credentials. It does not encrypt;
// it only keeps such text out of logs, errors and printed configurations.
package secret

const redacted = "[redacted]"

// Text prints as "[redacted]" in every verb of fmt, in JSON, YAML and zerolog.
// The zero value is the empty text, and prints as "".
type Text struct{ s string }

// New wraps s.
func New(s string) Text { return Text{s} }

// Reveal returns the text itself, for the one place that uses it.
func (t Text) Reveal() string { return t.s }

// IsZero reports whether the text is empty.
func (t Text) IsZero() bool { return t.s == "" }

// String returns "[redacted]", or "" if the text is empty.
func (t Text) String() string {
	if t.s == "" {
		return ""
	}
	return redacted
}

// GoString keeps %#v from printing the text.
func (t Text) GoString() string { return "secret.Text(" + t.String() + ")" }

// MarshalText keeps encoders from printing the text.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText sets the text.
func (t *Text) UnmarshalText(b []byte) error {
	t.s = string(b)
	return nil
}
