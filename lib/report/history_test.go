package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"jottatools/lib/record"
)

func TestHistory(t *testing.T) {
	name := filepath.Join(t.TempDir(), "h")
	if runs, err := History(name); runs != nil || err != nil {
		t.Errorf("of a job that never ran: %v, %v", runs, err)
	}
	began := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	const all = 2*maxHistory + 5
	for i := range all {
		p := Past{Started: began.Add(time.Duration(i) * time.Hour), Kind: "backup", Code: i % 2}
		if err := AddHistory(name, p); err != nil {
			t.Fatal(err)
		}
		if i == 2 { // a run that was cut off with the machine
			f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			f.WriteString("{\"started\":\"2026\n")
			f.Close()
		}
	}
	runs, err := History(name)
	if err != nil || len(runs) < maxHistory || len(runs) > 2*maxHistory {
		t.Fatalf("%d runs, %v", len(runs), err)
	}
	for i, p := range runs {
		if want := began.Add(time.Duration(all-len(runs)+i) * time.Hour); !p.Started.Equal(want) {
			t.Fatalf("run %d of %d began %v, want %v", i, len(runs), p.Started, want)
		}
	}
}

func TestPast(t *testing.T) {
	r := &Report{Complete: true, Counts: Counts{Files: 5, Bytes: 2048, Uploaded: 2, Moved: 1, Deleted: 3, Failed: 1, Pending: 1, Sent: 1024}}
	p := r.Past(1)
	if p.Kind != "backup" || p.Changed != 3 || p.Failed != 2 || p.Code != 1 {
		t.Errorf("%+v", p)
	}
	if want := "5 files, 2 KiB; 3 changed, 3 deleted, 2 failed; 1 KiB sent"; !strings.Contains(p.String(), want) {
		t.Errorf("%s, want %s in it", p, want)
	}
	if p.Why = "no\x1b\ndisk"; !strings.Contains(p.String(), `no\x1b\x0adisk`) {
		t.Errorf("%s", p)
	}
	if got, want := r.Progress(), "3 entries were stored, 1 KiB sent"; got != want {
		t.Errorf("Progress = %q, want %q", got, want)
	}
	if got, want := (&Report{Restore: true}).Progress(), "no entry is finished yet"; got != want {
		t.Errorf("Progress = %q, want %q", got, want)
	}
}

func TestMetrics(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 250e6, time.UTC)
	reports := []*Report{
		{
			Source: "/a\"\\\n\xff", Dest: "/Jotta/Archive/a", Started: at.Add(-90 * time.Second), Ended: at, Counts: Counts{Files: 1 << 60}, Omitted: 7,
			NotStored: []Entry{{Class: record.ClassQuota}, {Class: record.ClassQuota}, {Reason: record.ReasonChanging}},
			Proof:     Proof{Compared: at.Add(-time.Hour), Read: map[int]time.Time{3: at.Add(-time.Minute)}},
		},
		{Restore: true, Source: "/Jotta/Archive/a", Dest: "/b", Complete: true, LastComplete: at, Ended: at},
	}
	text := Metrics(reports, at)
	const one = `{source="/a\"\\\n�",dest="/Jotta/Archive/a"`
	for _, want := range []string{
		"# TYPE jottasync_well gauge\n",
		"jottasync_last_run_timestamp_seconds" + one + "} 1767323045.25\n",
		"jottasync_last_run_duration_seconds" + one + "} 90\n",
		"jottasync_last_proof_timestamp_seconds" + one + "} 1767322985.25\n",
		"jottasync_files" + one + "} 1152921504606846976\n",
		"jottasync_well" + one + "} 0\n",
		`jottasync_well{source="/Jotta/Archive/a",dest="/b",restore="1"} 1` + "\n",
		"jottasync_not_stored" + one + `,class="quota"} 2` + "\n",
		"jottasync_not_stored" + one + `,class="changing"} 1` + "\n",
		"jottasync_not_stored" + one + `,class="not_listed"} 7` + "\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "jottasync_last_complete_timestamp_seconds"+one) {
		t.Error("a job that was never complete has a time for it")
	}
}
