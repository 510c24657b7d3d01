// The load generator: sockets of Socket.IO on one epoll, in one thread that spins while it measures.
//
// It reads commands from its standard input, one JSON object a line, and answers each with one:
//
//	{"do": "open", "ports": [8000], "rooms": [{"name": "a", "cookie": "token"}], "members": 2}
//	{"do": "flood", "seconds": 1.5, "window": 16}      messages in flight in each room
//	{"do": "pace", "seconds": 1.5, "rate": 1000}       messages a second, whatever comes back
//	{"do": "quiet", "seconds": 0.5}                    until nothing has come for so long
//	{"do": "ask", "event": "history", "data": {}}      one event and its acknowledgement
//
// Between commands it sleeps, and answers pings.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"
)

// Patience is how long nothing may happen.
const patience = 20 * time.Second

type command struct {
	Do      string          `json:"do"`
	Ports   []int           `json:"ports"`
	Rooms   []roomToOpen    `json:"rooms"`
	Members int             `json:"members"`
	AtOnce  int             `json:"at_once"`
	Seconds float64         `json:"seconds"`
	Window  int             `json:"window"`
	Most    int             `json:"most"`
	Rate    float64         `json:"rate"`
	Room    int             `json:"room"`
	Event   string          `json:"event"`
	Data    json.RawMessage `json:"data"`
}

type roomToOpen struct {
	Name   string `json:"name"`
	Cookie string `json:"cookie"`
}

type result struct {
	Messages  int             `json:"messages"`
	Delivered int             `json:"delivered"`
	Seconds   float64         `json:"seconds"`
	Busy      float64         `json:"busy"`
	P50       float64         `json:"p50"`
	P99       float64         `json:"p99"`
	Answer    json.RawMessage `json:"answer,omitempty"`
	Error     string          `json:"error,omitempty"`
}

type options struct {
	spin, nats bool
}

func main() {
	runtime.LockOSThread()
	debug.SetGCPercent(800)
	var chosen options
	for _, argument := range os.Args[1:] {
		switch argument {
		case "--spin":
			chosen.spin = true
		case "--nats":
			chosen.nats = true
		default:
			fmt.Fprintf(os.Stderr, "generator: what is %s?\n", argument)
			os.Exit(2)
		}
	}
	load := newLoad(chosen)
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	for {
		load.answerPings(lines)
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return // who started it is gone, or has done with it
		}
		var given command
		done, err := result{}, json.Unmarshal(line, &given)
		if err == nil {
			done, err = load.do(given)
		}
		if err != nil {
			done.Error = err.Error()
		}
		encoded, _ := json.Marshal(done)
		fmt.Println(string(encoded))
		if err != nil {
			os.Exit(1)
		}
	}
}

func (load *load) do(given command) (result, error) {
	load.begin()
	var err error
	switch given.Do {
	case "open":
		err = load.open(given)
	case "flood":
		err = load.flood(given)
	case "pace":
		err = load.pace(given)
	case "quiet":
		err = load.quiet(seconds(given.Seconds))
	case "ask":
		return load.ask(given)
	default:
		err = fmt.Errorf("an unknown command: %s", given.Do)
	}
	return load.result(), err
}

func seconds(number float64) time.Duration {
	return time.Duration(number * float64(time.Second))
}
