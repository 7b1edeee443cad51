// Package config reads one YAML file and the environment into a struct, and
// says everything that is wrong with them at once, with line, column and key
// path. The struct belongs to the caller: a field is a key if it has a `yaml`
// tag, its value before the call is the default, and its rules are its own
// Validate method.
//
// It knows nothing of what the keys mean, and it does not apply a new
// configuration to a running process: Watch says that the file changed, Diff
// says what is different, and the caller swaps.
//
// Fields may be bool, integers, floats, string, time.Duration, secret.Text,
// any encoding.TextUnmarshaler, structs (also `yaml:",inline"`), and slices,
// pointers and string-keyed maps of these. A list in the file replaces the default list; a
// mapping is merged into the default map by key. YAML is read without anchors,
// aliases, merge keys and tags: what a key is set to stands at that key.
//
// # Secrets
//
// A secret.Text may say where the secret is: ${NAME} is a variable of the
// environment, ${file:path} the contents of a file without surrounding white
// space (a relative path starts at the folder of the configuration), and $${ a
// literal ${. No other field is expanded.
//
// # Environment
//
// POKTAI_GATEWAY_LISTEN overrides gateway.listen: the key path in capitals, with
// _ for every other character than a letter or digit. Keys of maps and indexes
// of lists that the file or the defaults have can be reached as well; a list of
// scalars is one variable, separated by commas. A secret.Text at store.dsn is
// also read from the file that POKTAI_STORE_DSN_FILE names. Values are taken as
// they are, without expansion.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
)

// A Validator is a value with rules of its own, as a rule a struct. It reports
// each fault with the key path relative to itself, such as "seal_rows" or
// "upstreams[2].url".
type Validator interface {
	Validate(report func(key, message string))
}

// Load decodes the file at path over the defaults already in dst, a pointer to a
// struct, then applies the environment (as from os.Environ) and calls Validate
// on every Validator in the tree. An empty path is the environment alone.
//
// The error, if any, is of type Faults; dst is then unusable.
func Load(path string, env []string, dst any) error {
	if path == "" {
		return Decode("", nil, env, dst)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return Faults{{File: path, Message: "cannot be read: " + reason(err)}}
	}
	return Decode(path, data, env, dst)
}

// Decode is Load for a file that is already in memory. Faults call it name, and
// relative paths of secrets start at name's folder.
func Decode(name string, data []byte, env []string, dst any) error {
	root := reflect.ValueOf(dst)
	if root.Kind() != reflect.Pointer || root.IsNil() || root.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("BUG: a configuration is decoded into a pointer to a struct, not into %T", dst))
	}
	l := &loader{
		file:       name,
		env:        environment(env),
		referenced: map[string]bool{},
		origins:    map[string]origin{},
	}
	// Without a tree nothing more can be said: every key would be missing.
	if !l.decodeFile(data, root.Elem()) {
		return l.faults
	}
	l.applyEnvironment(root.Elem())
	l.unread = len(l.faults)
	l.validate(root.Elem(), "")
	if len(l.faults) == 0 {
		return nil
	}
	l.faults.sort()
	return l.faults
}

// A loader is the state of one Decode.
type loader struct {
	file       string
	env        map[string]string
	referenced map[string]bool   // variables that the file names as ${NAME}
	origins    map[string]origin // of every key path that was set
	secrets    []string          // texts that no fault may contain, longest first
	faults     Faults
	unread     int // so many of the faults are values that could not be read
}

// An origin is where a value was said.
type origin struct {
	file         string
	line, column int
}

// fault adds a fault. Messages of validators and of UnmarshalText may quote what
// they were given (net/url does), so that secrets are taken out here.
func (l *loader) fault(at origin, key, message string) {
	for _, s := range l.secrets {
		message = strings.ReplaceAll(message, s, "[redacted]")
	}
	l.faults = append(l.faults, Fault{File: at.file, Line: at.line, Column: at.column, Key: key, Message: message})
}

// keepSecret remembers a text that no fault may contain. Shorter ones protect
// nothing and would tear holes into unrelated words.
func (l *loader) keepSecret(s string) {
	if len(s) < 4 {
		return
	}
	i, found := slices.BinarySearchFunc(l.secrets, s, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	if !found {
		l.secrets = slices.Insert(l.secrets, i, s)
	}
}

// originOf returns where key was set, or else the nearest of its parents.
func (l *loader) originOf(key string) origin {
	for {
		if at, ok := l.origins[key]; ok || key == "" {
			return at
		}
		key = key[:max(strings.LastIndexAny(key, ".["), 0)]
	}
}

func environment(env []string) map[string]string {
	m := make(map[string]string, len(env))
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		if _, ok := m[name]; !ok { // as os.Getenv: the first one counts
			m[name] = value
		}
	}
	return m
}

// reason is what went wrong with a file, without its name.
func reason(err error) string {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err.Error()
	}
	return err.Error()
}
