// Package obs lets people see what a process does: its log, and its private
// port with metrics, health and profiles.
//
// What is measured is decided by the parts that measure it.
package obs

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/rs/zerolog"
)

// LogConfig is the configuration of the log.
type LogConfig struct {
	// Level is "debug", "info", "warn" or "error". Default "info".
	Level string `yaml:"level"`
	// Format is "json", "text" for people, or "auto": text on a terminal, else
	// json. Default "auto".
	Format string `yaml:"format"`
}

// DefaultLogConfig returns the defaults.
func DefaultLogConfig() LogConfig { return LogConfig{Level: "info", Format: "auto"} }

// Validate reports what is wrong with c.
func (c LogConfig) Validate(report func(key, message string)) {
	switch c.Level {
	case "debug", "info", "warn", "error":
	default:
		report("level", fmt.Sprintf("%q is none of debug, info, warn, error", c.Level))
	}
	switch c.Format {
	case "auto", "json", "text":
	default:
		report("format", fmt.Sprintf("%q is none of auto, json, text", c.Format))
	}
}

// NewLogger returns a logger to w. Its level is the process's: see SetLevel.
func NewLogger(cfg LogConfig, w io.Writer) (zerolog.Logger, error) {
	if err := SetLevel(cfg.Level); err != nil {
		return zerolog.Logger{}, err
	}
	if cfg.Format == "text" || cfg.Format == "auto" && terminal(w) {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly}
	}
	return zerolog.New(w).With().Timestamp().Logger(), nil
}

// SetLevel sets the level of all loggers of the process, also while they are in
// use.
func SetLevel(text string) error {
	level, err := zerolog.ParseLevel(text)
	if err != nil {
		return fmt.Errorf("log level: %w", err)
	}
	zerolog.SetGlobalLevel(level)
	return nil
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
