package jsonrpc

import (
	"strconv"
	"unicode/utf8"
)

// AppendRequest appends r to dst, rebuilt from its parts and with the given id,
// which is raw JSON; nil makes it a notification.
func AppendRequest(dst, id []byte, r *Request) []byte {
	dst = append(dst, `{"jsonrpc":"2.0"`...)
	if id != nil {
		dst = append(dst, `,"id":`...)
		dst = append(dst, id...)
	}
	dst = append(dst, `,"method":"`...)
	dst = append(dst, r.Method...)
	dst = append(dst, '"')
	if r.Params != nil {
		dst = append(dst, `,"params":`...)
		dst = append(dst, r.Params...)
	}
	return append(dst, '}')
}

// AppendResult appends an answer to dst. id and result are raw JSON; a nil id is
// written as null.
func AppendResult(dst, id, result []byte) []byte {
	dst = appendID(dst, id)
	dst = append(dst, `,"result":`...)
	dst = append(dst, result...)
	return append(dst, '}')
}

// AppendError appends an error answer to dst. id and data are raw JSON; a nil id
// is written as null, nil data is left out.
func AppendError(dst, id []byte, code int, message string, data []byte) []byte {
	dst = appendID(dst, id)
	dst = append(dst, `,"error":{"code":`...)
	dst = strconv.AppendInt(dst, int64(code), 10)
	dst = append(dst, `,"message":`...)
	dst = appendString(dst, message)
	if data != nil {
		dst = append(dst, `,"data":`...)
		dst = append(dst, data...)
	}
	return append(dst, '}', '}')
}

func appendID(dst, id []byte) []byte {
	dst = append(dst, `{"jsonrpc":"2.0","id":`...)
	if id == nil {
		return append(dst, "null"...)
	}
	return append(dst, id...)
}

// appendString appends s as a JSON string. Bytes that are not UTF-8 become
// U+FFFD.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
			i++
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			i++
		case c < utf8.RuneSelf:
			dst = append(dst, c)
			i++
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			dst = utf8.AppendRune(dst, r)
			i += size
		}
	}
	return append(dst, '"')
}

// AppendAnswer appends a node's answer to dst, with the given id in place of
// its own.
func AppendAnswer(dst, id []byte, r *Response) []byte {
	if r.Error == nil {
		return AppendResult(dst, id, r.Result)
	}
	dst = appendID(dst, id)
	dst = append(dst, `,"error":`...)
	dst = append(dst, r.Error...)
	return append(dst, '}')
}
