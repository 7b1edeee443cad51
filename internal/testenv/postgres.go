package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// postgres is a new cluster. Its value is a URL; its superuser needs no password.
type postgres struct{ process }

func (p *postgres) start(ctx context.Context, dir string) (string, error) {
	bin, err := postgresBin()
	if err != nil {
		return "", err
	}
	as, err := unprivileged()
	if err != nil {
		return "", err
	}
	if as != nil {
		if err := os.Chown(dir, int(as.Uid), int(as.Gid)); err != nil {
			return "", err
		}
	}
	data := filepath.Join(dir, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"),
		"--pgdata="+data, "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync")
	initdb.Dir = dir
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	if out, err := initdb.CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb: %w:\n%s", err, out)
	}

	port, err := freePort(ctx)
	if err != nil {
		return "", err
	}
	// The data is thrown away, so nothing waits for the disk.
	server := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-p", port,
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
		"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
	server.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	err = p.run(ctx, server, dir, func(ctx context.Context) error {
		return exec.CommandContext(ctx, filepath.Join(bin, "pg_isready"), "-q", "-h", "127.0.0.1", "-p", port).Run()
	})
	return "postgres://postgres@127.0.0.1:" + port + "/postgres?sslmode=disable", err
}

// stop sends what Postgres calls a fast shutdown: it does not wait for clients.
func (p *postgres) stop() error { return p.end(syscall.SIGINT) }

// postgresBin returns the folder of the server's programs. Debian keeps them out
// of PATH, one folder a version: the newest is taken.
func postgresBin() (string, error) {
	if dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin"); len(dirs) > 0 {
		return slices.Max(dirs), nil
	}
	path, err := exec.LookPath("postgres")
	if err != nil {
		return "", errors.New("no Postgres server is installed (Debian: apt-get install postgresql)")
	}
	path, err = filepath.EvalSymlinks(path)
	return filepath.Dir(path), err
}

// unprivileged returns the user to run as in place of root, which Postgres
// refuses to be; nil where this program is not root.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, err
		}
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}
