package main

import (
	"io"
	"strings"
	"testing"
	"time"

	"pokt.ai/configs"
	"pokt.ai/internal/config"
)

func TestBuiltInConfigurationShowsTheDefaults(t *testing.T) {
	annotated := defaultSettings()
	if err := config.Decode("up.yaml", configs.Up(), nil, &annotated); err != nil {
		t.Fatal(err)
	}
	for _, c := range config.Diff(defaultSettings(), annotated) {
		if !strings.HasPrefix(c.Key, "chains.") {
			t.Errorf("up.yaml sets %s to %s, the default is %s", c.Key, c.New, c.Old)
		}
	}
}

func TestBuiltInConfigurationIsUsable(t *testing.T) {
	a := &app{stdout: io.Discard, stderr: io.Discard}
	l, err := a.load("")
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Chains) < 12 || l.Chains["dev"].ID != 1337 {
		t.Errorf("%d chains, dev has id %d", len(l.Chains), l.Chains["dev"].ID)
	}
}

func TestTimesOfTheUsageCommand(t *testing.T) {
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"24h":                  now.Add(-24 * time.Hour),
		"0s":                   now,
		"2026-05-01":           time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC),
		"2026-05-01T10:00:00Z": time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC),
	} {
		if got, err := parseTime("since", text, now); err != nil || !got.Equal(want) {
			t.Errorf("%s = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "yesterday", "-1h", "2026-13-01"} {
		if got, err := parseTime("since", text, now); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
}
