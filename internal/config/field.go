package config

import (
	"reflect"
	"strings"
)

// tagOf returns the key of a struct's field, or "" if it is none.
func tagOf(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	if name == "-" || !f.IsExported() {
		return ""
	}
	return name
}

func fieldOf(t reflect.Type, key string) (int, bool) {
	for i := range t.NumField() {
		if tag := tagOf(t.Field(i)); tag != "" && tag == key {
			return i, true
		}
	}
	return 0, false
}

func keysOf(t reflect.Type) []string {
	var keys []string
	for f := range t.Fields() {
		if tag := tagOf(f); tag != "" {
			keys = append(keys, tag)
		}
	}
	return keys
}

// join puts a relative key path behind a parent's.
func join(parent, key string) string {
	if parent == "" || key == "" || key[0] == '[' {
		return parent + key
	}
	return parent + "." + key
}

// newCopy returns a settable value of type t: a copy of from, if there is one.
// Values in a map cannot be set where they are.
func newCopy(t reflect.Type, from reflect.Value) reflect.Value {
	v := reflect.New(t).Elem()
	if from.IsValid() {
		v.Set(from)
	}
	return v
}

// renewPointer lets v point to a copy of what it points to, or to a zero value,
// and returns that. The default may be shared with others.
func renewPointer(v reflect.Value) reflect.Value {
	p := reflect.New(v.Type().Elem())
	if !v.IsNil() {
		p.Elem().Set(v.Elem())
	}
	v.Set(p)
	return p.Elem()
}
