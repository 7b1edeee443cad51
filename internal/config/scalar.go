package config

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"pokt.ai/internal/secret"
)

var (
	durationType = reflect.TypeFor[time.Duration]()
	secretType   = reflect.TypeFor[secret.Text]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// isScalar reports whether values of type t are one text in YAML.
func isScalar(t reflect.Type) bool {
	if isText(t) {
		return true
	}
	switch t.Kind() {
	case reflect.Bool, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return true
	default:
		return false
	}
}

// isText reports whether values of type t may stand in quotes.
func isText(t reflect.Type) bool {
	return t == durationType || t.Kind() == reflect.String || isUnmarshaler(t)
}

func isUnmarshaler(t reflect.Type) bool {
	return t.Kind() != reflect.Pointer && reflect.PointerTo(t).Implements(textType)
}

func (l *loader) decodeScalar(n ast.Node, v reflect.Value, path string) {
	at := l.at(n)
	text, ok := scalarText(n)
	switch {
	case isNull(n):
		l.fault(at, path, "has no value; leave the key out to keep its default")
	case !ok, isQuoted(n) && !isText(v.Type()):
		l.fault(at, path, wants(v.Type(), n))
	case v.Type() == secretType:
		l.origins[path] = at
		expanded, err := l.expand(text)
		if err != nil {
			l.fault(at, path, err.Error())
			return
		}
		l.setSecret(v, expanded)
	default:
		l.origins[path] = at
		if err := setScalar(v, text); err != nil {
			l.fault(at, path, err.Error())
		}
	}
}

func (l *loader) setSecret(v reflect.Value, text string) {
	l.keepSecret(text)
	v.Set(reflect.ValueOf(secret.New(text)))
}

// setScalar reads text into v. Its error says what would be right.
func setScalar(v reflect.Value, text string) error {
	t := v.Type()
	if t == durationType {
		d, err := time.ParseDuration(text)
		if err != nil {
			return wantedFor(t, text)
		}
		v.SetInt(int64(d))
		return nil
	}
	if isUnmarshaler(t) {
		if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)); err != nil {
			return fmt.Errorf("not a valid %s: %w", strings.ToLower(t.Name()), err)
		}
		return nil
	}
	switch t.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return wantedFor(t, text)
		}
		v.SetBool(text == "true")
	case reflect.Float32, reflect.Float64:
		f, err := strconv.ParseFloat(text, t.Bits())
		if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			return wantedFor(t, text)
		}
		v.SetFloat(f)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, err := strconv.ParseUint(decimal(text), 0, t.Bits())
		if err != nil {
			return numberError(t, text, err)
		}
		v.SetUint(n)
	default:
		n, err := strconv.ParseInt(decimal(text), 0, t.Bits())
		if err != nil {
			return numberError(t, text, err)
		}
		v.SetInt(n)
	}
	return nil
}

// decimal drops the leading zeros of 010: it is ten in YAML 1.2, but eight to
// strconv. 0x10, 0o10 and 0b10 are left alone.
func decimal(text string) string {
	digits := strings.TrimLeft(text, "+-")
	sign := text[:len(text)-len(digits)]
	for len(digits) > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9' {
		digits = digits[1:]
	}
	return sign + digits
}

func numberError(t reflect.Type, text string, err error) error {
	if errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("%s is out of range for %d bits", text, t.Bits())
	}
	return wantedFor(t, text)
}

func wantedFor(t reflect.Type, text string) error {
	return fmt.Errorf("wants %s, not %q", want(t), text)
}

func wants(t reflect.Type, n ast.Node) string {
	return "wants " + want(t) + ", not " + describe(n)
}

func want(t reflect.Type) string {
	switch {
	case t == durationType:
		return `a duration with its unit, such as "10s", "1m30s" or "250ms"`
	case isText(t):
		return "text"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number, 0 or more"
	case reflect.Slice:
		return "a list ([a, b] or a line with - for each)"
	default:
		return "a whole number"
	}
}

// describe names the kind of a node, never its contents.
func describe(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode, *ast.MappingKeyNode:
		return "an anchor, alias, merge key, tag or complex key"
	case *ast.BoolNode:
		return "true or false"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.NullNode:
		return "nothing"
	default:
		if isQuoted(n) {
			return "text in quotes"
		}
		return "text"
	}
}

// scalarText returns a scalar as it is written, so that a text field takes 1.10
// and true for what they look like.
func scalarText(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	default:
		return "", false
	}
}

func isQuoted(n ast.Node) bool {
	if _, ok := n.(*ast.LiteralNode); ok {
		return true
	}
	t := n.GetToken()
	return t != nil && (t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType)
}

func isNull(n ast.Node) bool {
	_, ok := n.(*ast.NullNode)
	return ok || n == nil
}
