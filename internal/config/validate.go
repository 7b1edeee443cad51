package config

import (
	"reflect"
	"strconv"
	"strings"
)

// validate asks every Validator at or below v, which is addressable.
func (l *loader) validate(v reflect.Value, path string) {
	if rules, ok := v.Addr().Interface().(Validator); ok {
		rules.Validate(func(key, message string) { l.ruleBroken(join(path, key), message) })
	}
	t := v.Type()
	switch {
	case isScalar(t):
	case t.Kind() == reflect.Pointer:
		if !v.IsNil() {
			l.validate(v.Elem(), path)
		}
	case t.Kind() == reflect.Struct:
		for f, fv := range v.Fields() {
			if key, ok := tagOf(f); ok {
				l.validate(fv, join(path, key))
			}
		}
	case t.Kind() == reflect.Map:
		for _, k := range v.MapKeys() {
			l.validate(newCopy(t.Elem(), v.MapIndex(k)), join(path, k.String()))
		}
	case t.Kind() == reflect.Slice:
		for i := range v.Len() {
			l.validate(v.Index(i), path+"["+strconv.Itoa(i)+"]")
		}
	}
}

// ruleBroken adds a validator's fault, unless the value could not be read in the
// first place: then the rule judged what the operator did not write.
func (l *loader) ruleBroken(key, message string) {
	for _, f := range l.faults[:l.unread] {
		rest, below := strings.CutPrefix(key, f.Key)
		if f.Key != "" && below && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return
		}
	}
	l.fault(l.originOf(key), key, message)
}
