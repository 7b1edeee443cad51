package jsonrpc

// AllMembers reports whether text is a JSON object and ok holds for each of its
// members, in order and with duplicates. name is raw and without quotes: it may
// have escapes. value is raw JSON.
func AllMembers(text []byte, ok func(name, value []byte) bool) bool {
	s := scanner{b: text, maxDepth: maxResponseDepth}
	i := space(text, 0)
	if i >= len(text) || text[i] != '{' {
		return false
	}
	i, more := s.open(i, 1, '}')
	for more {
		nameStart := i
		nameEnd, from := s.name(i)
		if from < 0 {
			return false
		}
		if i = s.value(from, 1); i < 0 {
			return false
		}
		if !ok(text[nameStart+1:nameEnd-1], text[from:i:i]) {
			return false
		}
		i, more = s.next(i, '}', faultObjectEnd)
	}
	return i >= 0 && s.end(i)
}

// AllElements reports whether text is a JSON array and ok holds for each of its
// elements, in order. value is raw JSON.
func AllElements(text []byte, ok func(index int, value []byte) bool) bool {
	s := scanner{b: text, maxDepth: maxResponseDepth}
	i := space(text, 0)
	if i >= len(text) || text[i] != '[' {
		return false
	}
	i, more := s.open(i, 1, ']')
	for n := 0; more; n++ {
		from := i
		if i = s.value(from, 1); i < 0 {
			return false
		}
		if !ok(n, text[from:i:i]) {
			return false
		}
		i, more = s.next(i, ']', faultArrayEnd)
	}
	return i >= 0 && s.end(i)
}
