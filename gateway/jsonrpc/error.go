package jsonrpc

import (
	"fmt"
	"strconv"
)

// Codes of JSON-RPC 2.0, section 5.1.
const (
	CodeParse          = -32700
	CodeInvalidRequest = -32600
	CodeMethodNotFound = -32601
	CodeInternal       = -32603
)

// An Error is what a refused message or body is answered with. It is an answer
// and not a Go error, so that a nil *Error cannot become a non-nil error.
// Values are shared and must not be changed.
type Error struct {
	Code     int
	Message  string
	TooLarge bool // one of Limits was passed: HTTP 413 rather than 400
}

// Faults of one message. They are made once, because clients that send bad
// messages send many.
var (
	errNotObject       = invalid("message is not an object")
	errEscapedName     = invalid("member name has an escape")
	errNameCase        = invalid(`member name differs from "jsonrpc", "id", "method" or "params" in case alone`)
	errDuplicateJSON   = invalid(`duplicate member "jsonrpc"`)
	errDuplicateID     = invalid(`duplicate member "id"`)
	errDuplicateMethod = invalid(`duplicate member "method"`)
	errDuplicateParams = invalid(`duplicate member "params"`)
	errVersion         = invalid(`member "jsonrpc" is not "2.0"`)
	errNoVersion       = invalid(`member "jsonrpc" is missing`)
	errID              = invalid(`member "id" is not a string, a number or null`)
	errNoMethod        = invalid(`member "method" is missing`)
	errMethodType      = invalid(`member "method" is not a string`)
	errMethodEmpty     = invalid(`member "method" is empty`)
	errMethodLong      = invalid(`member "method" has more than ` + strconv.Itoa(MaxMethod) + ` bytes`)
	errMethodEscaped   = invalid(`member "method" has an escape`)
	errParams          = invalid(`member "params" is not an array or an object`)
	errEmptyBatch      = invalid("batch is empty")
)

func invalid(message string) *Error {
	return &Error{Code: CodeInvalidRequest, Message: "invalid request: " + message}
}

func tooManyItems(limit int) *Error {
	return &Error{
		Code:     CodeInvalidRequest,
		Message:  fmt.Sprintf("invalid request: batch has more than %d items", limit),
		TooLarge: true,
	}
}

// A fault is why the scanner stopped.
type fault uint8

const (
	faultNone fault = iota
	faultDepth
	faultValue
	faultLiteral
	faultNumber
	faultControl
	faultUTF8
	faultEscape
	faultName
	faultColon
	faultObjectEnd
	faultArrayEnd
	faultTrailing
)

var faultTexts = [...]string{
	faultNone:      "BUG: no fault",
	faultDepth:     "nested too deep",
	faultValue:     "expected a value",
	faultLiteral:   "expected true, false or null",
	faultNumber:    "expected a digit",
	faultControl:   "control character in a string",
	faultUTF8:      "invalid UTF-8",
	faultEscape:    "invalid escape",
	faultName:      "expected a member name",
	faultColon:     `expected ":"`,
	faultObjectEnd: `expected "," or "}"`,
	faultArrayEnd:  `expected "," or "]"`,
	faultTrailing:  "unexpected text after the message",
}

// text describes the scanner's fault.
func (s *scanner) text() string {
	why := faultTexts[s.fault]
	if s.at >= len(s.b) && s.fault != faultDepth {
		why = "unexpected end"
	}
	return fmt.Sprintf("at byte %d: %s", s.at, why)
}

// refusal is the answer to a body that made the scanner stop.
func (s *scanner) refusal() *Error {
	if s.fault == faultDepth {
		return &Error{
			Code:     CodeInvalidRequest,
			Message:  fmt.Sprintf("invalid request: nested deeper than %d levels at byte %d", s.maxDepth, s.at),
			TooLarge: true,
		}
	}
	return &Error{Code: CodeParse, Message: "parse error " + s.text()}
}
