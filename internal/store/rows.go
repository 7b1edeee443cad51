package store

import (
	"context"
	"strconv"
	"strings"
)

// writeRows executes "before VALUES after" for rows in statements of few sizes,
// so that Postgres keeps them prepared. Larger ones are no faster there and
// slower on SQLite, which looks for each $n among all of them
// (BenchmarkAddUsage). columns returns the values of a row, always as many.
func writeRows[T any](ctx context.Context, t *tx, before, after string, rows []T, columns func(*T) []any) error {
	for _, size := range []int{16, 4, 1} {
		if len(rows) < size {
			continue
		}
		var query string
		var args []any
		for len(rows) >= size {
			args = args[:0]
			for i := range rows[:size] {
				args = append(args, columns(&rows[i])...)
			}
			if query == "" {
				query = before + placeholders(size, len(args)/size) + after
			}
			if _, err := t.ExecContext(ctx, query, args...); err != nil {
				return err
			}
			rows = rows[size:]
		}
	}
	return nil
}

// placeholders returns "($1, $2), ($3, $4)" for two rows of two columns.
func placeholders(rows, columns int) string {
	var b strings.Builder
	for i := range rows * columns {
		switch {
		case i == 0:
			b.WriteString("($")
		case i%columns == 0:
			b.WriteString("), ($")
		default:
			b.WriteString(", $")
		}
		b.WriteString(strconv.Itoa(i + 1))
	}
	b.WriteByte(')')
	return b.String()
}
