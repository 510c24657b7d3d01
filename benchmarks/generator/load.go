package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"syscall"
	"time"
)

const (
	marker   = "#benchmark#" // each message's text begins with it, and with its number
	digits   = 10
	words    = " the quick brown fox jumps over the lazy dog, and the dog lets it"
	inFlight = 1 << 20 // messages whose time of sending is remembered
)

// Room is who is in it, and what has happened since it was opened. Its first client writes.
type room struct {
	name                                    string
	clients                                 []*client
	sent, acknowledged, delivered, finished int
	touched                                 bool
}

type load struct {
	options
	epoll   int
	events  []syscall.EpollEvent
	clients map[int32]*client
	rooms   []*room
	touched []*room // in which something came in this turn
	flying  int     // messages that are not finished
	opening int     // clients that are not welcome yet
	heard   bool    // something but pings came in this turn
	run     uint32  // makes ids of messages unlike those of other runs
	number  int     // of the last message
	sentAt  []time.Duration
	input   []byte
	output  []byte
	asked   int // number of the event whose answer is waited for
	answer  json.RawMessage

	// Since a command began.
	began, working time.Time
	worked         time.Duration
	finished       int // messages that are acknowledged, and that everybody has
	delivered      int
	latency        histogram // of deliveries, or of clients until they are welcome
	epoch          time.Time
}

func newLoad(chosen options) *load {
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		panic(err)
	}
	now := time.Now()
	return &load{
		options: chosen,
		epoll:   epoll,
		events:  make([]syscall.EpollEvent, 512),
		clients: map[int32]*client{},
		sentAt:  make([]time.Duration, inFlight),
		input:   make([]byte, 1<<20),
		run:     uint32(now.UnixNano()),
		epoch:   now,
	}
}

func (load *load) begin() {
	load.began, load.worked, load.working = time.Now(), 0, time.Time{}
	load.finished, load.delivered, load.latency = 0, 0, histogram{}
}

func (load *load) result() result {
	passed := time.Since(load.began)
	return result{
		Messages:  load.finished,
		Delivered: load.delivered,
		Seconds:   passed.Seconds(),
		Busy:      load.worked.Seconds() / passed.Seconds(),
		P50:       load.latency.milliseconds(0.50),
		P99:       load.latency.milliseconds(0.99),
	}
}

// ---- what is done -------------------------------------------------------------------------------

func (load *load) open(given command) error {
	first := len(load.rooms)
	for _, each := range given.Rooms {
		load.rooms = append(load.rooms, &room{name: each.Name})
	}
	opened, all := 0, len(given.Rooms)*given.Members
	for opened < all || load.opening > 0 {
		for ; opened < all && load.opening < given.AtOnce; opened++ {
			at := opened % len(given.Rooms)
			// Members of one room are spread over the ports.
			port := given.Ports[(at+opened/len(given.Rooms))%len(given.Ports)]
			if err := load.connect(load.rooms[first+at], port, given.Rooms[at].Cookie); err != nil {
				return err
			}
		}
		before := load.opening
		if err := load.until(func() bool { return load.opening < before }); err != nil {
			return err
		}
	}
	return nil
}

// Flood keeps a number of messages in flight in each room; where it is one, the next is sent when it
// is acknowledged and all have it. What is in flight at the end counts, and so does its time: many
// rooms go in step, and where the last step is cut off would be chance.
func (load *load) flood(given command) error {
	end := load.began.Add(seconds(given.Seconds))
	progressed := load.began
	touched := load.rooms
	for now := load.began; now.Before(end) && load.finished < given.Most; now = time.Now() {
		for _, room := range touched {
			if free := given.Window - (room.sent - room.finished); free > 0 {
				if err := load.send(room, free, time.Since(load.epoch)); err != nil {
					return err
				}
			}
		}
		if err := load.turn(50); err != nil {
			return err
		}
		if touched = load.touched; len(touched) > 0 {
			progressed = now
		} else if now.Sub(progressed) > patience {
			return errors.New("nothing came any more")
		}
	}
	return load.until(load.nothingInFlight)
}

// Pace sends at a rate, to one room after the other. A latency counts from when a message was due, so
// that a server which holds the generator up does not look quicker for it.
func (load *load) pace(given command) error {
	all := int(given.Rate * given.Seconds)
	for sent := 0; sent < all; {
		now := time.Since(load.began)
		for due := load.due(given.Rate, sent); sent < all && due <= now; due = load.due(given.Rate, sent) {
			room := load.rooms[sent%len(load.rooms)]
			if err := load.send(room, 1, load.began.Add(due).Sub(load.epoch)); err != nil {
				return err
			}
			sent++
		}
		if err := load.turn(0); err != nil {
			return err
		}
	}
	return load.until(load.nothingInFlight)
}

func (load *load) due(rate float64, number int) time.Duration {
	return seconds(float64(number) / rate)
}

func (load *load) ask(given command) (result, error) {
	load.number++
	load.asked, load.answer = load.number, nil
	packet := fmt.Sprintf(`42%d[%q,%s]`, load.asked, given.Event, given.Data)
	if err := load.rooms[given.Room].clients[0].write([]byte(packet)); err != nil {
		return result{}, err
	}
	err := load.until(func() bool { return load.answer != nil })
	done := load.result()
	done.Answer = load.answer
	return done, err
}

func (load *load) nothingInFlight() bool {
	return load.flying == 0
}

func (load *load) quiet(calm time.Duration) error {
	heard, end := time.Now(), time.Now().Add(patience)
	for time.Since(heard) < calm && time.Now().Before(end) {
		if err := load.turn(20); err != nil {
			return err
		}
		if load.heard {
			heard = time.Now()
		}
	}
	return nil
}

func (load *load) until(condition func() bool) error {
	end := time.Now().Add(patience)
	for !condition() {
		if time.Now().After(end) {
			return fmt.Errorf("no answer for %v", patience)
		}
		if err := load.turn(50); err != nil {
			return err
		}
	}
	return nil
}

// ---- one turn -----------------------------------------------------------------------------------

func (load *load) send(room *room, count int, at time.Duration) error {
	sender, output := room.clients[0], load.output[:0]
	for ; count > 0; count-- {
		load.number++
		load.sentAt[load.number%inFlight] = at
		room.sent++
		load.flying++
		if load.nats {
			output = appendPublished(output, room.name, load.number)
		} else {
			output = load.appendMessage(output, room.name, load.number, at)
		}
	}
	load.output = output
	return sender.raw(output)
}

// AppendMessage appends a message with an id as the chat's page makes it: it begins with its time.
func (load *load) appendMessage(output []byte, name string, number int, at time.Duration) []byte {
	start := len(output)
	output = append(output, 0, 0, 0, 0, 0, 0, 0, 0) // the header, for a payload of 126 bytes or more
	output = append(output, "42"...)
	output = strconv.AppendInt(output, int64(number), 10)
	output = append(output, `["message",{"room":"`...)
	output = append(output, name...)
	output = append(output, `","client_id":"`...)
	output = fmt.Appendf(output, "t%012x-%08x%08x", load.epoch.Add(at).UnixMilli(), load.run, number)
	output = append(output, `","text":"`...)
	output = appendText(output, number)
	output = append(output, `"}]`...)
	putLongHeader(output[start:])
	return output
}

func appendText(output []byte, number int) []byte {
	output = append(output, marker...)
	for power := 1_000_000_000; power > 0; power /= 10 {
		output = append(output, byte('0'+number/power%10))
	}
	return append(output, words...)
}

// Turn reads what has come, or waits for it some milliseconds; one that spins never waits.
func (load *load) turn(wait int) error {
	load.rest()
	if load.spin {
		wait = 0
	}
	count, err := load.wait(wait)
	if err != nil {
		return err
	}
	return load.take(count)
}

// Take reads from the clients of so many events, and counts what is finished.
func (load *load) take(count int) error {
	load.touched, load.heard = load.touched[:0], false
	if count > 0 {
		load.working = time.Now()
	}
	for _, event := range load.events[:count] {
		client := load.clients[event.Fd]
		if client == nil {
			continue // the standard input, which waits
		}
		if err := client.read(); err != nil {
			return fmt.Errorf("%s: %w", client.room.name, err)
		}
		if !client.room.touched {
			client.room.touched = true
			load.touched = append(load.touched, client.room)
		}
	}
	for _, room := range load.touched {
		room.touched = false
		finished := room.delivered / len(room.clients)
		if finished > room.acknowledged {
			finished = room.acknowledged
		}
		load.finished += finished - room.finished
		load.flying -= finished - room.finished
		room.finished = finished
	}
	return nil
}

// Rest ends a time of work; to look in vain is none.
func (load *load) rest() {
	if !load.working.IsZero() {
		load.worked += time.Since(load.working)
		load.working = time.Time{}
	}
}

func (load *load) wait(milliseconds int) (int, error) {
	for {
		count, err := syscall.EpollWait(load.epoll, load.events, milliseconds)
		if err != syscall.EINTR {
			return count, err
		}
	}
}

// AnswerPings sleeps until there is a command.
func (load *load) answerPings(lines *bufio.Reader) {
	if lines.Buffered() > 0 {
		return
	}
	input := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: 0}
	if syscall.EpollCtl(load.epoll, syscall.EPOLL_CTL_ADD, 0, &input) != nil {
		return // a file, which never waits
	}
	defer syscall.EpollCtl(load.epoll, syscall.EPOLL_CTL_DEL, 0, nil)
	for {
		count, err := load.wait(-1)
		if err != nil {
			return
		}
		if load.take(count) != nil {
			return // the next command finds out
		}
		for _, event := range load.events[:count] {
			if event.Fd == 0 {
				return
			}
		}
	}
}

// ---- what came ----------------------------------------------------------------------------------

// Deliveries counts the messages in a packet.
func (load *load) deliveries(room *room, packet []byte) error {
	for {
		at := bytes.Index(packet, []byte(marker))
		if at < 0 {
			return nil
		}
		packet = packet[at+len(marker):]
		if len(packet) < digits {
			return errors.New("a message that was cut off")
		}
		number := 0
		for _, digit := range packet[:digits] {
			number = number*10 + int(digit-'0')
		}
		passed := time.Since(load.epoch) - load.sentAt[number%inFlight]
		load.latency.add(int64(passed))
		load.delivered++
		room.delivered++
	}
}
