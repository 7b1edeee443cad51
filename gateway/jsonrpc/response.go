package jsonrpc

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// maxResponseDepth bounds the nesting of answers. The EVM nests calls 1,024 deep
// and its call traces take two levels for each.
const maxResponseDepth = 4096

// Answers that are JSON and yet no JSON-RPC answer.
var (
	errAnswerNotObject = errors.New("answer is not an object")
	errAnswerTwice     = errors.New("answer has a member twice")
	errAnswerEscape    = errors.New("answer has a member name with an escape")
	errAnswerBoth      = errors.New("answer has both result and error")
	errAnswerNeither   = errors.New("answer has neither result nor error")
	errAnswerError     = errors.New("answer's error is not an object")
)

// A Response is one answer of a node. Exactly one of Result and Error is set.
// Its slices are spans of the body, valid as long as the body is.
type Response struct {
	ID     []byte // raw JSON; nil: absent
	Result []byte // raw JSON
	Error  []byte // raw JSON object
	Code   int    // of Error; 0 if it has no integer code
}

// ScanResponse reads the answer to a single call. The whole body is checked
// against the grammar of JSON, so that a cut or foreign body is an error. A
// member "result" or "error" that is null beside the other is taken as absent,
// because some nodes send both.
func ScanResponse(body []byte) (Response, error) {
	s := scanner{b: body, maxDepth: maxResponseDepth}
	var r Response
	i, err := s.response(space(body, 0), &r)
	if err == nil && !s.end(i) {
		err = s.malformed()
	}
	if err != nil {
		return Response{}, err
	}
	return r, nil
}

// ScanResponses reads the answer to a batch and appends its items to dst, in the
// order in which they came. Some nodes refuse a batch with one answer that is not
// in an array: batch is then false and that answer alone is appended. On an error
// dst is returned as it was given.
func ScanResponses(body []byte, dst []Response) (answers []Response, batch bool, err error) {
	given := len(dst)
	i := space(body, 0)
	if i >= len(body) || body[i] != '[' {
		r, err := ScanResponse(body)
		if err != nil {
			return dst, false, err
		}
		return append(dst, r), false, nil
	}
	s := scanner{b: body, maxDepth: maxResponseDepth}
	i, more := s.open(i, 0, ']')
	for more {
		dst = append(dst, Response{})
		if i, err = s.response(i, &dst[len(dst)-1]); err != nil {
			return dst[:given], true, fmt.Errorf("item %d of the batch: %w", len(dst)-given-1, err)
		}
		i, more = s.next(i, ']', faultArrayEnd)
	}
	if i < 0 || !s.end(i) {
		return dst[:given], true, s.malformed()
	}
	return dst, true, nil
}

func (s *scanner) malformed() error {
	return fmt.Errorf("answer is not JSON: %s", s.text())
}

// response steps over one answer and fills r.
func (s *scanner) response(i int, r *Response) (int, error) {
	b := s.b
	if i >= len(b) || b[i] != '{' {
		if i = s.value(i, 0); i >= 0 {
			return i, errAnswerNotObject
		}
		return i, s.malformed()
	}
	i, more := s.open(i, 1, '}')
	for more {
		nameStart := i
		nameEnd, from := s.name(i)
		if from < 0 {
			return from, s.malformed()
		}
		if i = s.value(from, 1); i < 0 {
			return i, s.malformed()
		}
		var member *[]byte
		switch name := b[nameStart+1 : nameEnd-1]; string(name) {
		case "id":
			member = &r.ID
		case "result":
			member = &r.Result
		case "error":
			member = &r.Error
		default:
			if bytes.IndexByte(name, '\\') >= 0 {
				return i, errAnswerEscape
			}
		}
		if member != nil {
			if *member != nil {
				return i, errAnswerTwice
			}
			*member = b[from:i:i]
		}
		i, more = s.next(i, '}', faultObjectEnd)
	}
	if i < 0 {
		return i, s.malformed()
	}
	return i, r.settle()
}

// settle checks that there is one of result and error, and reads the code.
func (r *Response) settle() error {
	if string(r.Error) == "null" && r.Result != nil {
		r.Error = nil
	}
	if string(r.Result) == "null" && r.Error != nil {
		r.Result = nil
	}
	switch {
	case r.Result != nil && r.Error != nil:
		return errAnswerBoth
	case r.Result != nil:
		return nil
	case r.Error == nil || string(r.Error) == "null":
		return errAnswerNeither
	case r.Error[0] != '{':
		return errAnswerError
	}
	AllMembers(r.Error, func(name, value []byte) bool {
		if string(name) == "code" {
			if code, err := strconv.Atoi(string(value)); err == nil {
				r.Code = code
			}
			return false
		}
		return true
	})
	return nil
}
