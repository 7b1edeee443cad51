package config

import (
	"reflect"
	"strings"
)

// tagOf returns the key of a struct's field, and whether it has one. An inline
// struct has the key "": its keys are those of the struct that it stands in.
func tagOf(f reflect.StructField) (key string, ok bool) {
	name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	switch {
	case name == "-" || !f.IsExported():
		return "", false
	case options == "inline":
		return "", true
	}
	return name, name != ""
}

// fieldOf returns the field of struct v that has the key.
func fieldOf(v reflect.Value, key string) (reflect.Value, bool) {
	for f, fv := range v.Fields() {
		tag, ok := tagOf(f)
		if ok && tag == key {
			return fv, true
		}
		if ok && tag == "" {
			if inner, ok := fieldOf(fv, key); ok {
				return inner, true
			}
		}
	}
	return reflect.Value{}, false
}

func keysOf(t reflect.Type) []string {
	var keys []string
	for f := range t.Fields() {
		switch tag, ok := tagOf(f); {
		case ok && tag != "":
			keys = append(keys, tag)
		case ok:
			keys = append(keys, keysOf(f.Type)...)
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
