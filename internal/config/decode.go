package config

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// decodeFile decodes data into root and reports whether it was YAML at all.
func (l *loader) decodeFile(data []byte, root reflect.Value) bool {
	if l.file != "" {
		l.origins[""] = origin{l.file, 1, 1}
	}
	data = bytes.TrimPrefix(data, []byte("\uFEFF"))
	if at, ok := l.firstNonUTF8(data); ok {
		l.fault(at, "", "not UTF-8 text")
		return false
	}
	// Duplicates are found below, so that all of them are reported.
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		at, message := l.originOf(""), err.Error()
		// Only GetMessage: Error quotes the lines around, secrets included.
		if syntax, ok := errors.AsType[yaml.Error](err); ok {
			message = syntax.GetMessage()
			if t := syntax.GetToken(); t != nil {
				at = origin{l.file, t.Position.Line, t.Position.Column}
			}
		}
		l.fault(at, "", "not YAML: "+message+" (look at the indentation and the quotes here)")
		return false
	}
	var body ast.Node
	for _, doc := range file.Docs {
		switch doc.Body.(type) {
		case nil, *ast.DirectiveNode, *ast.CommentGroupNode:
			continue
		}
		if body != nil {
			l.fault(l.at(doc.Body), "", "a second document: a configuration is one")
			return false
		}
		body = doc.Body
	}
	if body != nil {
		l.decode(body, root, "")
	}
	return true
}

func (l *loader) firstNonUTF8(data []byte) (origin, bool) {
	if utf8.Valid(data) {
		return origin{}, false
	}
	at := origin{l.file, 1, 1}
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		if r == utf8.RuneError && size == 1 {
			break
		}
		at.column++
		if r == '\n' {
			at.line, at.column = at.line+1, 1
		}
		data = data[size:]
	}
	return at, true
}

func (l *loader) at(n ast.Node) origin {
	if t := n.GetToken(); t != nil && t.Position != nil {
		// A mapping's own token is its first colon; the key before it is meant.
		if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
			t = m.Values[0].Key.GetToken()
		}
		return origin{l.file, t.Position.Line, max(t.Position.Column, 1)}
	}
	return l.originOf("")
}

func (l *loader) decode(n ast.Node, v reflect.Value, path string) {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		l.fault(l.at(n), path, `anchors, aliases and tags are not read: write the value out, and text that begins with &, * or ! in quotes`)
		return
	}
	t := v.Type()
	switch {
	case isScalar(t):
		l.decodeScalar(n, v, path)
	case t.Kind() == reflect.Pointer:
		l.decode(n, renewPointer(v), path)
	case isNull(n): // all of its keys or items are commented out: the default stays
	case t.Kind() == reflect.Struct:
		l.decodeStruct(n, v, path)
	case t.Kind() == reflect.Map:
		l.decodeMap(n, v, path)
	case t.Kind() == reflect.Slice:
		l.decodeSlice(n, v, path)
	default:
		panic(fmt.Sprintf("BUG: %s: a configuration has no values of type %s", path, t))
	}
}

func (l *loader) decodeStruct(n ast.Node, v reflect.Value, path string) {
	l.eachKey(n, path, func(key string, keyNode, value ast.Node, keyPath string) {
		field, ok := fieldOf(v, key)
		if !ok {
			l.fault(l.at(keyNode), keyPath, "unknown key; "+suggestKey(key, keysOf(v.Type())))
			return
		}
		l.decode(value, field, keyPath)
	})
}

func (l *loader) decodeMap(n ast.Node, v reflect.Value, path string) {
	t := v.Type()
	if t.Key().Kind() != reflect.String {
		panic(fmt.Sprintf("BUG: %s: the keys of a configuration's maps are strings, not %s", path, t.Key()))
	}
	merged := reflect.MakeMap(t) // not the map of the defaults: others may hold it
	for k, e := range v.Seq2() {
		merged.SetMapIndex(k, e)
	}
	l.eachKey(n, path, func(key string, _, value ast.Node, keyPath string) {
		k := reflect.ValueOf(key).Convert(t.Key())
		elem := newCopy(t.Elem(), merged.MapIndex(k))
		l.decode(value, elem, keyPath)
		merged.SetMapIndex(k, elem)
	})
	v.Set(merged)
}

func (l *loader) decodeSlice(n ast.Node, v reflect.Value, path string) {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		l.fault(l.at(n), path, wants(v.Type(), n))
		return
	}
	items := reflect.MakeSlice(v.Type(), len(list.Values), len(list.Values))
	for i, item := range list.Values {
		itemPath := path + "[" + strconv.Itoa(i) + "]"
		l.origins[itemPath] = l.at(item)
		l.decode(item, items.Index(i), itemPath)
	}
	v.Set(items)
}

// eachKey calls f for the keys of a mapping. A key that stands twice is a fault,
// and the first one counts.
func (l *loader) eachKey(n ast.Node, path string, f func(key string, keyNode, value ast.Node, keyPath string)) {
	mapping, ok := n.(ast.MapNode)
	if !ok {
		l.fault(l.at(n), path, "wants a mapping (key: value), not "+describe(n))
		return
	}
	seen := map[string]origin{}
	for entries := mapping.MapRange(); entries.Next(); {
		keyNode := entries.Key()
		key, ok := scalarText(keyNode)
		if !ok {
			l.fault(l.at(keyNode), path, "a key is plain text, not "+describe(keyNode))
			continue
		}
		keyPath := join(path, key)
		if first, ok := seen[key]; ok {
			l.fault(l.at(keyNode), keyPath, fmt.Sprintf("set twice: it stands at line %d already", first.line))
			continue
		}
		at := l.at(keyNode)
		seen[key] = at
		l.origins[keyPath] = at
		f(key, keyNode, entries.Value(), keyPath)
	}
}
