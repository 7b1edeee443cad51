package config

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
)

// A Change is one key whose value differs. Old or New is empty where the key is
// absent. Secrets are compared but print as "[redacted]", both of them.
type Change struct {
	Key, Old, New string
}

// Diff returns what differs between two configurations, sorted by key. A list of
// scalars is one value; in other lists and in maps each element has its own key.
func Diff(old, new any) []Change {
	before, after := map[string]any{}, map[string]any{}
	flatten(before, "", reflect.ValueOf(old))
	flatten(after, "", reflect.ValueOf(new))
	var changes []Change
	for key, was := range before {
		is, ok := after[key]
		switch {
		case !ok:
			changes = append(changes, Change{Key: key, Old: fmt.Sprint(was)})
		case !reflect.DeepEqual(was, is):
			changes = append(changes, Change{Key: key, Old: fmt.Sprint(was), New: fmt.Sprint(is)})
		}
	}
	for key, is := range after {
		if _, ok := before[key]; !ok {
			changes = append(changes, Change{Key: key, New: fmt.Sprint(is)})
		}
	}
	slices.SortFunc(changes, func(a, b Change) int { return cmp.Compare(a.Key, b.Key) })
	return changes
}

// flatten collects the leaves at and below v by key path.
func flatten(into map[string]any, path string, v reflect.Value) {
	t := v.Type()
	switch {
	case isScalar(t):
		into[path] = v.Interface()
	case t.Kind() == reflect.Pointer:
		if !v.IsNil() {
			flatten(into, path, v.Elem())
		}
	case t.Kind() == reflect.Struct:
		for f, fv := range v.Fields() {
			if key, ok := tagOf(f); ok {
				flatten(into, join(path, key), fv)
			}
		}
	case t.Kind() == reflect.Map:
		for k, elem := range v.Seq2() {
			flatten(into, join(path, k.String()), elem)
		}
	case t.Kind() == reflect.Slice && isScalar(t.Elem()):
		if v.Len() > 0 { // an empty list and no list are the same
			into[path] = v.Interface()
		}
	case t.Kind() == reflect.Slice:
		for i := range v.Len() {
			flatten(into, path+"["+strconv.Itoa(i)+"]", v.Index(i))
		}
	}
}
