package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand replaces ${NAME} and ${file:path} in text. What it puts in is not
// expanded again.
func (l *loader) expand(text string) (string, error) {
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(text, "${")
		if !ok {
			b.WriteString(text)
			return b.String(), nil
		}
		if escaped, ok := strings.CutSuffix(before, "$"); ok {
			b.WriteString(escaped + "${")
			text = after
			continue
		}
		b.WriteString(before)
		name, rest, ok := strings.Cut(after, "}")
		if !ok {
			return "", errors.New("${ has no }; a literal ${ is written $${")
		}
		value, err := l.lookup(name)
		if err != nil {
			return "", err
		}
		l.keepSecret(value)
		b.WriteString(value)
		text = rest
	}
}

func (l *loader) lookup(name string) (string, error) {
	if path, ok := strings.CutPrefix(name, "file:"); ok {
		if !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(l.file), path)
		}
		return readSecret(path)
	}
	if !variableName.MatchString(name) {
		return "", errors.New("inside of ${} stands the name of a variable, or file: and a path; a literal ${ is written $${")
	}
	l.referenced[name] = true
	value, ok := l.env[name]
	if !ok {
		return "", fmt.Errorf("the environment has no %s", name)
	}
	return value, nil
}

func readSecret(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("file %q cannot be read: %s", path, reason(err))
	}
	return strings.TrimSpace(string(b)), nil
}
