// Package jsonrpc is the wire format: it finds method, id and params of JSON-RPC
// 2.0 messages in place, without decoding params, and writes messages.
//
// A node must see exactly what was priced and allowed here. Nodes differ in how
// they read JSON: go-ethereum matches member names without regard to case, takes
// the last of duplicates and undoes escapes. So whatever two readers could read
// differently at the top level of a message is refused, and members that are
// none of the four known ones are left out when a message is rebuilt.
//
// What a method means, costs or may do is not this package's job.
package jsonrpc

import "bytes"

// MaxMethod is the longest method name taken, in bytes.
const MaxMethod = 128

// Limits bound what one body may ask for.
type Limits struct {
	MaxBatch int // most messages in a batch; 0 refuses every batch
	MaxDepth int // most arrays and objects open at once within a message, itself included
}

// A Request is one message of a client. Its slices are spans of the body, valid
// as long as the body is.
type Request struct {
	ID     []byte // raw JSON: string, number or null; nil: a notification
	Method []byte // without quotes; has no escapes
	Params []byte // raw JSON: array or object; nil: absent
	Raw    []byte // the whole message

	// Canonical: Raw has no member but those above and may be sent to a node
	// as it stands. Otherwise the message must be rebuilt with AppendRequest.
	Canonical bool

	// Err is set if this message is invalid: answer it alone, with ID if that
	// could be read. The other fields then mean nothing.
	Err *Error
}

// Scan reads one message or a batch of them and appends them to dst. What is
// wrong with one message is in its Err. A non-nil err refuses the whole body: it
// is not JSON, passes a limit, or is an empty batch; dst is then returned as it
// was given.
//
// The whole body is checked against the grammar of JSON, UTF-8 included.
func Scan(body []byte, lim Limits, dst []Request) (reqs []Request, batch bool, err *Error) {
	s := scanner{b: body, maxDepth: lim.MaxDepth}
	given := len(dst)
	i := space(body, 0)
	if i >= len(body) || body[i] != '[' {
		dst = append(dst, Request{})
		i = s.message(i, &dst[given])
		if i < 0 || !s.end(i) {
			return dst[:given], false, s.refusal()
		}
		return dst, false, nil
	}

	// The array of a batch is not counted in the depth, so that a message is
	// taken or refused alike alone and in a batch.
	i, more := s.open(i, 0, ']')
	if i > 0 && !more {
		err = errEmptyBatch
	}
	for more {
		if len(dst)-given >= lim.MaxBatch {
			return dst[:given], true, tooManyItems(lim.MaxBatch)
		}
		dst = append(dst, Request{})
		if i = s.message(i, &dst[len(dst)-1]); i < 0 {
			break
		}
		i, more = s.next(i, ']', faultArrayEnd)
	}
	if i < 0 || !s.end(i) {
		return dst[:given], true, s.refusal()
	}
	return dst, true, err
}

// Bits of the members seen in a message.
const (
	sawVersion = 1 << iota
	sawID
	sawMethod
	sawParams
)

// message steps over one message and fills r.
func (s *scanner) message(i int, r *Request) int {
	b, start := s.b, i
	if i >= len(b) || b[i] != '{' {
		if i = s.value(i, 0); i >= 0 {
			r.Raw, r.Err = b[start:i:i], errNotObject
		}
		return i
	}
	canonical := true
	var seen uint8
	i, more := s.open(i, 1, '}')
	for more {
		var bit uint8
		var twice *Error
		nameStart := i
		nameEnd, from := s.name(i)
		if from < 0 {
			return -1
		}
		if i = s.value(from, 1); i < 0 {
			return i
		}
		value := b[from:i:i]
		switch name := b[nameStart+1 : nameEnd-1]; string(name) {
		case "jsonrpc":
			bit, twice = sawVersion, errDuplicateJSON
			if string(value) != `"2.0"` {
				r.refuse(errVersion)
			}
		case "id":
			bit, twice = sawID, errDuplicateID
			r.setID(value)
		case "method":
			bit, twice = sawMethod, errDuplicateMethod
			r.setMethod(value)
		case "params":
			bit, twice = sawParams, errDuplicateParams
			switch value[0] {
			case '[', '{':
				r.Params = value
			case 'n':
				// Against the specification, and yet clients send it and
				// nodes take it: rebuilt without params.
				canonical = false
			default:
				r.refuse(errParams)
			}
		default:
			canonical = false
			r.checkUnknown(name)
		}
		if seen&bit != 0 {
			r.refuse(twice)
			if bit == sawID {
				r.ID = nil // which of them is not for us to say
			}
		}
		seen |= bit
		i, more = s.next(i, '}', faultObjectEnd)
	}
	if i < 0 {
		return i
	}
	switch {
	case seen&sawVersion == 0:
		r.refuse(errNoVersion)
	case seen&sawMethod == 0:
		r.refuse(errNoMethod)
	}
	r.Raw, r.Canonical = b[start:i:i], canonical
	return i
}

// refuse keeps the first fault of a message.
func (r *Request) refuse(e *Error) {
	if r.Err == nil {
		r.Err = e
	}
}

func (r *Request) setID(value []byte) {
	switch c := value[0]; {
	case c == '"', c == '-', c == 'n', c-'0' <= 9:
		r.ID = value
	default:
		r.refuse(errID)
	}
}

func (r *Request) setMethod(value []byte) {
	if value[0] != '"' {
		r.refuse(errMethodType)
		return
	}
	method := value[1 : len(value)-1 : len(value)-1]
	switch {
	case len(method) == 0:
		r.refuse(errMethodEmpty)
	case len(method) > MaxMethod:
		r.refuse(errMethodLong)
	case bytes.IndexByte(method, '\\') >= 0:
		r.refuse(errMethodEscaped)
	default:
		r.Method = method
	}
}

// checkUnknown refuses names that some reader takes for one of the four.
// bytes.EqualFold folds as encoding/json does: "paramſ" is "params" to both.
func (r *Request) checkUnknown(name []byte) {
	if bytes.IndexByte(name, '\\') >= 0 {
		r.refuse(errEscapedName)
		return
	}
	for _, known := range [...]string{"jsonrpc", "id", "method", "params"} {
		if bytes.EqualFold(name, []byte(known)) {
			r.refuse(errNameCase)
			return
		}
	}
}
