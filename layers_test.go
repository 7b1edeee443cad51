// Package poktai_test holds what is true of the module as a whole: which
// package may import which, and that each says what it is for.
package poktai_test

import (
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "pokt.ai/"

// layers lists, for each package, every package of this module that it may
// import. A package missing here, or an arrow not listed, fails; cmd may import
// everything. ARCHITECTURE.md says the same in prose, under "Arrows".
var layers = map[string][]string{
	"configs": {},
	"gateway": {
		"gateway/allow", "gateway/chain", "gateway/forward", "gateway/jsonrpc", "gateway/keys",
		"gateway/limit", "gateway/upstream", "internal/account", "internal/obs", "internal/secret", "internal/tcp", "meter",
	},
	"gateway/allow":     {"gateway/jsonrpc", "internal/account"},
	"gateway/chain":     {"gateway/upstream"},
	"gateway/forward":   {"gateway/chain", "gateway/jsonrpc", "gateway/upstream"},
	"gateway/jsonrpc":   {},
	"gateway/keys":      {"internal/account"},
	"gateway/limit":     {},
	"gateway/upstream":  {"internal/obs", "internal/secret", "internal/tcp"},
	"internal/account":  {},
	"internal/config":   {"internal/secret"},
	"internal/devchain": {},
	"internal/e2e":      {},
	"internal/obs":      {},
	"internal/run":      {},
	"internal/secret":   {},
	"internal/store":    {"internal/account", "internal/secret"},
	"internal/tcp":      {},
	"internal/testenv":  {},

	"internal/testclickhouse":        {},
	"internal/testclickhouse/engine": {},

	"meter/clickhouse": {"internal/account", "internal/secret", "meter", "meter/spool"},
	"meter":            {"internal/account", "meter/spool"},
	"meter/embedded":   {"internal/account", "internal/store", "meter", "meter/spool"},
	"meter/rating":     {"internal/account", "internal/store", "meter"},
	"meter/spool":      {},
}

// confined lists what only one package may import, by prefix: whatever speaks to
// a database, so that all SQL of one stays in one place.
var confined = map[string]string{
	"database/sql":                         "internal/store",
	"github.com/ClickHouse/clickhouse-go/": "meter/clickhouse",
	"github.com/jackc/pgx/":                "internal/store",
	"github.com/pressly/goose/":            "internal/store",
	"modernc.org/sqlite":                   "internal/store",
}

// A goPackage is what the tests need of `go list -json`.
type goPackage struct {
	ImportPath, Dir                    string
	Imports                            []string
	GoFiles, TestGoFiles, XTestGoFiles []string
}

// name is the package's path in the module, "" for the root.
func (p goPackage) name() string {
	return strings.TrimSuffix(strings.TrimPrefix(p.ImportPath+"/", module), "/")
}

func TestImportsFollowTheArrows(t *testing.T) {
	unseen := make(map[string]bool)
	for pkg := range layers {
		unseen[pkg] = true
	}
	for _, p := range packages(t) {
		pkg := p.name()
		if pkg == "" || strings.HasPrefix(pkg, "cmd/") {
			continue
		}
		delete(unseen, pkg)
		allowed, ok := layers[pkg]
		if !ok {
			t.Errorf("%s has no row in layers", pkg)
		}
		for _, imp := range p.Imports {
			if ours, ok := strings.CutPrefix(imp, module); ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s must not import %s", pkg, ours)
			}
			for prefix, only := range confined {
				if strings.HasPrefix(imp, prefix) && pkg != only {
					t.Errorf("%s must not import %s: only %s does", pkg, imp, only)
				}
			}
		}
	}
	for pkg := range unseen {
		t.Errorf("layers has a row for %s, which is not there", pkg)
	}
}

func TestArchitectureListsThePackages(t *testing.T) {
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, arrows, _ := strings.Cut(string(text), "## Arrows")
	listed := make(map[string]bool)
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z0-9/]+)` \\|").FindAllStringSubmatch(arrows, -1) {
		listed[row[1]] = true
	}
	for _, p := range packages(t) {
		pkg := p.name()
		if pkg != "" && !listed[pkg] {
			t.Errorf("ARCHITECTURE.md has no row for %s under Arrows", pkg)
		}
		delete(listed, pkg)
	}
	for pkg := range listed {
		t.Errorf("ARCHITECTURE.md has a row for %s, which is not there", pkg)
	}
}

func TestPackagesSayWhatTheyAreFor(t *testing.T) {
	for _, p := range packages(t) {
		files := p.GoFiles
		if len(files) == 0 {
			files = slices.Concat(p.TestGoFiles, p.XTestGoFiles)
		}
		documented := slices.ContainsFunc(files, func(name string) bool {
			return packageComment(t, filepath.Join(p.Dir, name)) != ""
		})
		if !documented {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

// packages returns every package of the module.
func packages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Dir,Imports,GoFiles,TestGoFiles,XTestGoFiles", "./...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		all = append(all, p)
	}
}

func packageComment(t *testing.T, file string) string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.PackageClauseOnly|parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return f.Doc.Text()
}
