package config

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const envPrefix = "POKTAI_"

// notOurs matches "NAME=value" of variables that begin like ours and are none:
// those of the command line and of tests, and those that Kubernetes sets for
// every Service called poktai or poktai-something.
var notOurs = regexp.MustCompile(`^POKTAI_(` +
	`CONFIG=|TEST_` +
	`|([A-Z0-9_]+_)?SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)=` +
	`|([A-Z0-9_]+_)?PORT(_[0-9]+_[A-Z]+)?=(tcp|udp|sctp)://` +
	`|([A-Z0-9_]+_)?PORT_[0-9]+_[A-Z]+_(PROTO|PORT|ADDR)=)`)

// applyEnvironment sets the keys that variables name, and reports variables that
// name none.
func (l *loader) applyEnvironment(root reflect.Value) {
	e := &override{loader: l, keys: map[string][]string{}}
	e.walk(root, "", strings.TrimSuffix(envPrefix, "_"))
	for name, value := range l.env {
		if !strings.HasPrefix(name, envPrefix) {
			continue
		}
		switch keys := e.keys[name]; {
		case len(keys) > 1:
			slices.Sort(keys)
			l.fault(origin{file: name}, "", "means both "+strings.Join(keys, " and ")+": set them in the file")
		case len(keys) == 1, l.referenced[name], notOurs.MatchString(name + "=" + value):
		default:
			l.fault(origin{file: name}, "", "means no key of the configuration; "+
				suggestVariable(name, slices.Sorted(maps.Keys(e.keys))))
		}
	}
}

// An override sets the leaves of a configuration from the environment.
type override struct {
	*loader
	keys map[string][]string // variable's name to the key paths that it means
	set  int
}

func (e *override) walk(v reflect.Value, path, name string) {
	t := v.Type()
	switch {
	case isScalar(t), t.Kind() == reflect.Slice && isScalar(t.Elem()):
		e.leaf(v, path, name)
	case t.Kind() == reflect.Pointer:
		before, p := e.set, newCopy(t, v)
		e.walk(renewPointer(p), path, name)
		if e.set > before { // else nil stays nil
			v.Set(p)
		}
	case t.Kind() == reflect.Struct:
		for f, fv := range v.Fields() {
			if key, ok := tagOf(f); ok {
				e.walk(fv, join(path, key), variable(name, key))
			}
		}
	case t.Kind() == reflect.Map:
		for _, k := range v.MapKeys() {
			elem := newCopy(t.Elem(), v.MapIndex(k))
			e.walk(elem, join(path, k.String()), variable(name, k.String()))
			v.SetMapIndex(k, elem)
		}
	case t.Kind() == reflect.Slice:
		for i := range v.Len() {
			n := strconv.Itoa(i)
			e.walk(v.Index(i), path+"["+n+"]", variable(name, n))
		}
	}
}

func (e *override) leaf(v reflect.Value, path, name string) {
	e.keys[name] = append(e.keys[name], path)
	text, ok := e.env[name]
	if v.Type() == secretType {
		fileName := name + "_FILE"
		e.keys[fileName] = append(e.keys[fileName], path)
		if file, isFile := e.env[fileName]; isFile {
			if ok {
				e.fault(origin{file: fileName}, path, name+" is set as well: only one of them can count")
				return
			}
			name = fileName
			var err error
			if text, err = readSecret(file); err != nil {
				e.fault(origin{file: name}, path, err.Error())
				return
			}
			ok = true
		}
	}
	if !ok {
		return
	}
	e.set++
	at := origin{file: name}
	e.origins[path] = at
	switch {
	case v.Type() == secretType:
		e.setSecret(v, text)
	case isScalar(v.Type()):
		if err := setScalar(v, text); err != nil {
			e.fault(at, path, err.Error())
		}
	default:
		e.setList(v, at, path, text)
	}
}

func (e *override) setList(v reflect.Value, at origin, path, text string) {
	var items []string
	if text != "" {
		items = strings.Split(text, ",")
	}
	list := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		item = strings.TrimSpace(item)
		if v.Type().Elem() == secretType {
			e.setSecret(list.Index(i), item)
		} else if err := setScalar(list.Index(i), item); err != nil {
			e.fault(at, fmt.Sprintf("%s[%d]", path, i), err.Error())
		}
	}
	v.Set(list)
}

// variable returns the name for a key below the one that parent names.
func variable(parent, key string) string {
	if key == "" {
		return parent
	}
	return parent + "_" + strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, key)
}
